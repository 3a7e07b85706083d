"""A size → a plan of many runs → trained runs."""

from isoloss.ladders.engine import LadderProgress, train_ladder, train_trunk
from isoloss.ladders.plan import LadderPlan, Trunk, resolve_plan, rung_table
from isoloss.ladders.probe import Speed, probe_speed
from isoloss.ladders.sizes import SIZES, SMOKE, LadderSize, size_named

__all__ = [
    "SIZES",
    "SMOKE",
    "LadderPlan",
    "LadderProgress",
    "LadderSize",
    "Speed",
    "Trunk",
    "probe_speed",
    "resolve_plan",
    "rung_table",
    "size_named",
    "train_ladder",
    "train_trunk",
]
