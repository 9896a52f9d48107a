"""Pages that ours is measured beside; in a folder of their own, since Streamlit puts it on the path."""
