"""What the inspector component shows: a view and its formulas, packed into one block of bytes."""

from gru_viz.figures.inspector.payload import pack
from gru_viz.figures.inspector.worked import Reading, Worked, work_out_units

__all__ = ["Reading", "Worked", "pack", "work_out_units"]
