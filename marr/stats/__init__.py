"""Statistics on plain arrays: folds, resampling, nulls, corrections, linear solvers.

Trials are the first axis unless stated; every random function takes `seed`.
"""

from __future__ import annotations

from marr.stats._bootstrap import bootstrap_interval
from marr.stats._ceilings import (
    Ceiling,
    noise_ceiling,
    random_halves,
    spearman_brown,
    split_half_floor,
    split_half_reliability,
)
from marr.stats._clusters import cluster_correction
from marr.stats._corrections import fdr, holm, max_statistic
from marr.stats._correlation import (
    PermutationTest,
    correlation,
    freedman_lane,
    partial_correlation,
    rank_correlation,
    ranks,
)
from marr.stats._folds import blocked_folds, fold_caveats, folds, halves
from marr.stats._intervals import (
    bca_interval,
    binomial_interval,
    jackknife_interval,
    percentile_interval,
    t_interval,
)
from marr.stats._logistic import (
    LogisticFit,
    logistic_fold_probabilities,
    logistic_weights,
    softmax,
)
from marr.stats._permutations import (
    PERMUTATION_SCHEMES,
    permutation_p,
    permutations,
    session_swap,
    shift_permutations,
)
from marr.stats._pseudo import block_sequence, pseudo_sessions
from marr.stats._removal import leave_one_unit_out, leave_units_out
from marr.stats._resampling import (
    Jackknife,
    bootstrap_indices,
    bootstrap_weights,
    hierarchical_bootstrap,
    hierarchical_weights,
    jackknife,
    subsample_indices,
)
from marr.stats._ridge import (
    LinearWeights,
    apply_fold_weights,
    ridge_fold_predictions,
    ridge_fold_weights,
    ridge_weights,
)
from marr.stats._ridge_cv import RidgeCV, ridge_cv_predictions, ridge_penalties
from marr.stats._types import Interval

__all__ = [
    "PERMUTATION_SCHEMES",
    "Ceiling",
    "Interval",
    "Jackknife",
    "LinearWeights",
    "LogisticFit",
    "PermutationTest",
    "RidgeCV",
    "apply_fold_weights",
    "bca_interval",
    "binomial_interval",
    "block_sequence",
    "blocked_folds",
    "bootstrap_indices",
    "bootstrap_interval",
    "bootstrap_weights",
    "cluster_correction",
    "correlation",
    "fdr",
    "fold_caveats",
    "folds",
    "freedman_lane",
    "halves",
    "hierarchical_bootstrap",
    "hierarchical_weights",
    "holm",
    "jackknife",
    "jackknife_interval",
    "leave_one_unit_out",
    "leave_units_out",
    "logistic_fold_probabilities",
    "logistic_weights",
    "max_statistic",
    "noise_ceiling",
    "partial_correlation",
    "percentile_interval",
    "permutation_p",
    "permutations",
    "pseudo_sessions",
    "random_halves",
    "rank_correlation",
    "ranks",
    "ridge_cv_predictions",
    "ridge_fold_predictions",
    "ridge_fold_weights",
    "ridge_penalties",
    "ridge_weights",
    "session_swap",
    "shift_permutations",
    "softmax",
    "spearman_brown",
    "split_half_floor",
    "split_half_reliability",
    "subsample_indices",
    "t_interval",
]
