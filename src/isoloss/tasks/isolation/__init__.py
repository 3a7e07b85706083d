"""Programs that nobody has read, run where they can do no harm."""

from isoloss.tasks.isolation.limits import Limits
from isoloss.tasks.isolation.outcome import Outcome
from isoloss.tasks.isolation.running import isolation_level, run_isolated

__all__ = ["Limits", "Outcome", "isolation_level", "run_isolated"]
