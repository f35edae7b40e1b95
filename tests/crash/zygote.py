"""A process that has imported everything and starts the product by forking, so that a start costs no imports.

What runs in a child is `prowex` itself (`bot.cli.main`), in a session of its own, with its own environment and its
own log. The zygote has no thread and no event loop. It dies with its driver, and its children with it.

The driver's side is `Zygote`: requests and answers are lines of JSON over a socket pair.
"""

import asyncio
import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_MODULES = (
    "aiogram", "aiohttp", "aiosqlite", "asyncpg", "openai", "slack_sdk.web.async_client", "tortoise",
    "tortoise.backends.asyncpg", "tortoise.backends.sqlite", "uvloop", "bot.cli", "bot.commands.call",
    "bot.commands.run", "bot.service", "bot.slack", "bot.telegram", "core.providers.openai", "storage.migrations",
)  # fmt: skip
_KEPT = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")
_DIES_WITH_PARENT = 1


def _serve(driver: socket.socket) -> None:
    for name in _MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(driver, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    _tell(driver, {"ready": os.getpid()})
    waiting = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is woken:
                woken.recv(4096)
                continue
            received = driver.recv(65536)
            if not received:
                os._exit(0)
            *lines, waiting = (waiting + received).split(b"\n")
            for line in lines:
                request = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become(request, [driver, woken, wakes])
                _tell(driver, {"started": pid, "number": request["number"]})
        _bury(driver)


def _bury(driver: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(driver, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _tell(driver: socket.socket, message: Mapping[str, Any]) -> None:
    driver.sendall(json.dumps(message).encode() + b"\n")


def _become(request: Mapping[str, Any], inherited: Sequence[socket.socket]) -> None:
    """Be the product from now on; never returns."""
    status = 70
    try:
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in inherited:
            one.close()
        os.setsid()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["folder"])
        for name in set(os.environ) - set(_KEPT):
            del os.environ[name]
        os.environ.update(request["environment"])
        from bot import cli
        from storage import faults

        faults.arm(os.environ.get("PROWEX_FAULT", ""))
        for path, value in request["constants"].items():
            module, _, name = path.rpartition(".")
            getattr(importlib.import_module(module), name)
            setattr(importlib.import_module(module), name, value)
        status = cli.main(request["arguments"])
        if request["hits"]:
            Path(request["hits"]).write_text(json.dumps(faults.hits()))
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


class Process:
    """A child: `exited` is set when it has ended, and then `status` is its exit code, negative for a signal."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exited = asyncio.Event()
        self.status: int | None = None

    def signal(self, number: int) -> None:
        """Send a signal; to one that has ended, nothing."""
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self, timeout: float) -> int:
        """Wait until it has ended, and return its exit code."""
        async with asyncio.timeout(timeout):
            await self.exited.wait()
        assert self.status is not None
        return self.status


class Zygote:
    """The driver's side: `async with Zygote() as zygote`, then `zygote.start(...)`."""

    def __init__(self) -> None:
        self._processes: dict[int, Process] = {}
        self._starting: dict[int, asyncio.Future[Process]] = {}
        self._number = 0
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.crash.zygote", str(theirs.fileno())]
        folder = Path(__file__).parents[2]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._child = await asyncio.create_subprocess_exec(
            *command, pass_fds=[theirs.fileno()], cwd=folder, env={**environment, "PYTHONPATH": str(folder)}
        )
        theirs.close()
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen())
        async with asyncio.timeout(120):
            await asyncio.wait(
                {asyncio.ensure_future(self._ready.wait()), self._listening}, return_when=asyncio.FIRST_COMPLETED
            )
        if not self._ready.is_set():
            raise RuntimeError("the product could not be imported")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.signal(signal.SIGKILL)
        self._writer.close()
        await self._child.wait()
        await self._listening

    async def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        log: Path,
        constants: Mapping[str, Any] | None = None,
        hits: Path | None = None,
    ) -> Process:
        """Start `prowex` with these arguments and nothing but this environment.

        Args:
            constants: module constants to set first, such as a shorter lease.
            hits: where to write, at a regular end, how often each fault point was passed.
        """
        self._number += 1
        started: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._starting[self._number] = started
        request = {
            "number": self._number,
            "arguments": list(arguments),
            "environment": dict(environment),
            "constants": dict(constants or {}),
            "folder": str(folder),
            "log": str(log),
            "hits": str(hits) if hits else "",
        }
        self._writer.write(json.dumps(request).encode() + b"\n")
        await self._writer.drain()
        return await started

    async def _listen(self) -> None:
        while line := await self._reader.readline():
            message = json.loads(line)
            if "ready" in message:
                self._ready.set()
            elif "started" in message:
                process = self._processes[message["started"]] = Process(message["started"])
                self._starting.pop(message["number"]).set_result(process)
            else:
                process = self._processes.pop(message["ended"])
                process.status = message["status"]
                process.exited.set()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
