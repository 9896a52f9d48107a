"""GRU and LSTM trained side by side: tasks, lanes, the loop, its records, and the verdict."""

from gru_viz.training.curves import Curve
from gru_viz.training.lessons import LESSONS, Lesson
from gru_viz.training.network import Network, count_parameters, equal_hidden
from gru_viz.training.settings import LIMITS, Lane, Settings
from gru_viz.training.tasks import TASKS, Predictions, Task, make_task
from gru_viz.training.trainer import Trainer, train
from gru_viz.training.training_records import Checkpoint, Diverged, Point, RateChange, Snapshot, TrainingRecord
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
    "Predictions",
    "RateChange",
    "Settings",
    "Snapshot",
    "Task",
    "Trainer",
    "TrainingRecord",
    "Verdict",
    "count_parameters",
    "equal_hidden",
    "make_task",
    "train",
    "verdict",
]
