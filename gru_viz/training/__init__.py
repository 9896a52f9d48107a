"""GRU and LSTM trained side by side: tasks, lanes, the loop, and what is kept of a run."""

from gru_viz.training.curves import Curve
from gru_viz.training.lessons import LESSONS, Lesson
from gru_viz.training.network import Network, count_parameters, equal_hidden
from gru_viz.training.records import Checkpoint, Diverged, Point, RateChange, Record, Snapshot
from gru_viz.training.settings import LIMITS, Lane, Settings
from gru_viz.training.tasks import TASKS, Shown, Task, make_task
from gru_viz.training.train import train
from gru_viz.training.trainer import Trainer
from gru_viz.training.verdict import Verdict, verdict

__all__ = [
    "LESSONS",
    "LIMITS",
    "TASKS",
    "Checkpoint",
    "Curve",
    "Diverged",
    "Lane",
    "Lesson",
    "Network",
    "Point",
    "RateChange",
    "Record",
    "Settings",
    "Shown",
    "Snapshot",
    "Task",
    "Trainer",
    "Verdict",
    "count_parameters",
    "equal_hidden",
    "make_task",
    "train",
    "verdict",
]
