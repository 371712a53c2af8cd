"""Train all networks of the zoo anew and write their weights: `python -m marr.zoo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from marr.zoo._decision_network import train_decision
from marr.zoo._heading_network import train_heading
from marr.zoo._weights import FOLDER, write_weights

SEEDS = {"decision": 8, "heading": 5}


def main() -> None:
    """Train every network and write one file a kind."""
    parser = argparse.ArgumentParser(prog="python -m marr.zoo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for kind, train in (("decision", train_decision), ("heading", train_heading)):
        networks = [
            train(seed) for seed in tqdm(range(SEEDS[kind]), desc=f"{kind} networks")
        ]
        write_weights(folder / f"{kind}.safetensors", networks)


if __name__ == "__main__":
    main()
