"""What runs in the browser: three components in JavaScript, as Streamlit mounts them and as a saved page has them.

``shared`` is used by all of them. ``inspector`` shows a view of a trace, ``charts`` a training's lanes and pictures,
``snapshots`` its gates at one snapshot after the other. Each is an ES module of the folder's name whose default export
mounts it, with its HTML and CSS beside it. Python sends a component one block of bytes.
"""

from gru_viz.browser.component import CHARTS, INSPECTOR, SNAPSHOTS, Component
from gru_viz.browser.payload import Payload

__all__ = ["CHARTS", "INSPECTOR", "SNAPSHOTS", "Component", "Payload"]
