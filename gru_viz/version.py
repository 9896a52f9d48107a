"""The version of gru_viz, and where it is installed."""

from pathlib import Path

__all__ = ["PACKAGE", "__version__"]

__version__ = "0.1.0"
PACKAGE = Path(__file__).parent
