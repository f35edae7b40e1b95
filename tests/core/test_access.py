"""The door: who is let in, and what counts as a code."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import Door, Mode, Verdict, code_in
from core.directory import KnownChat, Person
from core.envelopes import Inbound, Origin, Place
from storage.tables import ChatKind

GUEST, MEMBER = Person(uuid4(), None), Person(uuid4(), uuid4())


def inbound(text: str, place: Place = Place.PRIVATE, *, addressed: bool = True, button: bool = False) -> Inbound:
    origin = Origin("telegram", "telegram:1", "7", place, "7")
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return Inbound(origin, "1", "f", 1, now, text=text, addressed=addressed, button=button)


def chat(*, permitted: bool = False) -> KnownChat:
    return KnownChat(uuid4(), "telegram:1", "7", ChatKind.GROUP, permitted, uuid4(), uuid4())


@pytest.mark.parametrize("text", ["ABCD-EFGH", "abcdefgh", "/start ABCD-EFGH", "/start@my_bot abcd-efgh", " 0123-4567 ",
                                  "/join ABCD-EFGH"])  # fmt: skip
def test_these_are_codes(text: str) -> None:
    found = code_in(text)
    assert found is not None
    assert len(found.replace("-", "")) == 8


@pytest.mark.parametrize("text", ["", "hi", "ABCD EFGH", "ABCD-EFG", "ABCD-EFGHI", "my code is ABCD-EFGH", "/start",
                                  "/stop ABCD-EFGH", "ÄBCD-EFGH", "ABCD-EFGH\nABCD-EFGH", "A-BCDEFGH"])  # fmt: skip
def test_these_are_no_codes(text: str) -> None:
    assert code_in(text) is None


@given(st.text(max_size=40))
def test_no_text_confuses_it(text: str) -> None:
    found = code_in(text)
    assert found is None or len(found) in (8, 9)


CASES = [
    # mode, who, place, addressed, permitted group, text, verdict
    (Mode.PAIRING, GUEST, Place.PRIVATE, True, False, "hi", Verdict.STRANGER),
    (Mode.PAIRING, GUEST, Place.PRIVATE, True, False, "ABCD-EFGH", Verdict.CODE),
    (Mode.PAIRING, GUEST, Place.GROUP, True, True, "ABCD-EFGH", Verdict.STRANGER),
    (Mode.PAIRING, GUEST, Place.GROUP, True, True, "hi", Verdict.STRANGER),
    (Mode.PAIRING, GUEST, Place.GROUP, False, True, "hi", Verdict.NOT_ADDRESSED),
    (Mode.PAIRING, MEMBER, Place.PRIVATE, True, False, "hi", Verdict.LET_IN),
    (Mode.PAIRING, MEMBER, Place.GROUP, True, False, "hi", Verdict.GROUP_NOT_PERMITTED),
    (Mode.PAIRING, MEMBER, Place.GROUP, True, False, "/permit", Verdict.LET_IN),
    (Mode.PAIRING, MEMBER, Place.GROUP, True, False, "/permit@my_bot", Verdict.LET_IN),
    (Mode.PAIRING, MEMBER, Place.GROUP, True, False, "/permitted", Verdict.GROUP_NOT_PERMITTED),
    (Mode.PAIRING, GUEST, Place.GROUP, True, False, "/permit", Verdict.STRANGER),
    (Mode.PAIRING, MEMBER, Place.GROUP, True, True, "hi", Verdict.LET_IN),
    (Mode.PAIRING, MEMBER, Place.GROUP, False, True, "hi", Verdict.NOT_ADDRESSED),
    (Mode.CLOSED, GUEST, Place.PRIVATE, True, False, "ABCD-EFGH", Verdict.STRANGER),
    (Mode.CLOSED, MEMBER, Place.PRIVATE, True, False, "hi", Verdict.LET_IN),
    (Mode.CLOSED, MEMBER, Place.GROUP, True, False, "hi", Verdict.GROUP_NOT_PERMITTED),
    (Mode.OPEN, GUEST, Place.PRIVATE, True, False, "hi", Verdict.LET_IN),
    (Mode.OPEN, GUEST, Place.GROUP, True, False, "hi", Verdict.LET_IN),
    (Mode.OPEN, GUEST, Place.GROUP, False, False, "hi", Verdict.NOT_ADDRESSED),
]


@pytest.mark.parametrize(("mode", "who", "place", "addressed", "permitted", "text", "verdict"), CASES)
def test_who_is_let_in(
    mode: Mode, who: Person, place: Place, addressed: bool, permitted: bool, text: str, verdict: Verdict
) -> None:
    said = inbound(text, place, addressed=addressed)
    assert Door(mode).verdict(said, who, chat(permitted=permitted)) is verdict


def test_a_button_carries_no_code() -> None:
    pressed = replace(inbound("ABCD-EFGH"), button=True)
    assert Door(Mode.PAIRING).verdict(pressed, GUEST, chat()) is Verdict.STRANGER


@pytest.mark.parametrize("mode", list(Mode))
def test_each_notice_is_one_sentence(mode: Mode) -> None:
    for verdict in (Verdict.STRANGER, Verdict.GROUP_NOT_PERMITTED):
        notice = Door(mode).notice(verdict)
        assert notice.endswith(".")
        assert notice.count(". ") == 0
