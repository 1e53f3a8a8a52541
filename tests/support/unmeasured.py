"""An environment in which a started Python is not measured for coverage.

Coverage follows child processes. A child whose disk is full on purpose, or whose loaded modules are counted, would then
be seen with coverage's own traces in it.
"""

from __future__ import annotations

import os


def unmeasured() -> dict[str, str]:
    """Return the environment without coverage's variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_CORE"))}
