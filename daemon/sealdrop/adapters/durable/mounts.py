"""What kind of file system a folder is on: whether another host may change it behind our back."""

from __future__ import annotations

import os
from pathlib import Path

from sealdrop.adapters.durable.trouble import guarding

#: Types whose files another host may change. inotify hears nothing of that, and leases prove nothing.
_REMOTE = frozenset({"9p", "afs", "ceph", "cifs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs", "vboxsf"})


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system ``path`` is on (``ext4``, ``nfs4`` …), or ``unknown``.

    Raises:
        StorageFailure: the path cannot be looked at.
    """
    with guarding("look at", path):
        device = path.stat().st_dev
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw; the optional fields end with " - "
        fields, _, kind = line.partition(" - ")
        if fields.split(" ")[2] == number:
            return kind.split(" ")[0]
    return "unknown"  # btrfs gives each subvolume a number of its own; nothing remote does


def is_remote(path: Path) -> bool:
    """Tell whether another host may change what is in a folder; FUSE counts, nobody can know what is behind it.

    Raises:
        StorageFailure: the path cannot be looked at.
    """
    kind = file_system(path)
    return kind in _REMOTE or kind.startswith("fuse")
