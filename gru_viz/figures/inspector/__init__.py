"""What the inspector component shows: a view and its formulas, packed into one block of bytes."""

from gru_viz.figures.inspector.view_payload import pack
from gru_viz.figures.inspector.worked import Reading, WorkedFormulas, work_out_units

__all__ = ["Reading", "WorkedFormulas", "pack", "work_out_units"]
