"""A law in a file: its name and formula, and for a law made from another what was done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.fitting.solver.constraints import Constraints, constrained_from, reduced_law
from isoloss.laws import Law, get_law, law_names


def law_document(law: Law) -> dict[str, Any]:
    """What `law_of` makes the law from."""
    from isoloss.fitting.arms._arm_law import arms_from

    constrained = constrained_from(law)
    if constrained is not None:
        whole, constraints = constrained
        return {
            "of": law_document(whole),
            "fixed": dict(constraints.fixed),
            "tied": dict(constraints.tied),
        }
    arms = arms_from(law)
    if arms is not None:
        return {"of": law_document(arms.law), "arms": list(arms.names), "effect": arms.effect}
    return {"name": law.name, "formula": law.formula, "variables": list(law.variables)}


def law_of(document: Mapping[str, Any]) -> Law:
    """The law of a document.

    Raises:
        UsageError, NotFoundError, ValueError, KeyError, TypeError: a document that is damaged.
    """
    if "arms" in document:
        from isoloss.fitting.arms._arm_law import WAYS, Arms, shared_law

        effect = str(document["effect"])
        if effect not in WAYS:
            raise ValueError(f"unknown effect {effect!r}")
        names = tuple(str(name) for name in document["arms"])
        return shared_law(Arms(law_of(document["of"]), names, effect))
    if "of" in document:
        constraints = Constraints(dict(document["fixed"]), dict(document["tied"]))
        return reduced_law(law_of(document["of"]), constraints)
    return named_law(str(document["name"]), str(document["formula"]), document.get("variables", ()))


def named_law(name: str, formula: str, variables: Any) -> Law:
    """The law of the library where its formula is still the same, else that of the formula."""
    if name in law_names() and get_law(name).formula == formula:
        return get_law(name)
    return get_law(formula, [str(variable) for variable in variables])


def plain_text(law: Law) -> bool:
    """Whether name and formula alone tell the law."""
    return "of" not in law_document(law)
