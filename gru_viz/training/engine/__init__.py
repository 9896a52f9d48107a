"""The engine: trains runs in processes of their own, here or on a cluster, and writes down what they tell."""

from gru_viz.training.engine.engine import Engine, EngineState

__all__ = ["Engine", "EngineState"]
