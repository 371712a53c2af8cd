"""Do 95 % intervals hold the planted value in 95 % of data sets?

Drawn from the prior, every interval must cover at exactly its level (simulation-based
calibration). At planted values the prior pulls a little; what was measured there is
listed in `PLANTED`, boundary cases included, and held.
"""

from __future__ import annotations

import numpy as np
import pytest
from planted import CONTRASTS, logistic
from scipy import stats

from marr.behavior._condition_fit import FitOptions, fit_condition
from marr.behavior._curve_kernel import make_prior, psi, slope_at_threshold

PRIOR = make_prior(CONTRASTS.astype(float))
NAMES = (
    "threshold",
    "width",
    "slope",
    "bias",
    "lapse_low",
    "lapse_high",
    "overdispersion",
)


def options(link="logistic", *, overdispersed=False):
    return FitOptions(
        PRIOR, link, "free", (0.0, 0.0), overdispersed, falling=False, at_zero=True,
        grid=np.zeros(2),
    )  # fmt: skip


def planted_values(theta, link):
    bias = psi(np.zeros(1), theta[None], link)[0][0, 0]
    slope = slope_at_threshold(theta[1:2], link)[0]
    return dict(zip(NAMES, (*theta[:2], slope, bias, *theta[2:]), strict=True))


def simulate(theta, link, n, rng):
    """Answers at equally frequent stimuli; each level its own beta draw if asked."""
    x = np.repeat(CONTRASTS, n // len(CONTRASTS)).astype(float)
    p = psi(x, theta[None], link)[0][0]
    if theta[4] > 0:
        nu = 1 / theta[4] ** 2 - 1
        rate = np.clip(
            psi(CONTRASTS.astype(float), theta[None], link)[0][0], 1e-9, 1 - 1e-9
        )
        p = np.repeat(rng.beta(rate * nu, (1 - rate) * nu), n // len(CONTRASTS))
    return x, (rng.random(len(x)) < p).astype(float)


def coverage(thetas, *, link="logistic", n=550, overdispersed=False, seed=0):
    """Share of data sets whose interval holds the planted value, by parameter."""
    rng = np.random.default_rng(seed)
    chosen = options(link, overdispersed=overdispersed)
    held = {name: [] for name in chosen.names}
    for i, theta in enumerate(thetas):
        x, y = simulate(theta, link, n, rng)
        if y.min() == y.max():
            continue
        bins = np.unique(x, return_inverse=True)[1]
        fit = fit_condition(x, y, bins, None, chosen, i)
        truth = planted_values(theta, link)
        for name, row in fit.rows.items():
            held[name].append(row["ci_low"] <= truth[name] <= row["ci_high"])
    return {name: float(np.mean(v)) for name, v in held.items()}, len(held["threshold"])


def from_prior(n, *, overdispersed=False, seed=1):
    thetas = PRIOR.quantiles(np.random.default_rng(seed).random((n, 5)))
    if not overdispersed:
        thetas[:, 4] = 0
    return thetas


def within_binomial(share, n, level=0.95, tail=5e-4):
    low, high = stats.binom.ppf([tail, 1 - tail], n, level) / n
    return low <= share <= high


def test_intervals_cover_truths_drawn_from_the_prior():
    shares, n = coverage(from_prior(120))
    for name, share in shares.items():
        assert within_binomial(share, n), (name, share)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("link", "overdispersed", "n_sets"),
    [("logistic", False, 2000), ("logistic", True, 400), ("gaussian", False, 400)],
)
def test_intervals_cover_at_their_level(link, overdispersed, n_sets):
    shares, n = coverage(
        from_prior(n_sets, overdispersed=overdispersed),
        link=link,
        overdispersed=overdispersed,
    )
    print(f"\n{link}, overdispersed {overdispersed}, {n} data sets: {shares}")
    for name, share in shares.items():
        assert within_binomial(share, n), (name, share)


PLANTED = {
    # measured over 1,000 data sets each: threshold, width, bias, lapses (low, high)
    "typical": ([0.05, 0.5, 0.05, 0.03, 0.0], 1100),  # .952 .930 .957 .946 .952
    "few trials": ([0.05, 0.5, 0.05, 0.03, 0.0], 330),  # .963 .958 .955 .949 .994
    "lapses at 0": ([0.05, 0.5, 0.0, 0.0, 0.0], 1100),  # .964 .944 .959 .967 .962
    "one lapse at 0": ([-0.1, 0.8, 0.0, 0.08, 0.0], 1100),  # .961 .953 .962 .951 .949
    "steep": ([0.0, 0.15, 0.03, 0.03, 0.0], 1100),  # .954 .950 .951 .945 .944
    "shallow": ([0.2, 2.0, 0.05, 0.05, 0.0], 1100),  # .985 .991 .944 .979 .997
}


@pytest.mark.slow
@pytest.mark.parametrize("case", PLANTED)
def test_measured_coverage_at_planted_values(case):
    theta, n = PLANTED[case]
    shares, n_sets = coverage(np.tile(theta, (300, 1)), n=n, seed=7)
    print(f"\n{case}: {shares}")
    for name, share in shares.items():
        low = stats.binom.ppf(5e-4, n_sets, 0.93) / n_sets
        assert share >= low, (name, share)
    assert n_sets == 300


@pytest.mark.slow
@pytest.mark.parametrize(("n_sessions", "shift"), [(6, 0.15), (40, 0.15), (6, 0.0)])
def test_intervals_cover_where_sessions_shift(n_sessions, shift):
    """Truth: the curve averaged over sessions; independent-trial intervals cover .2."""
    rng = np.random.default_rng(5)
    chosen = FitOptions(
        PRIOR, "logistic", "free", (0.0, 0.0), overdispersed=False, falling=False,
        at_zero=True, grid=np.zeros(2), n_clusters=n_sessions,
    )  # fmt: skip
    held = []
    shifts = rng.normal(0, shift, 20_000)
    truth = float(np.mean(logistic(0.0, 0.1 + shifts, 0.6, 0.04, 0.04)))
    for i in range(300):
        session = np.repeat(np.arange(n_sessions), 2400 // n_sessions)
        x = rng.choice(CONTRASTS, len(session)).astype(float)
        p = logistic(
            x - rng.normal(0, shift, n_sessions)[session], 0.1, 0.6, 0.04, 0.04
        )
        y = (rng.random(len(x)) < p).astype(float)
        bins = np.unique(x, return_inverse=True)[1]
        row = fit_condition(x, y, bins, session, chosen, i).rows["bias"]
        held.append(row["ci_low"] <= truth <= row["ci_high"])
    print(f"\n{n_sessions} sessions, shift {shift}: {np.mean(held)}")
    assert np.mean(held) >= stats.binom.ppf(1e-3, 300, 0.93) / 300
