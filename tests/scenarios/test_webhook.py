"""Telegram calls us: what it must show, what it is answered, and what is stored before."""

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest

from core import inbox
from storage.tables import InboxEntry
from tests.clock import PATIENCE
from tests.scenarios.town import SECRET, Town

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


@pytest.fixture
async def town(quiet_town: Town) -> Town:
    """A town whose Telegram calls the service."""
    await quiet_town.start(telegram_webhook_url=quiet_town.url, telegram_webhook_secret=SECRET)
    await _until(lambda: quiet_town.telegram.updates.hook.url)
    return quiet_town


async def post(town: Town, body: Any, secret: str | bytes | None = SECRET, path: str = "/hooks/telegram") -> int:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as http,
        http.post(town.url + path, data=data, headers=headers) as response,  # type: ignore[arg-type]
    ):
        return response.status


def update(number: int = 900, text: str = "hi") -> dict[str, Any]:
    user = {"id": 77, "is_bot": False, "first_name": "Ann"}
    chat = {"id": 77, "type": "private", "first_name": "Ann"}
    return {
        "update_id": number,
        "message": {"message_id": number, "date": 1, "chat": chat, "from": user, "text": text},
    }


async def test_it_is_registered_with_address_and_secret(town: Town) -> None:
    hook = town.telegram.updates.hook
    assert hook.url == f"{town.url}/hooks/telegram"
    assert hook.secret == SECRET
    assert set(town.telegram.updates.allowed) == {"message", "callback_query", "my_chat_member"}


async def test_an_address_with_a_path_is_kept(quiet_town: Town) -> None:
    url = f"{quiet_town.url}/my/own/path"
    await quiet_town.start(telegram_webhook_url=url, telegram_webhook_secret=SECRET)
    await _until(lambda: quiet_town.telegram.updates.hook.url == url)
    chat = quiet_town.person("Ann")
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_a_chat_by_webhook_is_like_any_other(town: Town) -> None:
    chat = town.person("Ann")
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"
    await chat.say("[[tokens=100 hold=9]]")
    await chat.sees("…")
    await chat.say("/stop")
    assert (await chat.answers())[-1].startswith("Stopped")
    assert town.telegram.journal.of("getUpdates") == []


@pytest.mark.parametrize(
    "secret",
    [None, "", " ", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "häkchen".encode(), b"\xff\xfe"],
)
async def test_a_wrong_secret_is_refused(town: Town, secret: str | bytes | None) -> None:
    raw = secret if isinstance(secret, bytes) else None
    assert (await _raw(town, raw) if raw else await post(town, update(), secret)) == 401
    assert await InboxEntry.all().count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"update_id": "7"}',
        b'{"update_id": -1}',
        b'{"update_id": %d}' % 2**70,
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_what_is_no_update_is_refused(town: Town, body: bytes) -> None:
    assert await post(town, body) == 400


async def test_an_update_of_an_unknown_kind_is_taken_and_forgotten(town: Town) -> None:
    assert await post(town, {"update_id": 901, "new_kind": {"x": 1}}) == 200
    assert await post(town, {"update_id": 902, "message": {"nothing": "known"}}) == 200
    assert await InboxEntry.all().count() == 0


async def test_a_body_that_is_too_large_is_refused(town: Town) -> None:
    assert await post(town, update(text="x" * (1 << 20))) == 413


async def test_an_update_is_stored_before_it_is_acknowledged(town: Town) -> None:
    town.core.lanes._accepting = False
    assert await post(town, update()) == 200
    [row] = await InboxEntry.all()
    assert row.state == "new"
    assert row.body is not None
    town.core.lanes._accepting = True


async def test_the_same_update_twice_is_stored_once(town: Town) -> None:
    assert await asyncio.gather(*(post(town, update()) for _ in range(5))) == [200] * 5
    assert await InboxEntry.all().count() == 1


async def test_too_much_to_do_is_said_to_telegram_which_comes_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING_OVERALL", -1)
    town.core.inbox._unchecked = 10_000
    assert await post(town, update()) == 503
    assert await InboxEntry.all().count() == 0
    monkeypatch.undo()
    assert await post(town, update()) == 200


async def test_a_get_is_not_answered_with_anything_of_use(town: Town) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{town.url}/hooks/telegram") as response:
        assert response.status in (404, 405)


async def test_people_wait_for_a_service_that_is_down(town: Town) -> None:
    await town.stop()
    chat = town.person("Ann")
    await chat.say("one")
    await chat.say("two")
    await town.start()
    answers = "\n".join(await chat.answers())
    assert answers.index("one") < answers.index("two")


async def test_the_webhook_is_set_once_telegram_is_back(quiet_town: Town) -> None:
    await quiet_town.telegram.refuse()
    await quiet_town.start(telegram_webhook_url=quiet_town.url, telegram_webhook_secret=SECRET)
    await quiet_town.telegram.accept()
    await _until(lambda: quiet_town.telegram.updates.hook.url)
    chat = quiet_town.person("Ann")
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_a_webhook_without_a_usable_secret_is_refused_at_the_start(quiet_town: Town) -> None:
    for secret in (None, "", "   ", "with a space"):
        with pytest.raises(ValueError, match=r"(?i)secret"):
            await quiet_town.start(telegram_webhook_url=quiet_town.url, telegram_webhook_secret=secret)
        quiet_town._running = None


async def test_who_goes_away_in_mid_sentence_is_no_mistake_of_ours(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("prowex").propagate = True
    caplog.set_level(logging.INFO, "prowex")
    _, writer = await asyncio.open_connection("127.0.0.1", town.port)
    writer.write(b"POST /hooks/telegram HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
    await writer.drain()
    writer.close()
    await _until(lambda: any(record.name == "prowex.access" for record in caplog.records))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def _raw(town: Town, secret: bytes) -> int:
    """Post with a header that no client would send."""
    body = json.dumps(update()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", town.port)
    head = f"POST /hooks/telegram HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{SECRET_HEADER}: ".encode()
    writer.write(head + secret + b"\r\nConnection: close\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def _until(condition: Any, timeout: float = PATIENCE) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - whoever changes it tells nobody
            await asyncio.sleep(0.02)
