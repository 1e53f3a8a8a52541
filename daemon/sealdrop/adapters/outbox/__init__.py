"""The outbox: a folder that a producer fills, on our own mount (``FolderOutbox``) or on another (``RemoteOutbox``)."""

from sealdrop.adapters.outbox.local import FolderOutbox
from sealdrop.adapters.outbox.looking import Convention
from sealdrop.adapters.outbox.remote import RemoteOutbox

__all__ = ["Convention", "FolderOutbox", "RemoteOutbox"]
