"""Templates of prompts: names of an example in braces."""

from __future__ import annotations

from isoloss.errors import UsageError
from isoloss.tasks.examples import Row


def filled(template: str, example: Row) -> str:
    """The template with the values of an example.

    Raises:
        UsageError: it names what the example does not have, or its braces do not match.

    >>> filled("{question}?", {"question": "why"})
    'why?'
    """
    try:
        return template.format(**example)
    except KeyError as error:
        why = f"there is no {error}"
    except (IndexError, ValueError, AttributeError, TypeError) as error:
        why = str(error)
    names = ", ".join(name for name in example if name != "place")
    raise UsageError(
        f"the template {template!r} does not fit {example.get('place', 'the example')}: {why}",
        hint=f"It may name {names} in braces; a brace itself is written twice.",
    )
