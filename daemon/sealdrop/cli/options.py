"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("/etc/sealdrop/sealdrop.toml")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True, dir_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A submission's id; its first letters will do.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept in the ledger.", metavar="TEXT")]
