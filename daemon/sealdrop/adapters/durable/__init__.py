"""Durable files: the only code that writes, renames and syncs what must survive a power cut.

Promises: a file appears under its name whole or not at all; a rename is on the disk when ``move`` returns; nothing
half-made stays behind on any branch. Files of somebody else are read without following links, blocking, or returning
a mixture (``read_foreign``).

Fails with ``NoSpace`` when a resource ran out before anything became visible, else with ``StorageFailure``. A failed
sync is never repeated: a second one may report success for pages that are gone. What a failure *means* for a
submission is left to the caller.

Secrets and key files are read here too (``read_secret``, ``read_line``, ``read_small``), so that one set of rules says
which file is closed enough.

Every adapter may import this package, and only this package: ``from sealdrop.adapters.durable import …``.
"""

from sealdrop.adapters.durable.files import keep, make_dirs, move, probe_rename, remove, replace, write_new
from sealdrop.adapters.durable.folder import PRIVATE_FILE, PRIVATE_FOLDER, Draft, Folder, is_leftover
from sealdrop.adapters.durable.foreign import Reading, read_foreign, why_not_a_file
from sealdrop.adapters.durable.lease import lease_available, read_lease
from sealdrop.adapters.durable.mounts import file_system, is_remote
from sealdrop.adapters.durable.secret import Unfit, read_line, read_secret, read_small
from sealdrop.adapters.durable.trouble import failure, guarding, shown

__all__ = [
    "PRIVATE_FILE",
    "PRIVATE_FOLDER",
    "Draft",
    "Folder",
    "Reading",
    "Unfit",
    "failure",
    "file_system",
    "guarding",
    "is_leftover",
    "is_remote",
    "keep",
    "lease_available",
    "make_dirs",
    "move",
    "probe_rename",
    "read_foreign",
    "read_lease",
    "read_line",
    "read_secret",
    "read_small",
    "remove",
    "replace",
    "shown",
    "why_not_a_file",
    "write_new",
]
