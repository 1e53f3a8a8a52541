"""A sample is accepted by its own profile, whatever that demands; or it says what stands in the way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealdrop.core.errors import Refused
from sealdrop.rules.engine import check
from sealdrop.rules.identifiers import OwnIds, own_ids
from sealdrop.rules.profile import Profile
from sealdrop.rules.sample_file import SampleFile, sample_file
from support.profiles import profiles
from support.rule_cases import OWN, U1, U2, profile, srvs


def made(of: Profile, own: OwnIds | None = None) -> SampleFile:
    return sample_file(of, srvs(), own_ids(OWN) if own is None else own)


def lines(of: Profile) -> list[str]:
    return made(of).data.decode().splitlines()


@pytest.mark.parametrize("kind", ["adt", "exit-quarantine"])
def test_the_sample_of_a_shipped_profile_is_accepted_and_shows_every_column(kind: str) -> None:
    shipped = profile(kind)
    sample = made(shipped)
    header, *rows = lines(shipped)

    verdict = check(
        profile=shipped, srvs=srvs(), own=own_ids(OWN), chunks=lambda: [sample.data], file_name=sample.name,
        size=len(sample.data),
    )  # fmt: skip
    assert (verdict.findings, verdict.records) == ((), len(rows))
    assert header.split(",") == [column.name for column in shipped.columns]
    assert all(all(row.split(",")) for row in rows)
    assert sample.name == f"{kind}-sample.csv"


@settings(max_examples=200, deadline=None)
@given(profiles())
def test_the_sample_of_any_profile_is_accepted(drawn: Profile) -> None:
    own = own_ids(drawn.own.user_ids)
    sample = made(drawn, own)
    verdict = check(
        profile=drawn, srvs=srvs(), own=own, chunks=lambda: [sample.data], file_name=sample.name, size=len(sample.data)
    )

    assert {finding.rule for finding in verdict.findings} <= {"id.own-unknown"}
    assert verdict.records >= drawn.bounds.min_rows
    assert sample == made(drawn, own)


def test_own_user_ids_are_used_in_turn() -> None:
    shipped = profile()
    sample = made(shipped, own_ids([U2, FAR]))

    assert [row.split(",")[1] for row in sample.data.decode().splitlines()[1:]] == [U2, FAR, U2]


FAR = "90-B3-D5-1F-30-05-00-00"


def test_without_own_user_ids_made_up_ones_stand_there() -> None:
    assert U1.encode() in made(profile(), OwnIds()).data


def test_examples_come_before_guesses() -> None:
    changed = profile(columns__exception__pattern="[A-F]{7}", columns__exception__example="BADCAFE")

    assert all(row.endswith(",BADCAFE") for row in lines(changed)[1:])


def test_an_optional_cell_that_cannot_be_guessed_stays_empty() -> None:
    assert all(row.endswith(",") for row in lines(profile(columns__exception__pattern="[A-F]{7}"))[1:])


def test_more_rows_come_where_the_profile_wants_them() -> None:
    assert len(lines(profile(bounds__min_rows=7))) == 8
    assert len(lines(profile(bounds__rows=1))) == 2


def test_the_trailer_counts() -> None:
    trailed = profile(trailer={"marker": "END", "count_position": 3})

    assert lines(trailed)[-1] == "END,,3"


_REFUSED: dict[str, tuple[dict[str, object], str, str]] = {
    "a required cell with a pattern nobody guesses": (
        {"columns__user_id__pattern": "80-.*"}, "adt, column user_id", "no value can be guessed",
    ),
    "a name that nobody guesses": ({"file_name__pattern": "x{9}", "file_name__example": None}, "adt", "no file name"),
    "more rows than a sample has": ({"bounds__min_rows": 1001}, "adt", "the profile wants 1001 rows"),
    "an example that is not written in the encoding": (
        {"columns__exception__example": "電気", "dialect__encoding": "ascii", "dialect__bom": "forbidden"}, "adt",
        "cannot be written in ascii",
    ),
    "one reference that must differ in every row": (
        {"columns__user_id__key": False, "columns__srv__key": False, "columns__reference__key": True},
        "adt, column reference", "row.duplicate-key",
    ),
    "a file larger than allowed": ({"bounds__bytes": 10, "bounds__field_bytes": 5}, "adt", "file.too-large"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(_REFUSED))
def test_it_refuses(name: str) -> None:
    changes, where, what = _REFUSED[name]
    with pytest.raises(Refused) as caught:
        made(profile(**changes))

    assert caught.value.where == where
    assert what in caught.value.what


def test_a_guess_that_does_not_fit_is_followed_by_others() -> None:
    only_all = profile(columns__srv__pattern="ALL")
    one_hour = profile(columns__period__max=1)

    assert {row.split(",")[3] for row in lines(only_all)[1:]} == {"ALL"}
    assert {row.split(",")[6] for row in lines(one_hour)[1:]} == {"1"}


def test_codes_and_times_that_no_guess_fits_stay_empty_where_they_may() -> None:
    odd = profile(
        columns__user_role__pattern="X", columns__effective_to__type="date-time", columns__effective_to__pattern="X",
    )  # fmt: skip

    assert [row.split(",")[2] + row.split(",")[8] for row in lines(odd)[1:]] == [""] * 3


@pytest.mark.parametrize("name", ["adt-sample.csv", "sample.txt", "A1"])
def test_a_name_is_guessed_that_fits(name: str) -> None:
    assert made(profile(file_name__pattern=name.replace(".", r"\."), file_name__example=None)).name == name


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["upper", "lower"]))
def test_letters_stand_in_the_demanded_case(case: str) -> None:
    cased = profile(columns__user_id__case=case)

    assert all(getattr(row.split(",")[1], case)() == row.split(",")[1] for row in lines(cased)[1:])
