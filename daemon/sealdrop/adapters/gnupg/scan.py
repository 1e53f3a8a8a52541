"""Which key is in a file: for somebody who writes a configuration and should not have to copy forty digits.

The file is looked at, nothing is imported, and the home it takes is gone afterwards. It tells what the file holds, not
whether that is the right key: the person compares the fingerprint with what its owner says.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sealdrop.adapters.durable import shown
from sealdrop.adapters.gnupg.engine import Engine, GpgUnusable
from sealdrop.adapters.gnupg.listing import parse
from sealdrop.core.errors import ConfigurationError, Problem

GPG = Path("/usr/bin/gpg")
LIMIT_SECONDS = 30.0


def fingerprint_in(file: Path, gpg_binary: Path = GPG) -> str:
    """Return the full fingerprint of the one key in a file.

    Args:
        file: a public or secret key, binary or armored.
        gpg_binary: absolute path of gpg.

    Raises:
        ConfigurationError: gpg cannot be run, or the file does not hold exactly one key.
    """
    if not file.is_file():
        raise _problem(file, "there is no such file", "Export the key into it")
    try:
        with tempfile.TemporaryDirectory(prefix="sd-") as home:
            outcome = Engine(gpg_binary, Path(home), limit_seconds=LIMIT_SECONDS).show(file)
            found = parse(outcome.output) if outcome.returncode == 0 else ()
    except GpgUnusable as error:
        raise _problem(gpg_binary, str(error), "Install GnuPG 2.2 or later") from error
    except ValueError as error:
        raise _problem(file, "gpg's listing of it cannot be read", "Export the key again") from error
    if len(found) != 1:
        what = f"it holds {len(found)} OpenPGP keys" if found else "it holds no OpenPGP key"
        raise _problem(file, what, "Export exactly one key into it")
    return found[0].primary.fingerprint


def _problem(path: Path, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(path=shown(path), what=what, hint=hint)])
