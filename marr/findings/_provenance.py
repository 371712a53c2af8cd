"""Where numbers come from: versions, seed, data, parameters, time."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

__all__ = ["PACKAGES", "package_versions", "provenance"]

PACKAGES = (
    "marr-toolkit",
    "numpy",
    "scipy",
    "pandas",
    "xarray",
    "scikit-learn",
    "torch",
    "transformer-lens",
    "transformers",
    "captum",
    "plotly",
    "zarr",
    "h5py",
)


@cache
def package_versions() -> dict[str, str]:
    """Return the installed version of each package that results may depend on."""
    import marr

    versions: dict[str, str] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = (
                marr.__version__ if name == "marr-toolkit" else "not installed"
            )
    return versions


def provenance(
    *,
    seed: int | None,
    systems: list[dict[str, Any]],
    data_hash: str,
    seconds: float,
) -> dict[str, Any]:
    """Return the record of a call.

    Parameters
    ----------
    seed : int or None
        Seed of the call.
    systems : list of dict
        `System.describe()` of each system.
    data_hash : str
        Hash of all data that went in.
    seconds : float
        Time taken.
    """
    return {
        "marr": package_versions()["marr-toolkit"],
        "seed": seed,
        "data_hash": data_hash,
        "systems": systems,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": dict(package_versions()),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
    }
