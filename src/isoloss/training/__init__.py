"""Model + tokens + recipe → one run, exactly resumable."""

from isoloss.training._folder import read_folder
from isoloss.training.evaluation import Evaluation, clustered_standard_error, evaluate_loss
from isoloss.training.recipe import RECIPE_VERSION, Recipe, Schedule, branch_schedule
from isoloss.training.run import RunConfig, describe, finish_branch, train_run
from isoloss.training.single import train_one
from isoloss.training.state import Diverged, TrainingState, load_model

__all__ = [
    "RECIPE_VERSION",
    "Diverged",
    "Evaluation",
    "Recipe",
    "RunConfig",
    "Schedule",
    "TrainingState",
    "branch_schedule",
    "clustered_standard_error",
    "describe",
    "evaluate_loss",
    "finish_branch",
    "load_model",
    "read_folder",
    "train_one",
    "train_run",
]
