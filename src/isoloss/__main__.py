"""`python -m isoloss` is `isoloss`."""

from __future__ import annotations

import sys

from isoloss.cli import main

if __name__ == "__main__":
    sys.exit(main())
