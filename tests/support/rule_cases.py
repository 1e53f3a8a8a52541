"""One passing and one failing sample for every rule, and what it takes to judge them."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from sealdrop.core.verdict import Finding, Verdict
from sealdrop.rules.engine import check
from sealdrop.rules.guards.changes import EarlierContent, Gaps, compare
from sealdrop.rules.guards.merging import merged
from sealdrop.rules.guards.references import judge, keys_of, wanted_keys
from sealdrop.rules.identifiers import own_ids
from sealdrop.rules.lines import BLOCK_BYTES
from sealdrop.rules.profile import Profile
from sealdrop.rules.profile_parsing import parse_profile
from sealdrop.rules.srv_list import SrvList, parse_srv_list

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
U1 = "90-B3-D5-1F-30-01-00-00"
U2 = "90-B3-D5-1F-30-01-00-01"
DEVICE = "90-B3-D5-1F-30-00-00-02"
FOREIGN = "90-B3-D5-1F-30-02-00-00"
OWN = ("90-B3-D5-1F-30-01-00-00 .. 90-B3-D5-1F-30-01-FF-FF",)

ADT_HEADER = "user_id,srv,warning_threshold,quarantine_threshold"
EQ_HEADER = "quarantine_event_ref,request_id,action"
REQUEST = f"{U1}:{DEVICE}:1000"
NO_GAPS = Gaps()


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places})
    for start, end in zip([0, *ends], [*ends, len(data)], strict=True):
        yield data[start:end]


@cache
def tables(kind: str) -> dict[str, Any]:
    return tomllib.loads((PROFILES / f"{kind}.toml").read_text())


@cache
def srvs() -> SrvList:
    return parse_srv_list([(PROFILES / "srv-duis-5.4.csv").read_bytes()])


def changed(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy with values set by dotted path; list items are found by position or by their name."""
    result = copy.deepcopy(dict(data))
    for path, value in changes.items():
        *parents, last = path.split("/")
        node: Any = result
        for key in parents:
            if isinstance(node, list):
                node = next(item for item in node if item["name"] == key)
            else:
                node = node.setdefault(key, {})
        node[last] = value
    return result


def profile(kind: str = "adt", /, **changes: object) -> Profile:
    return parse_profile(changed(tables(kind), {key.replace("__", "/"): value for key, value in changes.items()}))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file with the circumstances in which it is judged."""

    data: bytes
    name: str = "thresholds.csv"
    kind: str = "adt"
    size: int | None = None
    own: tuple[str, ...] = OWN
    changes: Mapping[str, object] = field(default_factory=dict)
    earlier: tuple[bytes, ...] = ()  # contents of earlier submissions, called earlier-1, earlier-2, ...
    gaps: Gaps = NO_GAPS
    known: tuple[bytes, ...] | None = None  # imported reports; None: nobody looks

    def profile(self) -> Profile:
        data = changed(tables(self.kind), self.changes)
        for section, kind in (("adt", "adt"), ("exit_quarantine", "exit-quarantine")):
            if data["kind"] != kind:
                data.pop(section, None)
        return parse_profile(data)

    def judged(self, chunks: Iterable[bytes] | None = None, block_bytes: int = BLOCK_BYTES) -> Verdict:
        verdict = self._checked(chunks, block_bytes)
        profile = self.profile()
        if profile.guards is None or verdict.rejected:
            return verdict
        if self.known is not None:
            keys = {key for report in self.known for _, key in keys_of(profile, [report])}
            wanted = wanted_keys(profile, [self.data]) or {}
            unknown = {key: line for key, line in wanted.items() if key not in keys}
            return merged(verdict, judge(profile, profile.guards, unknown, reports=len(self.known)))
        if self.earlier or self.gaps != NO_GAPS:
            users = frozenset(verdict.ordering_keys)
            files = [
                EarlierContent(submission=f"earlier-{number}", keys=users, chunks=[data])
                for number, data in enumerate(self.earlier, 1)
            ]
            return merged(verdict, compare(profile, profile.guards, srvs(), [self.data], files, self.gaps))
        return verdict

    def _checked(self, chunks: Iterable[bytes] | None, block_bytes: int) -> Verdict:
        return check(
            profile=self.profile(),
            srvs=srvs(),
            own=own_ids(self.own),
            chunks=lambda: [self.data] if chunks is None else chunks,
            file_name=self.name,
            size=len(self.data) if self.size is None else self.size,
            block_bytes=block_bytes,
        )

    def findings(self, rule: str) -> list[Finding]:
        return [finding for finding in self.judged().findings if finding.rule == rule]


def adt(*rows: str, header: str = ADT_HEADER, end: str = "\n", changes: Mapping[str, object] | None = None) -> Sample:
    return Sample(data="".join(line + end for line in (header, *rows)).encode(), changes=changes or {})


def eq(*rows: str, header: str = EQ_HEADER) -> Sample:
    return Sample(data="".join(f"{line}\n" for line in (header, *rows)).encode(), kind="exit-quarantine")


def raw(data: bytes) -> Sample:
    return Sample(data=data)


GOOD = f"{U1},6.15.1,10,20"
ADT = adt(GOOD)
EQ = eq(f"17,{REQUEST},RELEASE")
PLAIN = ADT.data
_WIDE = "user_id,user_role,srv,warning_threshold,quarantine_threshold,period,effective_from,effective_to,exception"


def wide(**cells: str) -> Sample:
    """One ADT row with every optional column."""
    values = {"user_id": U1, "srv": "7.1", "warning_threshold": "1", "quarantine_threshold": "2", **cells}
    return adt(",".join(values.get(name, "") for name in _WIDE.split(",")), header=_WIDE)


def tuned(sample: Sample, **changes: object) -> Sample:
    settings = {key.replace("__", "/"): value for key, value in changes.items()}
    return Sample(
        data=sample.data, name=sample.name, kind=sample.kind, size=sample.size, own=sample.own, changes=settings
    )


def after(sample: Sample, *earlier: str, gaps: Gaps = NO_GAPS, known: tuple[bytes, ...] | None = None) -> Sample:
    """Return a sample that is compared with earlier files, each given as its one row."""
    return replace(sample, earlier=tuple(adt(row).data for row in earlier), gaps=gaps, known=known)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One rule: a sample that passes it, one that fails it, and where."""

    passing: Sample
    failing: Sample
    line: int | None = None
    column: str | None = None


_TRAILED = {"trailer": {"marker": "END", "count_position": 2}}


def _case(failing: Sample, line: int | None = None, column: str | None = None, passing: Sample = ADT) -> Case:
    return Case(passing=passing, failing=failing, line=line, column=column)


CASES: dict[str, Case] = {
    "file.name": _case(Sample(data=PLAIN, name="../thresholds.csv")),
    "file.too-large": _case(tuned(ADT, bounds__bytes=10, bounds__field_bytes=5)),
    "file.too-much-wrong": _case(raw(PLAIN + b"\n" * 10_000), 10_002),
    "file.empty": _case(raw(b"")),
    "file.not-csv": _case(raw(b"PK\x03\x04" + bytes(100))),
    "csv.utf-16": _case(raw("\ufeff".encode("utf-16-le") + PLAIN.decode().encode("utf-16-le"))),
    "csv.nul": _case(raw(PLAIN + b"90-B3,\0,1,2\n"), 3, "srv"),
    "csv.encoding": _case(raw(PLAIN + b"90-B3,7.1,\xff,2\n"), 3, "warning_threshold"),
    "csv.bom-forbidden": _case(
        tuned(raw(b"\xef\xbb\xbf" + PLAIN), dialect__bom="forbidden"), 1, None, raw(b"\xef\xbb\xbf" + PLAIN)
    ),
    "csv.bom-missing": _case(
        tuned(ADT, dialect__bom="required"), 1, None, tuned(raw(b"\xef\xbb\xbf" + PLAIN), dialect__bom="required")
    ),
    "csv.line-too-long": _case(raw(PLAIN + b"x" * 65537 + b"\n"), 3),
    "csv.field-too-long": _case(raw(PLAIN + f"{U1},7.1,{'1' * 4097},2\n".encode()), 3, "warning_threshold"),
    "csv.too-many-columns": _case(raw(PLAIN + b"," * 64 + b"\n"), 3),
    "csv.line-ends-mixed": _case(raw(PLAIN + f"{U2},7.1,1,2\r\n".encode()), 3),
    "csv.line-ends-wrong": _case(
        tuned(ADT, dialect__line_ends="crlf"), 1, None, tuned(adt(GOOD, end="\r\n"), dialect__line_ends="crlf")
    ),
    "csv.unbalanced-quote": _case(adt(f'"{U1},7.1,1,2', f"{U2},7.1,1,2"), 2, "user_id"),
    "csv.text-after-quote": _case(adt(f'{U1},"7.1"0,1,2'), 2, "srv", adt(f'{U1},"7.1",1,2')),
    "csv.stray-quote": _case(wide(exception='a"b'), 2, "exception", wide(exception='"a""b"')),
    "csv.quote-forbidden": _case(
        tuned(adt(f'{U1},"7.1",1,2'), dialect__quoting="forbidden"), 2, "srv", tuned(ADT, dialect__quoting="forbidden")
    ),
    "csv.quote-missing": _case(
        tuned(adt(f'"{U1}","7.1",1,"2"', header=f'"{ADT_HEADER.replace(",", chr(34) + "," + chr(34))}"'),
              dialect__quoting="required"),
        2,
        "warning_threshold",
        tuned(adt(f'"{U1}","7.1","1","2"', header=f'"{ADT_HEADER.replace(",", chr(34) + "," + chr(34))}"'),
              dialect__quoting="required"),
    ),
    "csv.delimiter": _case(raw(PLAIN.replace(b",", b";")), 1),
    "csv.separator-line": _case(raw(b"sep=,\n" + PLAIN), 1),
    "csv.empty-row": _case(adt(GOOD, "", ",,,"), 3),
    "header.unknown-column": _case(
        adt(GOOD + ",x", header=ADT_HEADER + ",comment"), 1, "column 5",
        tuned(adt(GOOD + ",x", header=ADT_HEADER + ",comment"), extra_columns="allow"),
    ),
    "header.missing-column": _case(adt(f"{U1},7.1,1", header="user_id,srv,warning_threshold"), 1,
                                   "quarantine_threshold"),
    "header.duplicate-column": _case(adt(GOOD + ",7.1", header=ADT_HEADER + ",srv"), 1, "column 5"),
    "header.order": _case(
        tuned(EQ, header="exact", columns=tables("exit-quarantine")["columns"][1::-1]
              + tables("exit-quarantine")["columns"][2:3], reference__source="none"),
        1, None,
        tuned(EQ, header="exact", columns=tables("exit-quarantine")["columns"][:3], reference__source="none"),
    ),
    "row.width": _case(adt(GOOD + ",9"), 2),
    "row.too-many": _case(tuned(adt(GOOD, f"{U2},7.1,1,2"), bounds__rows=1), 3, None, tuned(ADT, bounds__rows=1)),
    "row.too-few": _case(tuned(ADT, bounds__min_rows=2), None, None, tuned(ADT, bounds__min_rows=1)),
    "row.duplicate-key": _case(adt(GOOD, f"{U1.lower()},6.15.1,1,2"), 3, "user_id", adt(GOOD, f"{U2},6.15.1,1,2")),
    "row.compare": _case(
        wide(effective_from="2026-12-02", effective_to="2026-12-01T23:59Z"), 2, "effective_from",
        wide(effective_from="2026-12-01", effective_to="2026-12-01T00:00:00Z"),
    ),
    "trailer.missing": _case(Sample(data=PLAIN, changes=_TRAILED), None, None, adt(GOOD, "END,1", changes=_TRAILED)),
    "trailer.count": _case(adt(GOOD, "END,2", changes=_TRAILED), 3, None, adt(GOOD, "END,1", changes=_TRAILED)),
    "trailer.not-last": _case(
        adt("END,0", GOOD, changes=_TRAILED | {"bounds/min_rows": 0}), 3, None, adt(GOOD, "END,1", changes=_TRAILED)
    ),
    "reference.missing": _case(
        tuned(ADT, reference__required=True), None, None,
        tuned(adt(GOOD + ",SR-1", header=ADT_HEADER + ",reference"), reference__required=True),
    ),
    "reference.differs": _case(
        adt(GOOD + ",SR-1", f"{U2},7.1,1,2,SR-2", header=ADT_HEADER + ",reference"), 3, "reference",
        adt(GOOD + ",SR-1", f"{U2},7.1,1,2,", f"{U2},7.2,1,2,SR-1", header=ADT_HEADER + ",reference"),
    ),
    "order.too-many-keys": _case(
        tuned(adt(GOOD, f"{U2},7.1,1,2"), bounds__ordering_keys=1), 3, "user_id", tuned(ADT, bounds__ordering_keys=1)
    ),
    "cell.missing": _case(adt(f"{U1},7.1,,2"), 2, "warning_threshold"),
    "cell.line-break": _case(wide(exception='"a\nb"'), 2, "exception", wide(exception="a b")),
    "cell.control-character": _case(wide(exception="a\u202eb"), 2, "exception", wide(exception="a\u00a0b")),
    "cell.formula": _case(wide(exception="=HYPERLINK(A1)"), 2, "exception", wide(exception="a=b")),
    "cell.space": _case(adt(f"{U1}, 7.1,1,2"), 2, "srv"),
    "cell.pattern": _case(
        tuned(ADT, columns__user_id__pattern="80-.*"), 2, "user_id", tuned(ADT, columns__user_id__pattern="90-.*")
    ),
    "cell.code": _case(wide(user_role="is"), 2, "user_role", wide(user_role="IS")),
    "cell.case": _case(
        tuned(adt(GOOD.lower()), columns__user_id__case="upper"), 2, "user_id",
        tuned(ADT, columns__user_id__case="upper"),
    ),
    "cell.length": _case(wide(exception="x" * 201), 2, "exception", wide(exception="x" * 200)),
    "cell.integer": _case(adt(f"{U1},7.1,010,20"), 2, "warning_threshold"),
    "cell.range": _case(wide(period="8785"), 2, "period", wide(period="8784")),
    "cell.date": _case(wide(effective_from="2026-02-29"), 2, "effective_from", wide(effective_from="2028-02-29")),
    "id.user-id": _case(adt(f"{U1}-00,7.1,1,2"), 2, "user_id"),
    "id.not-own": _case(adt(f"{FOREIGN},7.1,1,2"), 2, "user_id"),
    "id.own-unknown": _case(Sample(data=PLAIN, own=())),
    "id.request-id": _case(eq(f"17,{U1}:{DEVICE}:01,DELETE"), 2, "request_id", EQ),
    "id.event-reference": _case(eq(f"{'1' * 21},{REQUEST},DELETE"), 2, "quarantine_event_ref", EQ),
    "srv.malformed": _case(adt(f"{U1},7,1,2"), 2, "srv"),
    "srv.unknown": _case(adt(f"{U1},99.9,1,2"), 2, "srv"),
    "sheet.scientific": _case(eq(f"1.23E+19,{REQUEST},DELETE"), 2, "quarantine_event_ref", EQ),
    "sheet.date": _case(adt(f"{U1},01-May,1,2"), 2, "srv", adt(f"{U1},1.5,1,2")),
    "sheet.rounded": _case(
        eq(f"1234567890123450000,{REQUEST},DELETE"), 2, "quarantine_event_ref",
        eq(f"1234567890123450001,{REQUEST},DELETE"),
    ),
    "sheet.lost-zero": _case(adt(f"{U1},4.1,1,2"), 2, "srv", adt(f"{U1},4.10,1,2")),
    "sheet.doubled-srv": _case(
        adt(f"{U1},7.1,1,2", f"{U1},7.1,1,2"), 3, "srv", adt(f"{U1},7.1,1,2", f"{U1},7.10,1,2", f"{U2},7.1,1,2")
    ),
    "sheet.trailing-columns": _case(adt(GOOD + ",,", header=ADT_HEADER + ",,"), 1, "column 5"),
    "adt.warning-above-quarantine": _case(adt(f"{U1},7.1,21,20"), 2, "warning_threshold", adt(f"{U1},7.1,20,20")),
    "adt.zero-threshold": _case(
        adt(f"{U1},7.1,0,20"), 2, "warning_threshold", tuned(adt(f"{U1},7.1,0,20"), adt__zero="allow")
    ),
    "adt.role-not-eligible": _case(
        wide(user_role="GS", srv="7.1"), 2, "user_role", wide(user_role="GS", srv="7.16")
    ),
    "eq.duplicate": _case(
        eq(f"17,{REQUEST},DELETE", f"017,{REQUEST.lower()},DELETE"), 3, "request_id",
        eq(f"17,{REQUEST},DELETE", f"18,{REQUEST},RELEASE"),
    ),
    "eq.contradiction": _case(
        eq(f"17,{REQUEST},DELETE", f"17,{REQUEST},RELEASE"), 3, "action",
        eq(f"17,{REQUEST},DELETE", f"17,{REQUEST}1,RELEASE"),
    ),
    "eq.foreign-originator": _case(eq(f"17,{FOREIGN}:{DEVICE}:1,DELETE"), 2, "request_id", EQ),
    "guard.increase": _case(
        after(adt(f"{U1},7.1,10,41"), f"{U1},7.1,10,20"), 2, "quarantine_threshold",
        after(adt(f"{U1},7.1,20,40"), f"{U1},7.1,10,20"),
    ),
    "guard.critical-gone": _case(
        after(adt(f"{U1},7.2,1,2"), f"{U1},7.1,1,2"), None, "srv", after(adt(f"{U1},7.1,1,2"), f"{U1},7.1,1,2")
    ),
    "guard.set-shrank": _case(
        after(adt(f"{U1},7.1,1,2"), f"{U1},7.10,1,2"), None, "user_id",
        after(adt(f"{U1},7.1,1,2", f"{U1},7.10,1,2"), f"{U1},7.10,1,2"),
    ),
    "guard.first-file": _case(after(ADT, gaps=Gaps(fresh=1)), None, None, after(ADT, GOOD)),
    "guard.no-comparison": _case(after(ADT, gaps=Gaps(lost=("earlier-1",))), None, None, after(ADT, GOOD)),
    "guard.too-much": _case(after(ADT, gaps=Gaps(too_many=True)), None, None, after(ADT, GOOD)),
    "guard.warning-equals-quarantine": _case(adt(f"{U1},7.1,20,20"), 2, "warning_threshold", adt(f"{U1},7.1,19,20")),
    "guard.zero-critical": _case(
        tuned(adt(f"{U1},7.1,0,20"), adt__zero="allow"), 2, "warning_threshold",
        tuned(adt(f"{U1},7.10,0,20"), adt__zero="allow"),
    ),
    "guard.bulk-release": _case(
        tuned(eq(f"17,{REQUEST},RELEASE", f"18,{REQUEST},DELETE", f"19,{REQUEST},RELEASE"), guards__max_releases=1),
        4, "action",
        tuned(eq(f"17,{REQUEST},RELEASE", f"18,{REQUEST},DELETE"), guards__max_releases=1),
    ),
    "guard.critical-release": _case(
        eq(f"17,{REQUEST},RELEASE,7.1", header=EQ_HEADER + ",srv"), 2, "srv",
        eq(f"17,{REQUEST},RELEASE,7.10", f"18,{REQUEST},DELETE,7.1", f"19,{REQUEST},RELEASE,",
           header=EQ_HEADER + ",srv"),
    ),
    "guard.unknown-reference": _case(
        after(EQ, known=(eq(f"18,{REQUEST},RELEASE").data,)), 2, "request_id",
        after(EQ, known=(eq(f"0017,{REQUEST.lower()},X").data,)),
    ),
}  # fmt: skip
