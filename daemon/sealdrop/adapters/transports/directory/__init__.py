"""Delivery into a local or mounted folder.

transport  ``DirectoryTransport``: the port
copying    the temporary copy: written, synced, read back
names      temporary names; renaming without replacing
far_side   the folder, and what its file system refuses in our words
trial      a probe's steps
"""

from sealdrop.adapters.transports.directory.far_side import DirectoryOptions
from sealdrop.adapters.transports.directory.transport import DirectoryTransport

__all__ = ["DirectoryOptions", "DirectoryTransport"]
