"""One spec → the whole loop, resumable step by step."""

from isoloss.studies.loop import load_results, run_study, study_status
from isoloss.studies.spec import StudySpec, load_spec

__all__ = ["StudySpec", "load_results", "load_spec", "run_study", "study_status"]
