"""What people do in Slack, as inbounds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.compose import OPERATION_MODULES
from channels.slack.inbound import (
    Me,
    as_command,
    inbound_of,
    inbound_of_joining,
    inbound_of_press,
    inbound_of_slash,
    position_of,
)
from channels.slack.payloads import Interaction, Joined, Message, SlashCommand
from core.envelopes import Inbound, Place

assert OPERATION_MODULES  # their operations exist
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BOT = "<@U0BOT>"
TS = "1790000000.000200"


def me() -> Me:
    ours = Me()
    ours.learn("T1", "U0BOT", "B0BOT", "prowex")
    return ours


def known(*chats: str) -> Callable[[str, str, int], Awaitable[bool]]:
    async def is_known(account: str, chat: str, position: int) -> bool:
        assert account == "slack:T1"
        return chat in chats

    return is_known


def read(threads: tuple[str, ...] = (), **fields: Any) -> Inbound | None:
    raw = {"type": "message", "channel": "C1", "user": "U1", "ts": TS, "text": "hi", **fields}
    return asyncio.run(inbound_of(Message.model_validate(raw), me(), known(*threads), NOW))


def heard(threads: tuple[str, ...] = (), **fields: Any) -> Inbound:
    inbound = read(threads, **fields)
    assert inbound is not None
    return inbound


def test_a_direct_message_is_meant_for_us() -> None:
    inbound = heard(channel="D1", channel_type="im")
    assert inbound.addressed
    assert inbound.origin.place is Place.PRIVATE
    assert (inbound.origin.account, inbound.origin.chat, inbound.origin.person) == ("slack:T1", "D1", "T1:U1")
    assert (inbound.message_id, inbound.position) == (TS, 1790000000000200)


def test_a_thread_of_a_direct_chat_is_a_chat_of_its_own() -> None:
    assert heard(channel="D1", thread_ts="1780000000.000100").origin.chat == "D1/1780000000.000100"


def test_a_mention_at_the_top_of_a_channel_begins_a_thread() -> None:
    inbound = heard(text=f"{BOT} hi")
    assert inbound.addressed
    assert inbound.origin.chat == f"C1/{TS}"
    assert inbound.text == "hi"


def test_a_mention_is_one_event_whichever_of_its_twins_comes() -> None:
    one, other = heard(text=f"{BOT} hi"), heard(type="app_mention", text=f"{BOT} hi")
    assert one == other
    assert one.event_id == f"T1:C1:{TS}"


def test_talk_among_people_is_not_meant_for_us_and_is_the_channels() -> None:
    assert not heard().addressed
    assert not heard(thread_ts="1.2").addressed
    assert heard(thread_ts="1.2").origin.chat == "C1"


def test_a_thread_where_we_took_part_needs_no_mention() -> None:
    inbound = heard(("C1/1.2",), thread_ts="1.2")
    assert inbound.addressed
    assert inbound.origin.chat == "C1/1.2"


def test_a_thread_under_a_message_of_ours_needs_no_mention() -> None:
    assert heard(thread_ts="1.2", parent_user_id="U0BOT").addressed


def test_in_our_thread_what_begins_with_a_mention_of_somebody_else_is_theirs() -> None:
    assert not heard(("C1/1.2",), thread_ts="1.2", text="<@U2> what do you say?").addressed
    assert heard(("C1/1.2",), thread_ts="1.2", text=f"<@U2> ask {BOT}").addressed
    assert heard(("C1/1.2",), thread_ts="1.2", text="ask <@U2>").addressed


@pytest.mark.parametrize(
    "fields",
    [
        {"subtype": "message_changed"},
        {"subtype": "message_deleted"},
        {"subtype": "bot_message"},
        {"subtype": "channel_join"},
        {"subtype": "assistant_app_thread"},
        {"subtype": "something_new"},
        {"bot_id": "B1"},
        {"user": "U0BOT"},
        {"user": "USLACKBOT"},
        {"user": None},
        {"hidden": True},
        {"text": "  "},
        {"text": None},
    ],
)
def test_what_nobody_said_is_passed_over(fields: dict[str, Any]) -> None:
    assert read(channel="D1", **fields) is None


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_other_ways_to_say_something_count(subtype: str) -> None:
    assert heard(channel="D1", subtype=subtype).text == "hi"


def test_a_guest_from_another_workspace_is_of_that_one() -> None:
    assert heard(team="T9", user_team="T9", source_team="T9").origin.person == "T9:U1"
    assert heard(team="T9").origin.person == "T9:U1"


@pytest.mark.parametrize(
    ("said", "read_as"),
    [
        (f"{BOT} hi", "hi"),
        (f"{BOT}: hi", "hi"),
        (f"{BOT},  hi", "hi"),
        (f"hi {BOT}", "hi"),
        (f"say {BOT} again", f"say {BOT} again"),
        ("<@U0BOT|prowex> hi", "hi"),
        (f"{BOT} /status", "/status"),
        (f"{BOT} !status", "/status"),
        ("!status", "/status"),
        ("!zebra", "!zebra"),
        ("!nothing of ours", "!nothing of ours"),
        ("wow!", "wow!"),
        (f"{BOT} a &lt;b&gt; &amp; c", "a <b> & c"),
        (f"{BOT}", BOT),
        (f"{BOT} <@U2> says <https://example.org|so>", "<@U2> says so (https://example.org)"),
    ],
)
def test_what_is_said_is_read_without_the_mention(said: str, read_as: str) -> None:
    assert heard(channel="D1", text=said).text == read_as


def test_files_come_along_with_the_words_about_them() -> None:
    file = {
        "id": "F1",
        "name": "a.png",
        "mimetype": "image/png",
        "size": 7,
        "url_private": "https://files.slack.com/a",
        "url_private_download": "https://files.slack.com/a/download",
    }
    inbound = heard(channel="D1", subtype="file_share", text="", files=[file])
    [attachment] = inbound.attachments
    assert (attachment.name, attachment.media_type, attachment.size) == ("a.png", "image/png", 7)
    assert attachment.reference == "https://files.slack.com/a/download"
    assert inbound.text == ""


def test_a_deleted_file_is_left_out_and_one_without_an_address_is_asked_for() -> None:
    files = [{"id": "F1", "mode": "tombstone"}, {"id": "F2", "file_access": "check_file_info"}]
    [attachment] = heard(channel="D1", text="these", files=files).attachments
    assert attachment.reference == "file:F2"


def test_a_slash_command_is_the_command_it_names() -> None:
    raw = {"team_id": "T1", "channel_id": "C1", "user_id": "U1", "trigger_id": "1.2.x", "text": "status now"}
    inbound = inbound_of_slash(SlashCommand.model_validate(raw), me(), NOW)
    assert inbound.text == "/status now"
    assert (inbound.origin.chat, inbound.origin.place) == ("C1", Place.GROUP)
    assert inbound.event_id == "command:1.2.x"


@pytest.mark.parametrize(
    ("typed", "command"), [("", "/help"), ("  ", "/help"), ("help", "/help"), ("/help", "/help"), ("!new", "/new")]
)
def test_the_words_after_prowex_are_a_command(typed: str, command: str) -> None:
    assert as_command(typed) == command


def press(**fields: Any) -> Inbound | None:
    raw = {
        "type": "block_actions",
        "user": {"id": "U1", "team_id": "T1", "username": "ann"},
        "trigger_id": "1.2.x",
        "container": {"type": "message", "channel_id": "C1", "message_ts": "3.4"},
        "channel": {"id": "C1"},
        "actions": [{"action_id": "b0", "value": "/help", "action_ts": "1790000000.1"}],
        **fields,
    }
    return inbound_of_press(Interaction.model_validate(raw), me(), NOW)


def test_a_press_is_the_command_of_its_button_in_the_messages_thread() -> None:
    inbound = press(message={"ts": "3.4", "thread_ts": "1.2"})
    assert inbound is not None
    assert (inbound.text, inbound.button, inbound.origin.chat) == ("/help", True, "C1/1.2")
    assert inbound.message_id == "3.4"


def test_a_press_under_a_message_that_one_person_sees_knows_its_place() -> None:
    inbound = press(container={"type": "message", "channel_id": "C1", "message_ts": "3.4", "thread_ts": "1.2"})
    assert inbound is not None
    assert inbound.origin.chat == "C1/1.2"
    assert inbound.message_id == "3.4"


def test_a_button_without_a_command_does_nothing() -> None:
    assert press(actions=[]) is None
    assert press(actions=[{"action_id": "link"}]) is None


def test_somebody_who_adds_us_gets_an_introduction() -> None:
    raw = {"user": "U0BOT", "channel": "C1", "team": "T1", "inviter": "U1", "event_ts": TS}
    inbound = inbound_of_joining(Joined.model_validate(raw), me(), NOW)
    assert inbound is not None
    assert (inbound.text, inbound.origin.person, inbound.origin.chat) == ("/start", "T1:U1", "C1")
    assert inbound_of_joining(Joined.model_validate(raw | {"user": "U2"}), me(), NOW) is None
    assert inbound_of_joining(Joined.model_validate(raw | {"inviter": None}), me(), NOW) is None


@given(st.integers(0, 99_999_999_999), st.integers(0, 999_999))
def test_positions_are_in_the_order_of_time(seconds: int, micros: int) -> None:
    assert position_of(f"{seconds}.{micros:06d}") == seconds * 1_000_000 + micros


def test_what_is_wrong_with_a_payload_is_told_without_its_words() -> None:
    with pytest.raises(ValidationError) as error:
        Message.model_validate({"type": "message", "channel": "the secret word", "ts": TS})
    assert "secret" not in str(error.value)


_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([*Message.model_fields, *Interaction.model_fields, *SlashCommand.model_fields]),
        _JUNK | st.sampled_from(["C1", "U1", TS, "message", "D1"]),
    )
)
def test_no_payload_breaks_the_reading(raw: dict[str, Any]) -> None:
    for shape in (Message, Interaction, SlashCommand, Joined):
        try:
            payload = shape.model_validate(raw)
        except ValidationError:
            continue
        if isinstance(payload, Message):
            asyncio.run(inbound_of(payload, me(), known(), NOW))
        if isinstance(payload, Interaction):
            inbound_of_press(payload, me(), NOW)
