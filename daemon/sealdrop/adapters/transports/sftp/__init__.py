"""SFTP: paramiko does SSH, our own packet layer carries many submissions at once over one kept channel.

options      what a route configures
hostkeys     pinned host keys
network      the socket: every address tried, time-outs, an HTTP proxy
session      SSH: algorithms, host key, login, the channel
packets      SFTP version 3 as bytes (pure)
multiplexer  many requests of many callers in flight
farend       file operations, and what this server can do
upload       one parcel: temporary copy, proof, publication
transport    the port: one connection shared, look, deliver, find, probe
"""

from sealdrop.adapters.transports.sftp.options import Proxy, SftpOptions, TemporaryName, TemporaryStyle
from sealdrop.adapters.transports.sftp.transport import SftpTransport

__all__ = ["Proxy", "SftpOptions", "SftpTransport", "TemporaryName", "TemporaryStyle"]
