"""Statistics on plain arrays: folds, resampling, nulls, corrections, linear solvers.

Trials are the first axis unless stated; every random function takes `seed`.
"""

from __future__ import annotations

from marr.stats._corrections import fdr, holm, max_statistic
from marr.stats._folds import blocked_folds, fold_caveats, folds, halves
from marr.stats._intervals import (
    bca_interval,
    binomial_interval,
    bootstrap_interval,
    percentile_interval,
    t_interval,
)
from marr.stats._permutations import (
    PERMUTATION_SCHEMES,
    permutation_p,
    permutations,
    session_swap,
    shift_permutations,
)
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
from marr.stats._types import Interval

__all__ = [
    "PERMUTATION_SCHEMES",
    "Interval",
    "Jackknife",
    "LinearWeights",
    "apply_fold_weights",
    "bca_interval",
    "binomial_interval",
    "blocked_folds",
    "bootstrap_indices",
    "bootstrap_interval",
    "bootstrap_weights",
    "fdr",
    "fold_caveats",
    "folds",
    "halves",
    "hierarchical_bootstrap",
    "hierarchical_weights",
    "holm",
    "jackknife",
    "leave_one_unit_out",
    "leave_units_out",
    "max_statistic",
    "percentile_interval",
    "permutation_p",
    "permutations",
    "ridge_fold_predictions",
    "ridge_fold_weights",
    "ridge_weights",
    "session_swap",
    "shift_permutations",
    "subsample_indices",
    "t_interval",
]
