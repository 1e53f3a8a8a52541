"""Requests of SFTP version 3, one function each. Pure; paths and handles are bytes and are not interpreted."""

from __future__ import annotations

import struct

from sealdrop.adapters.transports.sftp.packets import VERSION, Attributes, Data, Handle, Has, Kind, Names, Open, Request

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


def init() -> bytes:
    """Return the first packet of a session; it has no number."""
    return _U32.pack(5) + bytes((Kind.INIT,)) + _U32.pack(VERSION)


def open_file(path: bytes, flags: Open, mode: int = 0o600) -> Request:
    """Open a file; ``mode`` counts when it is created."""
    body = _text(path) + _U32.pack(flags) + _U32.pack(Has.PERMISSIONS) + _U32.pack(mode)
    return Request(Kind.OPEN, body, Handle)


def close(handle: bytes) -> Request:
    """Close a file or directory."""
    return Request(Kind.CLOSE, _text(handle))


def read(handle: bytes, offset: int, length: int) -> Request:
    """Read at most ``length`` bytes at ``offset``."""
    return Request(Kind.READ, _text(handle) + _U64.pack(offset) + _U32.pack(length), Data, weight=length)


def write(handle: bytes, offset: int, data: bytes) -> Request:
    """Write at ``offset``."""
    return Request(Kind.WRITE, _text(handle) + _U64.pack(offset) + _text(data), weight=len(data))


def lstat(path: bytes) -> Request:
    """Ask about a path without following a link at its end."""
    return Request(Kind.LSTAT, _text(path), Attributes)


def stat(path: bytes) -> Request:
    """Ask about a path, following links."""
    return Request(Kind.STAT, _text(path), Attributes)


def fstat(handle: bytes) -> Request:
    """Ask about an open file."""
    return Request(Kind.FSTAT, _text(handle), Attributes)


def remove(path: bytes) -> Request:
    """Remove a file."""
    return Request(Kind.REMOVE, _text(path))


def rename(old: bytes, new: bytes) -> Request:
    """Rename by version 3: it should refuse an existing target, and not every server does."""
    return Request(Kind.RENAME, _text(old) + _text(new))


def opendir(path: bytes) -> Request:
    """Open a directory for listing."""
    return Request(Kind.OPENDIR, _text(path), Handle)


def readdir(handle: bytes) -> Request:
    """Read some entries of a directory."""
    return Request(Kind.READDIR, _text(handle), Names)


def fsync(handle: bytes, *, patience: float = 0.0) -> Request:
    """Ask for the file's content to be durable (``fsync@openssh.com``)."""
    return Request(Kind.EXTENDED, _text(b"fsync@openssh.com") + _text(handle), patience=patience)


def hard_link(old: bytes, new: bytes) -> Request:
    """Give a file a second name (``hardlink@openssh.com``)."""
    return Request(Kind.EXTENDED, _text(b"hardlink@openssh.com") + _text(old) + _text(new))


def _text(value: bytes) -> bytes:
    return _U32.pack(len(value)) + value
