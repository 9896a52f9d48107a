"""The engine: trains runs in worker processes, here or on a cluster, and stores what they report."""

from gru_viz.training.engine.training_engine import Engine, EngineState

__all__ = ["Engine", "EngineState"]
