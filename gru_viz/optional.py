"""Packages that only a part of gru_viz needs: a missing one is reported with the extra that installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gru_viz.errors import MissingPackageError

__all__ = ["EXTRAS", "optional_packages"]

EXTRAS = {
    "streamlit": "dashboard",
    "cachetools": "dashboard",
    "scipy": "training",
    "sklearn": "training",
    "safetensors": "formats",
    "h5py": "formats",
    "onnx": "formats",
    "onnxruntime": "formats",
    "distributed": "cluster",
    "openpyxl": "tables",
    "numba": "fast",
    "xarray": "exports",
    "tensorboard": "exports",
}
"""Top-level package → the extra of gru_viz that installs it."""


@contextmanager
def optional_packages(where: str) -> Iterator[None]:
    """Run imports of optional packages; a missing one becomes an error that names its extra.

    Args:
        where: what needs the packages, as the message names it.

    Raises:
        MissingPackageError: one of ``EXTRAS`` is not installed.

    Example:
        >>> with optional_packages("the verdict"):
        ...     raise ModuleNotFoundError(name="scipy.stats")
        Traceback (most recent call last):
        ...
        gru_viz.errors.MissingPackageError: the verdict: found no package 'scipy'; ... pip install "gru_viz[training]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        remedy = f'Install it: pip install "gru_viz[{EXTRAS[package]}]"'
        raise MissingPackageError(where, f"no package {package!r}", "that package", remedy) from error
