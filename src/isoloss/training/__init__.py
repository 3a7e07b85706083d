"""Model + tokens + objective + recipe → one run, exactly resumable."""

from isoloss.training._folder import check_tokenizer, read_folder
from isoloss.training.checkpoints import read_checkpoint
from isoloss.training.coordinate_check import CoordinateCheck, check_coordinates
from isoloss.training.devices import resolve_device
from isoloss.training.evaluation import Evaluation, clustered_standard_error, evaluate_loss
from isoloss.training.guards import Diverged, Guard
from isoloss.training.parameterization import learning_rates, weight_decays
from isoloss.training.recipe import RECIPE_VERSION, Recipe
from isoloss.training.run import RunConfig, describe, finish_branch, train_run
from isoloss.training.run_log import read_log
from isoloss.training.schedules import Schedule, branch_schedule, trunk_schedule, trunk_steps
from isoloss.training.single import train_one
from isoloss.training.state import TrainingState, load_model
from isoloss.training.stopping import Stop

__all__ = [
    "RECIPE_VERSION",
    "CoordinateCheck",
    "Diverged",
    "Evaluation",
    "Guard",
    "Recipe",
    "RunConfig",
    "Schedule",
    "Stop",
    "TrainingState",
    "branch_schedule",
    "check_coordinates",
    "check_tokenizer",
    "clustered_standard_error",
    "describe",
    "evaluate_loss",
    "finish_branch",
    "learning_rates",
    "load_model",
    "read_checkpoint",
    "read_folder",
    "read_log",
    "resolve_device",
    "train_one",
    "train_run",
    "trunk_schedule",
    "trunk_steps",
    "weight_decays",
]
