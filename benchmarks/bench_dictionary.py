"""Time dictionaries against the plain way: `python benchmarks/bench_dictionary.py`.

Prints CPU seconds of marr, of the plain way, their ratio, and the explained variance that
both reach on the same rows. SAELens asks for another TransformerLens than marr and cannot
be installed beside it, so its TopK training is written out here as it is documented: one
autoencoder at a time, dense decoding, Adam, auxiliary loss of dead features. NMF codes are
compared with scikit-learn's `transform`, whose largest difference is printed instead.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _timing import timed
from sklearn.decomposition import NMF

from marr.representation._dictionaries._train_kernel import Recipe, train
from marr.systems import Dictionary


def activity(n_rows: int, n_units: int, n_features: int) -> torch.Tensor:
    """Return sparse features in superposition, centered, of mean square 1."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(n_features, n_units)) / n_units**0.5
    share = 5 / n_features
    values = (rng.random((n_rows, n_features)) < share) * rng.uniform(
        0.5, 1.5, (n_rows, n_features)
    )
    x = values @ directions + 0.02 * rng.normal(size=(n_rows, n_units))
    x -= x.mean(axis=0)
    return torch.from_numpy((x / np.sqrt((x**2).mean())).astype(np.float32))


def plain_topk(x: torch.Tensor, recipe: Recipe, seed: int) -> list[torch.Tensor]:
    """Train one TopK autoencoder as SAELens documents it."""
    generator = torch.Generator().manual_seed(seed)
    n_units, n, k = x.shape[1], recipe.n_features, recipe.k
    decoder = torch.nn.init.kaiming_uniform_(
        torch.empty(n, n_units), generator=generator
    )
    decoder /= decoder.norm(dim=1, keepdim=True)
    weights = [decoder, decoder.T.clone(), torch.zeros(n), torch.zeros(n_units)]
    decoder, encoder, bias, center = (w.requires_grad_() for w in weights)
    adam = torch.optim.Adam([decoder, encoder, bias, center], lr=recipe.learning_rate)
    idle = torch.zeros(n)
    for step in range(recipe.n_steps):
        pace = min(1.0, (step + 1) / (0.05 * recipe.n_steps))
        adam.param_groups[0]["lr"] = recipe.learning_rate * min(
            pace, (1 - step / recipe.n_steps) / 0.3
        )
        batch = x[torch.randint(len(x), (recipe.batch_size,), generator=generator)]
        pre = (batch - center) @ encoder + bias
        top = pre.topk(k, dim=-1)
        features = torch.zeros_like(pre).scatter(-1, top.indices, top.values.relu())
        out = features @ decoder + center
        loss = (batch - out).pow(2).sum(dim=-1).mean()
        idle += 1
        idle[(features > 0).any(dim=0)] = 0
        dead = idle > 30
        if dead.any():
            k_aux = min(n_units // 2, int(dead.sum()))
            masked = torch.where(dead[None], pre, -torch.inf)
            best = masked.topk(k_aux, dim=-1)
            extra = torch.zeros_like(pre).scatter(-1, best.indices, best.values)
            residual = (batch - out).detach()
            loss = loss + (extra @ decoder - residual).pow(2).sum(dim=-1).mean() / 32
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            decoder /= decoder.norm(dim=1, keepdim=True)
    return [w.detach() for w in (decoder, encoder, bias, center)]


def explained(x: torch.Tensor, parts: list[torch.Tensor], k: int) -> float:
    decoder, encoder, bias, center = (p.numpy() for p in parts)
    d = Dictionary(
        kind="topk", k=k, decoder=decoder, encoder=encoder, encoder_bias=bias,
        decoder_bias=center,
    )  # fmt: skip
    rows = x.numpy()
    left = rows - d.decode(d.encode(rows))
    return float(1 - (left**2).sum() / ((rows - rows.mean(axis=0)) ** 2).sum())


def topk(n_units: int, n_features: int, k: int, n_seeds: int, n_steps: int) -> None:
    x = activity(20_000, n_units, 2 * n_units)
    recipe = Recipe("topk", n_features, k, n_steps, 512, 3e-3)
    every = [torch.arange(len(x))] * n_seeds
    ours, found = timed(lambda: train(x, every, recipe, list(range(n_seeds))))
    plain, others = timed(lambda: [plain_topk(x, recipe, s) for s in range(n_seeds)])
    scale, mean = found.scale[0], found.mean[0]
    rows = (x - mean) / scale
    mine = [
        found.decoder[0],
        found.encoder[0],
        found.encoder_bias[0],
        found.decoder_bias[0],
    ]
    job = f"TopK {n_units} -> {n_features}, k {k}, {n_seeds} seeds, {n_steps} steps"
    print(
        f"{job:<52}{ours:>8.2f}{plain:>8.2f}{plain / ours:>7.1f}x  explained "
        f"{explained(rows, mine, k):.3f} / {explained(x, others[0], k):.3f}"
    )


def codes(n_rows: int, n_units: int, n_parts: int) -> None:
    rng = np.random.default_rng(0)
    parts = rng.gamma(0.5, 1.0, (n_parts, n_units))
    counts = rng.poisson(rng.gamma(1.0, 1.0, (n_rows, n_parts)) @ parts).astype(float)
    model = NMF(n_parts, init="random", random_state=0, max_iter=2000, tol=1e-5)
    model.fit(counts)
    model.set_params(tol=1e-8)
    d = Dictionary(kind="nmf", decoder=model.components_)
    ours, found = timed(lambda: d.encode(counts))
    plain, expected = timed(lambda: model.transform(counts))
    apart = np.abs(found - expected).max() / expected.max()
    job = f"NMF codes, {n_rows} rows, {n_units} -> {n_parts}"
    print(f"{job:<52}{ours:>8.2f}{plain:>8.2f}{plain / ours:>7.1f}x  apart {apart:.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps")
    steps = 60 if parser.parse_args().quick else 600
    torch.set_num_threads(1)
    print(f"{'job':<52}{'marr s':>8}{'plain s':>8}{'ratio':>8}")
    topk(16, 64, 2, 4, steps)
    topk(64, 256, 6, 4, steps)
    topk(256, 2048, 16, 2, steps // 3)
    topk(576, 4608, 32, 1, steps // 10)
    codes(5000, 60, 12)


if __name__ == "__main__":
    main()
