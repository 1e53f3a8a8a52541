"""Sealing by GnuPG: ``GnupgSealer`` implements ``ports.sealing.Sealer`` for one ``KeySet``.

    sealer ── keyset     what is configured, and reading its files
       ├───── homes      private homes, their locks, an end to their agents
       ├───── ring       keys imported and proven ──── listing (pure) ──── policy (pure)
       ├───── engine     python-gnupg, fenced ──────── verdict (pure)
       └───── packets    who can open the result (pure)
    scan ──── engine     which key is in a file, for somebody who writes a configuration

``import gnupg`` in here means python-gnupg, never this package: imports are absolute.
"""

from __future__ import annotations

from sealdrop.adapters.gnupg.keyset import KeySet, Recipient
from sealdrop.adapters.gnupg.scan import fingerprint_in
from sealdrop.adapters.gnupg.sealer import GnupgSealer

__all__ = ["GnupgSealer", "KeySet", "Recipient", "fingerprint_in"]
