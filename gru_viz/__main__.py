"""``python -m gru_viz`` is ``gru-viz``."""

from gru_viz.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
