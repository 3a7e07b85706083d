"""What a trained model is used for: text, and scores on tasks."""

from isoloss.tasks.catalogue import TASKS, task_class
from isoloss.tasks.generation import Generation, GenerationSettings, generate, generate_text
from isoloss.tasks.metric import Comparison, Metric, Score
from isoloss.tasks.opening import OpenModel, open_model
from isoloss.tasks.results import TaskResult, compare_results
from isoloss.tasks.task import ScoresTexts, Task, TextTask, with_options

__all__ = [
    "TASKS",
    "Comparison",
    "Generation",
    "GenerationSettings",
    "Metric",
    "OpenModel",
    "Score",
    "ScoresTexts",
    "Task",
    "TaskResult",
    "TextTask",
    "compare_results",
    "generate",
    "generate_text",
    "open_model",
    "task_class",
    "with_options",
]
