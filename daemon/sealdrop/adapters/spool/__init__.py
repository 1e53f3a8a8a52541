"""The spool: ``work/``, ``sent/`` and ``failed/`` under one root on one mount, and the lock of the one agent on it."""

from sealdrop.adapters.spool.instance import InstanceLock
from sealdrop.adapters.spool.store import LAYOUT, FolderSpool, make_layout

__all__ = ["LAYOUT", "FolderSpool", "InstanceLock", "make_layout"]
