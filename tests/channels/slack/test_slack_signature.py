"""Only what Slack signed just now is taken."""

import hashlib
import hmac
from typing import Any

import pytest

from channels.slack.signature import SIGNATURE, TIMESTAMP, Signatures
from tests.clock import FakeClock

SECRET = "0123456789abcdef0123456789abcdef"
BODY = b'{"type":"event_callback"}'


def signed(timestamp: str, body: bytes = BODY, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()


def now(clock: FakeClock, away: int = 0) -> str:
    return str(int(clock.now().timestamp()) + away)


def test_what_slack_signed_is_taken(clock: FakeClock) -> None:
    headers = {TIMESTAMP: now(clock), SIGNATURE: signed(now(clock))}
    assert Signatures(SECRET, clock).is_valid(headers, BODY)


@pytest.mark.parametrize("away", [-301, 301, -3600, 10**7])
def test_an_old_request_is_refused(clock: FakeClock, away: int) -> None:
    headers = {TIMESTAMP: now(clock, away), SIGNATURE: signed(now(clock, away))}
    assert not Signatures(SECRET, clock).is_valid(headers, BODY)


@pytest.mark.parametrize("away", [-299, 0, 299])
def test_five_minutes_either_way_are_taken(clock: FakeClock, away: int) -> None:
    headers = {TIMESTAMP: now(clock, away), SIGNATURE: signed(now(clock, away))}
    assert Signatures(SECRET, clock).is_valid(headers, BODY)


@pytest.mark.parametrize(
    "timestamp",
    ["", " ", "abc", "1e9", "1.5", "-1790000000", "+790000000", " 790000000", "0x12345678", "١٧٩٠٠٠٠٠٠٠", "17900000000",
     "179000000\n", "NaN", "9" * 5000],
)  # fmt: skip
def test_a_timestamp_of_another_shape_is_refused_and_breaks_nothing(clock: FakeClock, timestamp: str) -> None:
    headers = {TIMESTAMP: timestamp, SIGNATURE: signed(timestamp)}
    assert not Signatures(SECRET, clock).is_valid(headers, BODY)


@pytest.mark.parametrize(
    "change",
    [
        lambda good: "",
        lambda good: good[:-1],
        lambda good: good + "0",
        lambda good: good.upper(),
        lambda good: good.removeprefix("v0="),
        lambda good: "v1=" + good[3:],
        lambda good: good[:-1] + "ä",
        lambda good: good[:-1] + ("0" if good[-1] != "0" else "1"),
        lambda good: good + "\n",
        lambda good: "v0=" + "\udcff" * 64,
    ],
)
def test_a_wrong_signature_is_refused_and_breaks_nothing(clock: FakeClock, change: Any) -> None:
    headers = {TIMESTAMP: now(clock), SIGNATURE: change(signed(now(clock)))}
    assert not Signatures(SECRET, clock).is_valid(headers, BODY)


def test_another_body_or_secret_is_refused(clock: FakeClock) -> None:
    headers = {TIMESTAMP: now(clock), SIGNATURE: signed(now(clock))}
    assert not Signatures(SECRET, clock).is_valid(headers, BODY + b" ")
    assert not Signatures("another-secret", clock).is_valid(headers, BODY)
    assert not Signatures(SECRET, clock).is_valid({}, BODY)


def test_a_body_that_is_no_text_is_refused(clock: FakeClock) -> None:
    body = b"\xff\xfe{}"
    headers = {TIMESTAMP: now(clock), SIGNATURE: signed(now(clock), body)}
    assert not Signatures(SECRET, clock).is_valid(headers, body)


@pytest.mark.parametrize("secret", ["", " ", "\t\n"])
def test_without_a_secret_nothing_starts(clock: FakeClock, secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        Signatures(secret, clock)
