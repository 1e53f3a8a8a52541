"""The command line in the test's own process: the same entry point, without the cost of starting an interpreter."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from sealdrop.cli.main import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """What it printed as JSON."""
        return json.loads(self.out)


def sealdrop(*arguments: object, columns: int | None = None) -> Ran:
    """Run ``sealdrop`` with these arguments.

    Args:
        arguments: of the command line.
        columns: width of the terminal; None is none, as in a pipe.
    """
    out, err = io.StringIO(), io.StringIO()
    command_line = patch.object(sys, "argv", ["sealdrop", *map(str, arguments)])
    code: object = 0
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {"COLUMNS": str(columns)} if columns is not None else {}
    surroundings = patch.dict(os.environ, environment, clear=True)
    with redirect_stdout(out), redirect_stderr(err), command_line, surroundings:
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Ran(code=code if isinstance(code, int) else 0, out=out.getvalue(), err=err.getvalue())
