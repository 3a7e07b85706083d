"""The way out: a plan as what other trainers start from, without weights."""

from isoloss.planning.export.job import ExportablePlan, Job, job_of
from isoloss.planning.export.writing import TARGETS, Exported, export_plan

__all__ = ["TARGETS", "ExportablePlan", "Exported", "Job", "export_plan", "job_of"]
