"""The gate inspector: the picture, the cursor and the worked formula, in a browser, from one block of bytes.

It knows nothing of Streamlit: the dashboard mounts it as a component, ``standalone`` makes a file of it.
"""

from gru_viz.figures.inspector.page import ASSETS, standalone
from gru_viz.figures.inspector.payload import pack
from gru_viz.figures.inspector.worked import Reading, Worked, work_out_units

__all__ = ["ASSETS", "Reading", "Worked", "pack", "standalone", "work_out_units"]
