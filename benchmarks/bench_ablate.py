"""Time ablations against the plain way to do them: `python benchmarks/bench_ablate.py`.

Prints, for each job, seconds of marr, seconds of the plain way, their ratio, and the
largest difference between the two results. Plain ways: scikit-learn's Ridge fitted anew
without each unit; the recording perturbed and read out unit by unit; a loop of forward
hooks written by hand.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge

import marr
from marr.implementation._engines import FixedReadout, RefitReadout, Running
from marr.implementation._members import sweep_over
from marr.measures import accuracy, decoded

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def show(
    job: str, ours: float, plain: float, difference: float, note: str = ""
) -> None:
    ratio = plain / ours
    print(
        f"{job:<46}{ours:>9.3f}{plain:>10.3f}{ratio:>8.1f}x{difference:>10.1e}  {note}"
    )


def recording(n_units: int, n_trials: int, n_times: int = 1) -> marr.Recording:
    rng = np.random.default_rng(0)
    y = rng.normal(size=n_trials)
    x = rng.normal(size=(n_trials, n_times, n_units))
    x += y[:, None, None] * rng.normal(size=n_units)
    x = x[:, 0] if n_times == 1 else x
    return marr.from_arrays({"A": x}, pd.DataFrame({"y": y}))


def refit(n_units: int, n_trials: int, n_plain: int) -> None:
    """Leave one unit out of a ridge readout, five folds."""
    system = recording(n_units, n_trials)
    fitted = decoded("y", penalty=0.1).fit(system)
    members = sweep_over(system, "unit").members
    engine = RefitReadout(system, [fitted])
    ours, values = timed(lambda: engine.measure(members, label="").values[0])
    x, y, folds = system.activity("A").values, fitted.target.values, fitted.fold

    def plain() -> np.ndarray:
        out = np.zeros((n_plain, n_trials))
        for unit in range(n_plain):
            rest = np.delete(x, unit, axis=1)
            for fold in range(5):
                train, test = folds != fold, folds == fold
                mean, sd = rest[train].mean(axis=0), rest[train].std(axis=0)
                model = Ridge(alpha=0.1 * train.sum()).fit(
                    (rest[train] - mean) / sd, y[train]
                )
                predicted = model.predict((rest[test] - mean) / sd)
                out[unit, test] = 1 - (predicted.reshape(-1) - y[test, 0]) ** 2
        return out

    seconds, expected = timed(plain)
    difference = np.abs(values[:n_plain] - expected).max()
    job = f"refit without each of {n_units} units, {n_trials} trials"
    show(job, ours, seconds * n_units / n_plain, difference, f"plain: {n_plain} timed")


def fixed(n_units: int, n_trials: int, n_times: int, n_plain: int) -> None:
    """Ablate each unit of a recording under a fixed readout."""
    system = recording(n_units, n_trials, n_times)
    fitted = decoded("y", penalty=0.1).fit(system)
    members = sweep_over(system, "unit").members
    ours, values = timed(
        lambda: (
            FixedReadout(system, [fitted], "mean", 0)
            .measure(members, label="")
            .values[0]
        )
    )
    slow = Running(system, [fitted], "mean", 0)
    seconds, expected = timed(
        lambda: slow.measure(members[:n_plain], label="").values[0]
    )
    difference = np.abs(values[:n_plain] - expected).max()
    job = f"fixed readout, {n_units} units x {n_times} times, {n_trials} trials"
    show(job, ours, seconds * n_units / n_plain, difference, f"plain: {n_plain} timed")


class Network(torch.nn.Module):
    """A cell that is called once a step, and a linear readout."""

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.cell = torch.nn.RNNCell(3, n_units)
        self.out = torch.nn.Linear(n_units, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.zeros(x.shape[0], self.cell.hidden_size)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.out(h)


def model(n_units: int, n_trials: int, n_steps: int) -> None:
    """Ablate each unit of a recurrent network, by its mean at each step."""
    torch.manual_seed(0)
    net = Network(n_units).eval()
    inputs = torch.randn(n_trials, n_steps, 3)
    side = np.random.default_rng(0).integers(0, 2, n_trials)

    def readout(outputs: np.ndarray, trials: pd.DataFrame) -> dict[str, np.ndarray]:
        return {"correct": outputs.argmax(axis=1) == trials["side"].to_numpy()}

    system = marr.hook(
        net, inputs, pd.DataFrame({"side": side}), sites=["cell"], readout=readout
    )
    mean = torch.tensor(system.activity("cell").mean("trial").values)  # (time, unit)
    fitted = [accuracy().fit(system)]
    members = sweep_over(system, "unit").members
    engine = Running(system, fitted, "mean", 0)
    ours, values = timed(lambda: engine.measure(members, label="").values[0])

    def plain() -> np.ndarray:
        out = np.zeros((n_units, n_trials))
        for unit in range(n_units):
            step = iter(range(n_steps))

            def write(_m: Any, _i: Any, h: torch.Tensor, unit=unit, step=step) -> Any:
                h = h.clone()
                h[:, unit] = mean[next(step), unit]
                return h

            handle = net.cell.register_forward_hook(write)
            with torch.no_grad():
                logits = net(inputs)
            handle.remove()
            out[unit] = logits.argmax(dim=1).numpy() == side
        return out

    seconds, expected = timed(plain)
    job = f"run a network without each of {n_units} units"
    show(job, ours, seconds, np.abs(values - expected).max(), "plain: bare hooks")
    with torch.no_grad():
        bare, _ = timed(lambda: [net(inputs) for _ in range(n_units)])
    whole, _ = timed(
        lambda: marr.implementation.ablate(
            system, measure=accuracy(), n_random=0, joint=False
        )
    )
    print(
        f"  {n_units} bare forward passes {bare:.3f} s; the finished finding {whole:.3f} s"
    )
    more, _ = timed(lambda: marr.implementation.ablate(system, measure=accuracy()))
    print(f"  with 50 random directions and joint lesions {more:.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    print(f"{'job':<46}{'marr, s':>9}{'plain, s':>10}{'ratio':>9}{'max diff':>10}")
    refit(60 if quick else 200, 500 if quick else 2000, 5 if quick else 20)
    fixed(60 if quick else 200, 200 if quick else 1000, 20, 5)
    model(64, 100 if quick else 200, 50)


if __name__ == "__main__":
    main()
