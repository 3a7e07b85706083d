"""Programs that a model writes, scored by their tests."""

from isoloss.tasks.code_generation.problems import Problem, problem_of
from isoloss.tasks.code_generation.scoring import Code

__all__ = ["Code", "Problem", "problem_of"]
