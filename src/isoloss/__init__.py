"""isoloss: a scaling-law workbench for Transformer language models.

Runs become laws, laws become plans, and plans are checked against the runs that follow:

```python
import isoloss as il

fit = il.fit(il.example_runs(), "chinchilla")
print(fit.summary())
print(il.plan(fit, flops=1e15).summary())
```

Every name below is loaded on first use, so `import isoloss` itself imports no NumPy,
pandas, SciPy or PyTorch, and everything but training works without PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoloss.errors import IsolossError as IsolossError
    from isoloss.fitting import ArmComparison as ArmComparison
    from isoloss.fitting import Fit as Fit
    from isoloss.fitting import FitTable as FitTable
    from isoloss.fitting import Prediction as Prediction
    from isoloss.fitting import compare as compare
    from isoloss.fitting import compare_arms as compare_arms
    from isoloss.fitting import envelope as envelope
    from isoloss.fitting import fit as fit
    from isoloss.fitting import fit_chain as fit_chain
    from isoloss.fitting import fit_curves as fit_curves
    from isoloss.fitting import fit_groups as fit_groups
    from isoloss.fitting import fit_power as fit_power
    from isoloss.fitting import isoflop as isoflop
    from isoloss.fitting.reproducing import reproduce as reproduce
    from isoloss.laws import Law as Law
    from isoloss.laws import get_law as get_law
    from isoloss.planning import Design as Design
    from isoloss.planning import Plan as Plan
    from isoloss.planning import design as design
    from isoloss.planning import plan as plan
    from isoloss.runs import Runs as Runs
    from isoloss.runs import RunStore as RunStore
    from isoloss.runs import check_runs as check_runs
    from isoloss.runs import example_runs as example_runs
    from isoloss.runs import export_runs as export_runs
    from isoloss.runs import huggingface_callback as huggingface_callback
    from isoloss.runs import import_runs as import_runs
    from isoloss.runs import ledger as ledger
    from isoloss.runs import lightning_callback as lightning_callback
    from isoloss.runs import published as published
    from isoloss.runs import published_tables as published_tables
    from isoloss.runs import record as record
    from isoloss.runs import record_all as record_all
    from isoloss.runs import validate_rows as validate_rows

__version__ = "0.1.0"

_HOME = {
    "ArmComparison": "isoloss.fitting",
    "Design": "isoloss.planning",
    "Fit": "isoloss.fitting",
    "FitTable": "isoloss.fitting",
    "IsolossError": "isoloss.errors",
    "Law": "isoloss.laws",
    "Plan": "isoloss.planning",
    "Prediction": "isoloss.fitting",
    "RunStore": "isoloss.runs",
    "Runs": "isoloss.runs",
    "compare": "isoloss.fitting",
    "compare_arms": "isoloss.fitting",
    "design": "isoloss.planning",
    "envelope": "isoloss.fitting",
    "example_runs": "isoloss.runs",
    "fit": "isoloss.fitting",
    "fit_power": "isoloss.fitting",
    "fit_curves": "isoloss.fitting",
    "fit_chain": "isoloss.fitting",
    "fit_groups": "isoloss.fitting",
    "get_law": "isoloss.laws",
    "isoflop": "isoloss.fitting",
    "ledger": "isoloss.runs",
    "plan": "isoloss.planning",
    "published": "isoloss.runs",
    "published_tables": "isoloss.runs",
    "record": "isoloss.runs",
    "check_runs": "isoloss.runs",
    "export_runs": "isoloss.runs",
    "huggingface_callback": "isoloss.runs",
    "import_runs": "isoloss.runs",
    "lightning_callback": "isoloss.runs",
    "record_all": "isoloss.runs",
    "reproduce": "isoloss.fitting.reproducing",
    "validate_rows": "isoloss.runs",
}

__all__ = [
    "ArmComparison",
    "Design",
    "Fit",
    "FitTable",
    "IsolossError",
    "Law",
    "Plan",
    "Prediction",
    "RunStore",
    "Runs",
    "__version__",
    "check_runs",
    "compare",
    "compare_arms",
    "design",
    "envelope",
    "example_runs",
    "export_runs",
    "fit",
    "fit_chain",
    "fit_curves",
    "fit_groups",
    "fit_power",
    "get_law",
    "huggingface_callback",
    "import_runs",
    "isoflop",
    "ledger",
    "lightning_callback",
    "plan",
    "published",
    "published_tables",
    "record",
    "record_all",
    "reproduce",
    "validate_rows",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'isoloss' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
