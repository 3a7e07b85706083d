"""Write src/isoloss/laws/_compiled/ and docs/laws.md from the library. Run `make laws`."""

from __future__ import annotations

from pathlib import Path

from isoloss.laws import _compiled, get_law, law_names
from isoloss.laws._compiling import compiled_text
from isoloss.laws._page import page_of_laws

HOME = Path(_compiled.__file__).parent
PAGE = Path(__file__).resolve().parent.parent / "docs" / "laws.md"


def main() -> None:
    """One module a law; those of laws that are gone are removed."""
    names = law_names()
    for path in HOME.glob("*.py"):
        if path.stem not in (*names, "__init__"):
            path.unlink()
    for name in names:
        (HOME / f"{name}.py").write_text(compiled_text(get_law(name)), encoding="utf-8")
    PAGE.write_text(page_of_laws(), encoding="utf-8")
    print(f"{len(names)} laws compiled")


if __name__ == "__main__":
    main()
