"""File names that a producer may use: those which mean the same thing on every system they will meet.

A name travels far: through our folders, a ledger, a log line, a far end that may be Linux, Windows or SharePoint, and
people's terminals. Anything that one of them would change, hide, obey or refuse is left alone, with the reason.
The rules for SharePoint are those of Windows plus a few of its own (they forbid no more than names like ``a_vti_b``).
"""

from __future__ import annotations

import re
import unicodedata

#: Bytes of a name in UTF-8. Ours are longer by a dot, an id and a suffix, and must stay within 255.
MAX_BYTES = 200

_FORBIDDEN = frozenset('"*:<>?/\\|')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
_RESERVED = frozenset({".lock", "desktop.ini", "forms"})


def danger(name: str) -> str | None:
    """Return why a file name is dangerous, as the rest of a sentence that begins with "its name", or None.

    Args:
        name: as text with surrogate escapes for undecodable bytes.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if not name:
        return "is empty"
    if length > MAX_BYTES:
        return f"has {length} bytes; at most {MAX_BYTES} leave room for what we add"
    return _bad_character(name) or _bad_shape(name)


def _bad_character(name: str) -> str | None:
    for char in name:
        category = unicodedata.category(char)
        # Cf holds the bidi controls and the invisible joiners, Zl and Zp the line ends that are not control characters.
        if category[0] == "C" or category in {"Zl", "Zp"} or (category == "Zs" and char != " "):
            return f"has a control, invisible or unassigned character (U+{ord(char):04X})"
        if char in _FORBIDDEN:
            return f"has the character {char}, which Windows and SharePoint forbid"
    if not unicodedata.is_normalized("NFC", name):
        return "is not in Unicode's normal form C, so two systems may see two names"
    return None


def _bad_shape(name: str) -> str | None:
    if name[0] in ".-~":
        return f"begins with {name[0]}, which hides it, makes it an option, or marks it as somebody's working copy"
    if name[0] == " " or name[-1] in " .":
        return "begins or ends with a space or a dot, which other systems cut off"
    if _DEVICES.fullmatch(name.partition(".")[0].rstrip()):
        return "is that of a device on Windows"
    if name.lower() in _RESERVED or "_vti_" in name.lower():
        return "is reserved by Windows or SharePoint"
    return None
