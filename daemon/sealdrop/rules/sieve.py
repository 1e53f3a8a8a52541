"""Which keys may occur twice? An answer in memory that does not grow with the number of rows.

A file's rows must differ in their keys, and a dictionary of a million keys needs hundreds of megabytes. A ``Sieve``
takes the hash of every key in a first reading and keeps a few bits of it in a table of fixed size. It never misses a
hash that came before; now and then it suspects one that did not. What it suspects, a second reading compares exactly
(``rows.Uniqueness``), which needs memory for the suspects alone. A file without a second key is nearly always read
once.

The hash is Python's own of a tuple of texts: keyed anew in each process, so nobody can prepare a file whose keys
collide. It decides only how often a file is read, never what is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

MOST_SLOTS = 1 << 25  # bytes of all tables together
LEAST_SLOTS = 1 << 16
MOST_DOUBTFUL = 100_000  # hashes kept; about ten megabytes

_CHOICES = [sum(1 << bit for bit in bits) for bits in combinations(range(8), 3)]
_PATTERNS = bytes((_CHOICES * 2)[:64])  # three bits of eight, chosen by six bits of a hash
_PLACE_BITS = 25


class Sieve:
    """One table.

    Args:
        size: bytes of the file, from which the table's size follows; a wrong one costs only time.
        share: how many tables the file needs, which share the memory.
    """

    def __init__(self, size: int, share: int = 1) -> None:
        wanted = min(max(size, LEAST_SLOTS), MOST_SLOTS // share)
        self._table = bytearray(1 << (wanted.bit_length() - 1))
        self._doubtful: set[int] = set()

    def sift(self, hashes: Iterable[int]) -> None:
        """Take the hashes of further keys."""
        table, mask, doubtful = self._table, len(self._table) - 1, self._doubtful
        for number in hashes:
            pattern = _PATTERNS[(number >> 2 * _PLACE_BITS) & 63]
            first, second = number & mask, (number >> _PLACE_BITS) & mask
            if table[first] & table[second] & pattern == pattern:
                if len(doubtful) <= MOST_DOUBTFUL:
                    doubtful.add(number)
            else:
                table[first] |= pattern
                table[second] |= pattern

    @property
    def doubtful(self) -> frozenset[int]:
        """Hashes that may have come twice."""
        return frozenset(self._doubtful)

    @property
    def overflowed(self) -> bool:
        """True when there were more of them than could be kept."""
        return len(self._doubtful) > MOST_DOUBTFUL
