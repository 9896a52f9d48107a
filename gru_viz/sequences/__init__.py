"""The user's data in: tables, text and built-in examples become sequences."""

from gru_viz.sequences.model import Scaling, Sequence, Sequences

__all__ = ["Scaling", "Sequence", "Sequences"]
