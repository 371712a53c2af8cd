"""Activity that is made of sparse features in superposition, which are known."""

from __future__ import annotations

import numpy as np


def superposition(
    n_rows=6000, n_units=16, n_features=32, share=0.05, noise=0.02, seed=0
):
    """Return rows, and directions of length 1 of more features than units."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(n_features, n_units))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    active = rng.random((n_rows, n_features)) < share
    values = active * rng.uniform(0.5, 1.5, active.shape)
    x = values @ directions + noise * rng.normal(size=(n_rows, n_units))
    return x, directions


def recovered(directions, decoder):
    """Return the largest cosine of each direction with a feature."""
    unit = decoder / np.maximum(np.linalg.norm(decoder, axis=1, keepdims=True), 1e-12)
    return (directions @ unit.T).max(axis=1)


def parts(n_rows=1500, n_units=20, n_parts=5, seed=0):
    """Return Poisson counts of nonnegative parts, and the parts."""
    rng = np.random.default_rng(seed)
    shape = (n_parts, n_units)
    patterns = rng.gamma(1.0, 1.0, shape) * (rng.random(shape) < 0.3)
    rates = rng.gamma(1.0, 3.0, (n_rows, n_parts)) @ patterns
    return rng.poisson(rates), patterns / np.linalg.norm(
        patterns, axis=1, keepdims=True
    )
