"""`prowex chat`: talk to an agent in this terminal, in-process, without a server."""

import argparse
import asyncio
import contextlib
import itertools
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from bot.compose import Core, Foundation, open_core, open_foundation
from bot.settings import Settings
from channels.console import ACCOUNT, NAME, ConsoleChannel
from core.envelopes import Attachment, Inbound, Origin, Place
from storage.clock import SystemClock
from storage.ids import new_id
from storage.sealing import Owner
from storage.tables import InboundState, InboxEntry, Reply, ReplyState

_WELCOME = "You are talking to your agent. /help lists the commands, /quit or Ctrl-D ends, /file PATH sends a file."

_FILE_BYTES = 20 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what to say, to be answered once, or nothing, to talk."""
    parser.add_argument("text", nargs="*", help="say this and print the answer; without it, talk")


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Talk until the input ends; return 0."""
    async with open_foundation(settings, SystemClock()) as foundation:
        channel = ConsoleChannel(_write, foundation.read_file, styled=sys.stdout.isatty())
        async with open_core(foundation, {NAME: channel}) as core:
            talk = _Talk(foundation, core, channel)
            async with asyncio.TaskGroup() as group:
                lanes = group.create_task(core.run())
                if args.text:
                    await talk.say(" ".join(args.text))
                    await talk.settled()
                else:
                    _write(_WELCOME)
                    await _converse(talk)
                await core.lanes.drain(settings.drain_seconds)
                lanes.cancel()
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


async def _converse(talk: "_Talk") -> None:
    async for line in _lines():
        text = line.strip()
        if text in ("/quit", "/exit"):
            break
        if text:
            await talk.say(text)
            if not sys.stdin.isatty():
                await talk.settled()
    await talk.settled()


async def _lines() -> AsyncIterator[str]:
    """Yield what is typed: with editing and history on a terminal, line by line from a pipe."""
    if sys.stdin.isatty():
        from prompt_toolkit import PromptSession
        from prompt_toolkit.patch_stdout import patch_stdout

        session: PromptSession[str] = PromptSession()
        with patch_stdout(raw=True), contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                yield await session.prompt_async("you> ")
    else:
        while line := await asyncio.to_thread(sys.stdin.readline):
            yield line


def _path_in(argument: str) -> Path:
    """Return the path that was typed: as it stands if there is such a file, else as a shell would read it."""
    path = Path(argument).expanduser()
    if path.exists():
        return path
    try:
        return Path(shlex.split(argument)[0]).expanduser()
    except ValueError:
        return path


def _read(path: Path) -> bytes:
    if "\0" in str(path):
        raise ValueError("it is no path")
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    if path.stat().st_size > _FILE_BYTES:
        raise ValueError(f"a file may have up to {_FILE_BYTES // 1024**2} MB")
    return path.read_bytes()


class _Talk:
    """The operator's chat with the assistant in this terminal."""

    def __init__(self, foundation: Foundation, core: Core, channel: ConsoleChannel) -> None:
        self._foundation = foundation
        self._core = core
        self._channel = channel
        self._order = itertools.count()
        person = str(foundation.installation.operator_id)
        self._origin = Origin(NAME, ACCOUNT, person, Place.PRIVATE, person, "you")

    async def say(self, text: str) -> None:
        """Have one line accepted: words, a command, a file, or the number of a button."""
        attachments: tuple[Attachment, ...] = ()
        if text == "/file" or text.startswith("/file "):
            found = await self._file(text.removeprefix("/file").strip())
            if found is None:
                return
            attachments, text = (found,), ""
        pressed = self._channel.pressed(text)
        now, event = self._foundation.clock.now(), str(new_id())
        inbound = Inbound(
            origin=self._origin,
            event_id=event,
            fingerprint=event,
            position=int(now.timestamp() * 1_000_000) + next(self._order),
            received_at=now,
            text=text if pressed is None else pressed,
            message_id=event,
            attachments=attachments,
            button=pressed is not None,
        )
        await self._core.inbox.accept([inbound])

    async def _file(self, argument: str) -> Attachment | None:
        import mimetypes

        if not argument:
            _write("Write it like this: /file PATH")
            return None
        try:
            path = _path_in(argument)
            data = await asyncio.to_thread(_read, path)
        except (OSError, ValueError, RuntimeError) as error:  # no such file, a path that is none, a home that is none
            why = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
            _write(f"{argument} can't be read: {why}.")
            return None
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        owner = Owner("user", self._foundation.installation.operator_id)
        stored = await self._foundation.files.put(owner, path.name, media_type, data)
        return Attachment(f"stored:{stored.id}", path.name, media_type, len(data))

    async def settled(self) -> None:
        """Wait until everything that was said is answered."""
        busy = [InboundState.NEW, InboundState.RUNNING]
        while (  # noqa: ASYNC110 - the rows decide, and they tell nobody
            await InboxEntry.filter(account=ACCOUNT, state__in=busy).exists()
            or await Reply.filter(lane__channel=NAME, state__in=[ReplyState.OPEN, ReplyState.FINAL]).exists()
            or self._core.lanes.active
        ):
            await asyncio.sleep(0.02)
