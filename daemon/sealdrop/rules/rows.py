"""What rules over whole rows have in common, and the ones that any kind of file may have.

A ``RowRule`` can look at rows in two ways. For speed it is asked of a *block* of rows whose cells are all sound:
``passes`` must be true only when ``row`` would find nothing in any of them, and must change nothing; when every rule
passes, each is told to ``note`` the block. Otherwise each row of the block goes through ``row``, which judges and notes
it. The two ways must agree on every file; a property test holds them to it.

A file is read a second time when keys seem to repeat (``sieve``), with every rule made anew, so a rule is made for one
reading and never outlives it. Memory: ``Sifting`` has a table of fixed size, ``Uniqueness`` keeps doubtful keys only,
``OrderingKeys`` distinct keys up to ``bounds.ordering_keys``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from operator import le, lt
from typing import Any, Protocol

from sealdrop.rules.cells import moment_of
from sealdrop.rules.findings import Complaint
from sealdrop.rules.profile import Comparison
from sealdrop.rules.sieve import Sieve

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows whose cells are all sound: normalised values by column, and where each row stands."""

    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Args:
        values: normalised values of its filled and readable cells, by column.
        unreadable: columns whose cell is not of its type; rules leave such a row out.
        line: where it begins.
    """

    values: Mapping[str, str]
    unreadable: frozenset[str]
    line: int


class RowRule(Protocol):
    """One rule over whole rows; see the module's manual page for the contract."""

    def passes(self, block: Block) -> bool:
        """Tell whether no row of the block would give a complaint. MUST change nothing."""
        ...

    def note(self, block: Block) -> None:
        """Remember what later rows are compared with; called only for a block that passed."""
        ...

    def row(self, row: Row) -> Iterable[Complaint]:
        """Judge one row and remember it."""
        ...


class Comparing:
    """Two columns stand in the relation that the profile demands."""

    def __init__(self, comparison: Comparison, *, integers: bool) -> None:
        self._left = comparison.left
        self._right = comparison.right
        self._sign = comparison.must_be
        self._holds = le if comparison.must_be == "<=" else lt
        self._read: Callable[[str], Any] = int if integers else moment_of

    def passes(self, block: Block) -> bool:
        """Tell whether the relation holds in every row that fills both cells."""
        left, right = block.columns.get(self._left), block.columns.get(self._right)
        return left is None or right is None or all(map(self._fits, left, right))

    def note(self, block: Block) -> None:
        """Nothing is remembered."""

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        if not self._fits(row.values.get(self._left, ""), row.values.get(self._right, "")):
            message = f"{self._left} must be {self._sign} {self._right}"
            yield Complaint(rule="row.compare", message=message, column=self._left)

    def _fits(self, left: str, right: str) -> bool:
        return not left or not right or bool(self._holds(self._read(left), self._read(right)))


class Sifting:
    """Finds out, in a first reading, which keys may occur twice; it has nothing to say itself.

    Args:
        columns: the columns that make up the key; of one that a file leaves out, every cell counts as empty.
        sieve: takes the keys' hashes.
    """

    def __init__(self, columns: Sequence[str], sieve: Sieve) -> None:
        self._columns = tuple(columns)
        self._sieve = sieve

    def passes(self, _block: Block) -> bool:
        """Tell that nothing is said of any row."""
        return True

    def note(self, block: Block) -> None:
        """Sift the keys."""
        self._sieve.sift(map(hash, keys_of(block, self._columns)))

    def row(self, row: Row) -> Iterator[Complaint]:
        """Sift one key."""
        if row.unreadable.isdisjoint(self._columns):
            self._sieve.sift([hash(key_of(row, self._columns))])
        return iter(())


Explain = Callable[[Row, int], Complaint]
Kin = Callable[[Key], Key | None]


class Uniqueness:
    """Rows differ in their key; for a second reading, which knows what is doubtful.

    Args:
        columns: as of ``Sifting``.
        doubtful: hashes of the keys that may occur twice.
        explain: what to say of a row whose key an earlier line has.
        kin: names another key; where that is doubtful, ``explain`` may ask for this one.
    """

    def __init__(
        self, columns: Sequence[str], doubtful: AbstractSet[int], explain: Explain, kin: Kin = lambda _key: None
    ) -> None:
        self._columns = tuple(columns)
        self._doubtful = doubtful
        self._explain = explain
        self._kin = kin
        self._lines: dict[Key, int] = {}

    def passes(self, block: Block) -> bool:
        """Tell whether no key of the block is doubtful."""
        return self._doubtful.isdisjoint(map(hash, keys_of(block, self._columns)))

    def note(self, block: Block) -> None:
        """Remember keys that are kin of doubtful ones."""
        for key, line in zip(keys_of(block, self._columns), block.lines, strict=True):
            if hash(self._kin(key)) in self._doubtful:
                self._lines.setdefault(key, line)

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        if not row.unreadable.isdisjoint(self._columns):
            return
        key = key_of(row, self._columns)
        if hash(key) not in self._doubtful and hash(self._kin(key)) not in self._doubtful:
            return
        first = self._lines.setdefault(key, row.line)
        if first != row.line:
            yield self._explain(row, first)

    def __contains__(self, key: Key) -> bool:
        """Tell whether a row so far has this key, of those that are kin of doubtful ones."""
        return key in self._lines


def keys_of(block: Block, columns: Sequence[str]) -> Iterator[Key]:
    """Return the key of each row of a block."""
    empty = [""] * len(block.lines)
    return zip(*(block.columns.get(column, empty) for column in columns), strict=True)


def key_of(row: Row, columns: Sequence[str]) -> Key:
    """Return the key of one row."""
    return tuple(row.values.get(column, "") for column in columns)


def duplicate_key(columns: Sequence[str]) -> Explain:
    """Return the plain explanation of a second row with one key."""
    named = " and ".join(columns)

    def explain(_row: Row, first: int) -> Complaint:
        return Complaint(rule="row.duplicate-key", message=f"the same {named} as line {first}", column=columns[0])

    return explain


class OneReference:
    """Every row that gives a reference gives the same one, which becomes the verdict's.

    Args:
        column: the column that holds it.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self.found: str | None = None

    def passes(self, block: Block) -> bool:
        """Tell whether the block has at most the one reference."""
        distinct = set(block.columns.get(self._column, ())) - {""}
        return len(distinct | ({self.found} if self.found else set())) <= 1

    def note(self, block: Block) -> None:
        """Remember it."""
        for value in set(block.columns.get(self._column, ())) - {""}:
            self.found = value

    def row(self, row: Row) -> Iterator[Complaint]:
        """Judge one row."""
        value = row.values.get(self._column)
        if value is None:
            return
        if self.found is None:
            self.found = value
        elif value != self.found:
            message = "the reference is not that of the rows before"
            yield Complaint(rule="reference.differs", message=message, column=self._column)


class OrderingKeys:
    """Collects the keys that order deliveries: of a Request ID its originator, of anything else the value.

    Args:
        column: the column that holds them.
        bound: how many distinct ones a file may have.
    """

    def __init__(self, column: str, bound: int, *, request_ids: bool) -> None:
        self._column = column
        self._bound = bound
        self._key: Callable[[str], str] = _originator if request_ids else str
        self._said = False
        self.keys: set[str] = set()

    def passes(self, block: Block) -> bool:
        """Tell whether the keys stay within their bound."""
        return self._said or len(self.keys | self._of(block)) <= self._bound

    def note(self, block: Block) -> None:
        """Collect keys."""
        if not self._said:
            self.keys |= self._of(block)

    def row(self, row: Row) -> Iterator[Complaint]:
        """Collect the key of one row; say once when there are too many, and collect no more."""
        value = row.values.get(self._column)
        if value is None or self._said:
            return
        self.keys.add(self._key(value))
        if len(self.keys) > self._bound:
            self._said = True
            message = f"more than {self._bound} different keys order this file's delivery"
            yield Complaint(rule="order.too-many-keys", message=message, column=self._column)

    def _of(self, block: Block) -> set[str]:
        return set(map(self._key, set(block.columns[self._column])))


def _originator(request_id: str) -> str:
    return request_id.partition(":")[0]
