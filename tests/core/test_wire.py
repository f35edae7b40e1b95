"""What is kept of what people and models say, as JSON."""

import pytest

from core.envelopes import Body
from core.wire import body_from_json, body_to_json, sound


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("ünïcode 😀", "ünïcode 😀"),
        ("half \ud83d of it", "half � of it"),
        ("\ude00", "�"),
        ("two halves \ud83d\ude00", "two halves 😀"),
    ],
)
def test_halves_of_characters_are_joined_or_replaced(text: str, kept: str) -> None:
    assert sound(text) == kept
    assert body_from_json(body_to_json(Body(text))).text == kept
    body_to_json(Body(text)).encode()
