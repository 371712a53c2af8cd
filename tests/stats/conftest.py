"""What the statistics tests share: a binomial tolerance, and autocorrelated series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter


def _close(rate, nominal, n, sigmas=3.5):
    return abs(rate - nominal) <= sigmas * np.sqrt(nominal * (1 - nominal) / n)


@pytest.fixture
def close_to():
    """Whether a share of n simulations equals the nominal one within binomial noise."""
    return _close


@pytest.fixture
def at_most():
    """Whether a share of n simulations lies at or below the nominal one, with noise."""
    return lambda rate, nominal, n: rate <= nominal or _close(rate, nominal, n)


@pytest.fixture
def autoregressive():
    """Stationary AR(1) series of shape (n, n_series)."""

    def draw(phi, n, n_series, rng):
        noise = rng.normal(size=(n + 1000, n_series))
        return lfilter([1.0], [1.0, -phi], noise, axis=0)[-n:]

    return draw
