"""Write src/isoloss/laws/_compiled/ from the formulas of the library. Run `make laws`."""

from __future__ import annotations

from pathlib import Path

from isoloss.laws import _compiled, get_law, law_names
from isoloss.laws._compiling import compiled_text

HOME = Path(_compiled.__file__).parent


def main() -> None:
    """One module a law; those of laws that are gone are removed."""
    names = law_names()
    for path in HOME.glob("*.py"):
        if path.stem not in (*names, "__init__"):
            path.unlink()
    for name in names:
        (HOME / f"{name}.py").write_text(compiled_text(get_law(name)), encoding="utf-8")
    print(f"{len(names)} laws compiled")


if __name__ == "__main__":
    main()
