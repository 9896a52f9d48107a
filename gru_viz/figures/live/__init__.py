"""What a running training shows, in a browser, from blocks of bytes: lanes and pictures, and gates while they learn.

It knows nothing of Streamlit: a page mounts the assets as components, ``standalone`` makes a file of them.
"""

from gru_viz.figures.live.page import ASSETS, FILM_ASSETS, standalone
from gru_viz.figures.live.payload import LaneStatus, pack

__all__ = ["ASSETS", "FILM_ASSETS", "LaneStatus", "pack", "standalone"]
