"""Whatever valid rows a table holds, however its dialect lets them be written, it is accepted; break one cell, and that
line and that column are named, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.verdict import Verdict
from sealdrop.rules.engine import check
from sealdrop.rules.identifiers import own_ids
from sealdrop.rules.profile import Profile
from support.any_table import Row, breakages, order_of, rows_of, text_of
from support.profiles import profiles
from support.rule_cases import OWN, profile, srvs

#: The shipped profiles, and generated ones. What is compared there is a test of its own (``row.compare``), and so is
#: what is valid and unusual (guards).
SHIPPED = {kind: profile(kind, guards=None) for kind in ("adt", "exit-quarantine")}
DRAWN = profiles().map(lambda drawn: drawn.model_copy(update={"compare": ()}))


@dataclass(frozen=True, kw_only=True)
class Table:
    profile: Profile
    rows: list[Row]
    order: list[str]

    def judged(self, data: bytes) -> Verdict:
        return check(
            profile=self.profile, srvs=srvs(), own=own_ids(OWN), chunks=lambda: [data], file_name="adt-sample.csv",
            size=len(data), block_bytes=512,
        )  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, by: Profile) -> Table:
    rows = draw(rows_of(by))
    return Table(profile=by, rows=rows, order=draw(order_of(by, rows)))


def accepts(by: Profile, data: st.DataObject) -> None:
    table = data.draw(tables(by))
    if len(table.rows) < by.bounds.min_rows:
        return  # too few different keys were drawn
    verdict = table.judged(data.draw(text_of(by, table.order, table.rows)))

    assert verdict.findings == ()
    assert verdict.records == len(table.rows)


def names_what_is_broken(by: Profile, data: st.DataObject) -> None:
    table = data.draw(tables(by))
    if len(table.rows) < by.bounds.min_rows:
        return
    place = data.draw(st.integers(0, len(table.rows) - 1))
    free = [name for name in table.order if name != by.reference.column or len(table.rows) == 1]
    name = data.draw(st.sampled_from(free))
    column = by.column(name)
    assert column is not None
    special = {by.dialect.delimiter, by.dialect.quote} if by.dialect.quoting == "forbidden" else set()
    wrong = [text for text in breakages(column) if special.isdisjoint(text)]
    rows = [dict(row) for row in table.rows]
    rows[place][name] = data.draw(st.sampled_from(wrong))
    verdict = table.judged(data.draw(text_of(by, table.order, rows)))

    line = place + (1 if by.header == "none" else 2)
    empty = not any(rows[place].values())  # the only cell of its row
    expected = {(line, None, None)} if empty else {(line, place + 1, name)}
    found = {(one.line, one.record, one.column) for one in verdict.findings if one.rule != "trailer.count"}
    assert found - {(None, None, None)} == expected
    assert verdict.rejected


@pytest.mark.parametrize("kind", sorted(SHIPPED))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_table_of_valid_rows_is_accepted_by_a_shipped_profile(kind: str, data: st.DataObject) -> None:
    accepts(SHIPPED[kind], data)


@settings(max_examples=100, deadline=None)
@given(by=DRAWN, data=st.data())
def test_any_table_of_valid_rows_is_accepted_by_any_profile(by: Profile, data: st.DataObject) -> None:
    accepts(by, data)


@pytest.mark.parametrize("kind", sorted(SHIPPED))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_single_broken_cell_is_named_by_a_shipped_profile(kind: str, data: st.DataObject) -> None:
    names_what_is_broken(SHIPPED[kind], data)


@settings(max_examples=100, deadline=None)
@given(by=DRAWN, data=st.data())
def test_a_single_broken_cell_is_named_by_any_profile(by: Profile, data: st.DataObject) -> None:
    names_what_is_broken(by, data)
