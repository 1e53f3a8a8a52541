"""Guards: what is compared with what, exactly, and what is said when nothing can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.verdict import Change, Severity, Verdict
from sealdrop.rules.guards import changes, references
from sealdrop.rules.guards.changes import EarlierContent, Gaps, exceeds
from sealdrop.rules.guards.merging import MOST_CHANGES
from sealdrop.rules.guards.reading import Unreadable
from sealdrop.rules.identifiers import user_id_text
from support.rule_cases import (
    ADT,
    ADT_HEADER,
    EQ,
    NO_GAPS,
    REQUEST,
    U1,
    U2,
    Sample,
    adt,
    after,
    eq,
    profile,
    srvs,
    tuned,
)

FIRST = "earlier-1"
HUGE = 10**39


def said(verdict: Verdict) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in verdict.findings]


def guards_said(sample: Sample) -> list[str]:
    return [one.rule for one in sample.judged().findings if one.rule.startswith("guard.")]


def row(warning: int, quarantine: int, srv: str = "7.1", user: str = U1) -> str:
    return f"{user},{srv},{warning},{quarantine}"


# --- increases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "percent", "held"),
    [
        (100, 200, 100, False),
        (100, 201, 100, True),
        (3, 4, 33, True),  # a third is more than 33 %
        (3, 4, 34, False),
        (0, 0, 100, False),
        (0, 1, 1_000_000, True),  # above zero, anything is
        (1, 1, 0, False),
        (1, 2, 0, True),
        (200, 100, 0, False),
        (HUGE, 2 * HUGE, 100, False),
        (HUGE, 2 * HUGE + 1, 100, True),  # a float would not see it
    ],
)
def test_an_increase_is_judged_exactly(old: int, new: int, percent: int, held: bool) -> None:  # noqa: FBT001 - a table
    assert exceeds(old, new, percent) == held


def test_each_threshold_is_compared_with_its_own() -> None:
    found = after(adt(row(300, 1000)), row(100, 1000)).judged()

    assert said(found) == [("guard.increase", Severity.HOLD)]
    (finding,) = found.findings
    assert (finding.line, finding.column, finding.excerpt) == (2, "warning_threshold", "100 -> 300")
    assert found.held
    assert (found.holding, found.guarding) == (1, 1)


def test_the_worst_of_several_earlier_files_counts() -> None:
    high, low = row(1000, 1000), row(10, 1000)

    for earlier in ((high, low), (low, high)):
        found = after(adt(row(1000, 2000)), *earlier).judged()
        assert [one.rule for one in found.findings] == ["guard.increase"]
        assert [one.percent for one in found.changes] == [9900, 100]
    assert guards_said(after(adt(row(1000, 2000)), high, high)) == []


def test_without_a_limit_only_the_table_tells() -> None:
    tables = after(tuned(adt(row(1, 10**12)), guards__max_increase_percent=None), row(1, 2))
    plain = profile(guards__max_increase_percent=100)

    assert plain.guards is not None
    no_limit = replace(tables, changes={"guards": {"critical_gone": "hold"}}).judged()
    assert (no_limit.findings, no_limit.changed) == ((), 1)


def test_user_ids_are_compared_in_either_case_and_others_not_at_all() -> None:
    assert guards_said(after(adt(row(1, 300)), row(1, 100, user=U1.lower()))) == ["guard.increase"]
    assert guards_said(after(adt(row(1, 300)), row(1, 100, user=U2))) == ["guard.no-comparison"]


def test_a_file_counts_only_for_the_user_ids_it_is_the_newest_for() -> None:
    loaded = profile()
    assert loaded.guards is not None
    data = adt(row(1, 300), row(1, 300, user=U2)).data
    earlier = adt(row(1, 100), row(1, 100, user=U2)).data
    one = EarlierContent(submission=FIRST, keys={U2}, chunks=[earlier])
    outcome = changes.compare(loaded, loaded.guards, srvs(), [data], [one], Gaps())

    assert [change.user_id for change in outcome.changes] == [U2]
    assert [finding.line for finding in outcome.findings.kept] == [3]


# --- what is gone, what is new ----------------------------------------------------------------------------------


def test_a_critical_variant_that_is_gone_is_held_and_any_other_is_counted() -> None:
    earlier = adt(row(1, 2), row(1, 2, "7.2"), row(1, 2, "7.10"), row(1, 2, "ALL")).data
    found = replace(adt(row(1, 2)), earlier=(earlier,)).judged()

    assert said(found) == [
        ("guard.critical-gone", Severity.HOLD),  # 7.2
        ("guard.critical-gone", Severity.HOLD),  # ALL stands for critical ones, too
        ("guard.set-shrank", Severity.WARN),
    ]
    assert [one.excerpt for one in found.findings] == [f"{U1} 7.2", f"{U1} ALL", U1]
    assert {(one.srv, one.old, one.new) for one in found.changes} >= {("7.2", 2, None), ("7.10", 1, None)}


def test_policies_decide_what_follows() -> None:
    sample = replace(adt(row(1, 2)), earlier=(adt(row(1, 2), row(1, 2, "7.2"), row(1, 2, "7.10")).data,))
    swapped = tuned(sample, guards__critical_gone="allow", guards__set_shrank="hold")

    assert said(replace(swapped, earlier=sample.earlier).judged()) == [("guard.set-shrank", Severity.HOLD)]


def test_what_is_new_is_shown_and_not_held() -> None:
    found = replace(adt(row(1, 2), row(5, 6, "7.2"), row(1, 2, user=U2)), earlier=(adt(row(1, 2)).data,)).judged()

    assert found.findings == ()
    assert [(one.srv, one.old, one.new, one.difference, one.percent) for one in found.changes] == [
        ("7.2", None, 6, None, None),
        ("7.2", None, 5, None, None),
    ]


# --- the table --------------------------------------------------------------------------------------------------


def test_the_table_is_bounded_counted_and_has_the_largest_increases_first() -> None:
    users = [user_id_text(0x90B3D51F30010000 + number) for number in range(MOST_CHANGES)]
    new = adt(*(row(1, 101 + place, user=user) for place, user in enumerate(users)), row(0, 1, "7.2", users[0]))
    old = adt(*(row(1, 100, user=user) for user in users), row(0, 0, "7.2", users[0])).data
    found = replace(tuned(new, adt__zero="allow"), earlier=(old,)).judged()

    assert found.changed == MOST_CHANGES + 1
    assert [(one.old, one.new) for one in found.changes[:2]] == [(0, 1), (100, 200)]
    assert len(found.changes) == MOST_CHANGES
    assert [one.percent for one in found.changes[1:]] == list(range(100, 1, -1))


@pytest.mark.parametrize("column", ["srv", "warning_threshold", "quarantine_threshold"])  # User IDs must be public
def test_values_of_columns_that_are_not_public_are_counted_and_not_shown(column: str) -> None:
    hidden = tuned(adt(row(123456, 999999)), **{f"columns__{column}__privacy": "secret"})
    found = replace(hidden, earlier=(adt(row(1234, 9999)).data,)).judged()

    assert (found.changes, found.changed) == ((), 2)
    shown = [one.excerpt for one in found.findings if one.column == column]
    assert shown in ([], [None])


def test_a_percentage_is_rounded_towards_zero() -> None:
    change = Change(user_id=U1, srv="7.1", threshold="w", old=3, new=5, earlier=FIRST)

    assert [replace(change, new=new).percent for new in (5, 2, 3, 0)] == [66, -33, 0, -100]
    assert [replace(change, old=old).percent for old in (None, 0)] == [None, None]
    assert [replace(change, new=new).difference for new in (5, 2, None)] == [2, -1, None]


# --- when nothing can be compared ---------------------------------------------------------------------------------


def test_a_first_file_is_said_once_and_may_be_held() -> None:
    sample = after(adt(row(1, 2), row(1, 2, user=U2)), gaps=Gaps(fresh=2))

    assert said(sample.judged()) == [("guard.first-file", Severity.WARN)]
    held = replace(tuned(sample, guards__first_file="hold"), gaps=sample.gaps)
    assert said(held.judged()) == [("guard.first-file", Severity.HOLD)]
    allowed = replace(tuned(sample, guards__first_file="allow"), gaps=sample.gaps)
    assert said(allowed.judged()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01",
        b"user_id,srv,warning,quarantine\n" + ADT.data.partition(b"\n")[2],
        ADT_HEADER.encode(),
        ADT_HEADER.encode() + f"\n{U2},7.1,10,20\n".encode(),
        ADT_HEADER.encode() + f"\n{U1},7.1,ten,20\n".encode(),
        ADT_HEADER.encode() + f"\n{U1},7.1,-1,20\n".encode(),
        ADT_HEADER.encode() + f"\n{U1},7.1,10\n".encode(),
        ADT_HEADER.encode() + f'\n"{U1},7.1,10,20\n'.encode(),
        ADT_HEADER.encode() + f"\n{U1},7.1,10,{'9' * 41}\n".encode(),
    ],
    ids=[
        "empty",
        "binary",
        "other header",
        "no rows",
        "other User ID",
        "words",
        "sign",
        "short row",
        "open quote",
        "too long",
    ],
)
def test_an_earlier_file_that_cannot_be_understood_is_as_good_as_lost(content: bytes) -> None:
    found = replace(ADT, earlier=(content,)).judged()

    assert said(found) == [("guard.no-comparison", Severity.HOLD)]
    assert FIRST in found.findings[-1].message


def test_an_earlier_file_with_other_columns_and_a_trailer_is_compared_by_name() -> None:
    old = f"quarantine_threshold,note,user_id,srv,warning_threshold\n100,x,{U1},7.1,1\n\n".encode()
    found = replace(adt(row(1, 201)), earlier=(old,)).judged()

    assert said(found) == [("guard.increase", Severity.HOLD)]


def test_a_file_that_turns_out_to_be_another_is_lost_and_the_others_still_count() -> None:
    def other() -> Iterator[bytes]:
        yield adt(row(1, 1000)).data
        message = "not what was claimed"
        raise Unreadable(message)

    loaded = profile()
    assert loaded.guards is not None
    earlier = [
        EarlierContent(submission="changed", keys={U1}, chunks=other()),
        EarlierContent(submission="good", keys={U1}, chunks=[adt(row(1, 100)).data]),
    ]
    outcome = changes.compare(loaded, loaded.guards, srvs(), [adt(row(1, 201)).data], earlier, Gaps())

    assert [one.rule for one in outcome.findings.kept] == ["guard.increase", "guard.no-comparison"]
    assert "changed" in outcome.findings.kept[1].message


def test_more_than_fits_in_memory_is_not_compared_in_part() -> None:
    def rows(count: int) -> Iterator[bytes]:
        yield f"{ADT_HEADER}\n".encode()
        for number in range(count):
            yield f"{user_id_text(number)},7.1,1,{number + 2}\n".encode()

    loaded = profile()
    assert loaded.guards is not None
    small = EarlierContent(submission=FIRST, keys={U1}, chunks=[adt(row(1, 2)).data])
    outcome = changes.compare(loaded, loaded.guards, srvs(), rows(changes.MOST_PAIRS + 1), [small], Gaps())

    assert [one.rule for one in outcome.findings.kept] == ["guard.too-much"]
    assert outcome.findings.guarding == 1
    # Without an earlier file nothing is read at all.
    none = changes.compare(loaded, loaded.guards, srvs(), rows(changes.MOST_PAIRS + 1), [], Gaps(fresh=1))
    assert [one.rule for one in none.findings.kept] == ["guard.first-file"]


# --- one row ------------------------------------------------------------------------------------------------------


def test_where_every_zero_holds_anyhow_the_guard_is_silent_unless_approvals_are_wanted() -> None:
    zero = adt(row(0, 2))

    assert said(zero.judged()) == [("adt.zero-threshold", Severity.HOLD)]
    wanted = tuned(zero, approvals=1).judged()
    assert [one.rule for one in wanted.findings] == ["adt.zero-threshold", "guard.zero-critical"]
    assert (wanted.approvals, wanted.holding, wanted.guarding) == (1, 2, 1)


def test_a_zero_on_what_is_not_critical_is_no_guards_business() -> None:
    assert guards_said(tuned(adt(row(0, 2, "7.10")), adt__zero="allow")) == []
    assert guards_said(tuned(adt(row(0, 2, "ALL")), adt__zero="allow")) == ["guard.zero-critical"]


# --- Exit Quarantine ------------------------------------------------------------------------------------------------


def releases(count: int, action: str = "RELEASE") -> list[str]:
    return [f"{number},{REQUEST},{action}" for number in range(1, count + 1)]


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_a_bulk_release_is_said_once_at_the_first_one_too_many(block_bytes: int) -> None:
    most = tuned(eq(*releases(300)), guards__max_releases=100)
    found = most.judged(block_bytes=block_bytes)

    assert [(one.rule, one.line) for one in found.findings] == [("guard.bulk-release", 102)]
    assert guards_said(eq(*releases(100))) == []
    assert guards_said(eq(*releases(300, "DELETE"))) == []


def test_releases_are_counted_under_the_profiles_own_word() -> None:
    column = {"name": "action", "type": "code", "codes": ["go", "stop"], "case": "any", "privacy": "public"}
    columns = [
        *(one for one in profile("exit-quarantine").model_dump(mode="json")["columns"] if one["name"] != "action")
    ]
    own = tuned(
        eq(*releases(2, "Go")), columns=[*columns, column], exit_quarantine__release="GO", guards__max_releases=1
    )
    with pytest.raises(Exception, match="no such code"):
        own.judged()
    column["codes"] = ["GO", "STOP"]
    assert guards_said(own) == ["guard.bulk-release"]


def test_references_are_the_same_in_any_spelling_and_need_both_parts() -> None:
    report = (eq(f"0017,{REQUEST.lower()},DELETE").data,)

    assert guards_said(after(eq(f"17,{REQUEST},RELEASE"), known=report)) == []
    assert guards_said(after(eq(f"18,{REQUEST},RELEASE"), known=report)) == ["guard.unknown-reference"]
    assert guards_said(after(eq(f"17,{REQUEST}1,RELEASE"), known=report)) == ["guard.unknown-reference"]


def test_without_any_report_one_finding_says_so() -> None:
    found = after(eq(*releases(50)), known=()).judged()

    assert said(found) == [("guard.unknown-reference", Severity.WARN)]
    assert found.findings[0].line is None


def test_a_file_with_more_communications_than_are_looked_up_waits_for_a_person() -> None:
    loaded = profile("exit-quarantine")
    assert loaded.guards is not None

    assert [one.rule for one in references.judge(loaded, loaded.guards, None, reports=1).findings.kept] == [
        "guard.too-much"
    ]


# --- in general -----------------------------------------------------------------------------------------------------

_PAIRS = st.dictionaries(
    st.tuples(st.sampled_from([U1, U2]), st.sampled_from(["7.1", "7.2", "7.10", "ALL"])),
    st.tuples(st.integers(1, 10**14), st.integers(1, 10**14)).map(lambda two: (min(two), max(two) + 1)),
    min_size=1,
    max_size=6,
)


def file_of(pairs: dict[tuple[str, str], tuple[int, int]]) -> bytes:
    return adt(*(row(*values, srv, user) for (user, srv), values in pairs.items())).data


@settings(max_examples=100, deadline=None)
@given(new=_PAIRS, old=st.lists(_PAIRS, min_size=1, max_size=3))
def test_the_table_and_the_findings_are_what_a_plain_comparison_finds(
    new: dict[tuple[str, str], tuple[int, int]], old: list[dict[tuple[str, str], tuple[int, int]]]
) -> None:
    sample = replace(ADT, data=file_of(new), earlier=tuple(map(file_of, old)))
    found = sample.judged()
    users = {user for user, _ in new}
    strangers = [one for one in old if not users & {user for user, _ in one}]
    lowest = {
        (pair, place): min(one[pair][place] for one in old if pair in one)
        for pair in {pair for one in old for pair in one if pair[0] in users}
        for place in (0, 1)
    }
    known = {pair[0] for pair, _ in lowest}
    differing = {key: (value, new[key[0]][key[1]] if key[0] in new else None) for key, value in lowest.items()}
    differing = {key: two for key, two in differing.items() if two[0] != two[1]}
    fresh = [(pair, place) for pair in new if pair[0] in known and (pair, 0) not in lowest for place in (0, 1)]

    assert found.changed == len(differing) + len(fresh)
    risen = [two for two in differing.values() if two[1] is not None and two[1] > 2 * two[0]]
    assert sum(one.rule == "guard.increase" for one in found.findings) == len(risen)
    assert sum(one.rule == "guard.no-comparison" for one in found.findings) == bool(strangers)
    gone = {pair for (pair, _), two in differing.items() if two[1] is None}
    assert sum(one.rule == "guard.critical-gone" for one in found.findings) == sum(srv != "7.10" for _, srv in gone)
    assert sum(one.rule == "guard.set-shrank" for one in found.findings) == len({u for u, srv in gone if srv == "7.10"})


@settings(max_examples=50, deadline=None)
@given(pairs=_PAIRS)
def test_a_file_that_changes_nothing_is_never_held(pairs: dict[tuple[str, str], tuple[int, int]]) -> None:
    data = file_of(pairs)
    found = replace(ADT, data=data, earlier=(data, data)).judged()

    assert (found.findings, found.changes, found.changed) == ((), (), 0)
    assert Gaps() == NO_GAPS
    assert EQ.judged().changes == ()
