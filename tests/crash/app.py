"""The product under test as a supervisor sees it: started, killed, started again at once."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.clock import PATIENCE
from tests.crash.zygote import Process, Zygote
from tests.ports import free_port

SHORTER = {
    "core.turns.LONG_ANSWER": 1.5,
    "core.worker.LONG_ANSWER": 1.5,
    "core.outbox.REMEMBERED_PAUSE": 0.5,
    "core.lanes.RENEW_SECONDS": 0.7,
}
"""Moments that would take half a minute come sooner, so that a run passes them all."""


class App:
    """One installation's process, kept running by `supervise`.

    Args:
        faults: `PROWEX_FAULT` of the first start, the second and so on; then none.

    Attributes:
        kills: when the process was found killed, in seconds since the epoch.
        odd_ends: exit codes that are neither a kill nor a good end.
    """

    def __init__(
        self,
        zygote: Zygote,
        folder: Path,
        environment: Mapping[str, str],
        *,
        name: str = "app",
        faults: Sequence[str] = (),
        constants: Mapping[str, Any] | None = None,
    ) -> None:
        self.port = free_port()
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / f"{name}.log"
        self.kills: list[float] = []
        self.starts: list[float] = []
        self.odd_ends: list[int] = []
        self.faults = list(faults)
        self.process: Process | None = None
        self._zygote = zygote
        self._environment = {
            **environment,
            "PROWEX_PORT": str(self.port),
            "PROWEX_DATA_DIR": environment.get("PROWEX_DATA_DIR", str(self.data)),
        }
        self._constants = {**SHORTER, **(constants or {})}
        self._hits = folder / f"{name}.hits.json"
        self._running = asyncio.Event()
        self._ending = False
        self._supervisor: asyncio.Task[None] | None = None

    def set(self, name: str, value: str) -> None:
        """Set a variable of its environment, from the next start on."""
        self._environment[name] = value

    @property
    def url(self) -> str:
        """Return the address of the web page."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start, and start again whenever the process ends, until `end`."""
        self._ending = False
        await self._start()
        self._supervisor = asyncio.create_task(self._supervise())

    async def _start(self) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        environment = {**self._environment, "PROWEX_FAULT": fault}
        self.starts.append(time.time())
        self.process = await self._zygote.start(
            ["run"], environment, folder=self.folder, log=self.log, constants=self._constants, hits=self._hits
        )

    async def _supervise(self) -> None:
        while True:
            assert self.process is not None
            await self.process.exited.wait()
            if self.process.status == -signal.SIGKILL:
                self.kills.append(time.time())
            elif self.process.status != 0 or not self._ending:
                self.odd_ends.append(self.process.status or 0)
            if self._ending and self.process.status == 0:
                return
            await self._start()

    async def kill(self) -> None:
        """Kill -9, and return once it is dead; the supervisor starts it again."""
        before = len(self.kills)
        while len(self.kills) == before:
            self.send(signal.SIGKILL)
            await asyncio.sleep(0.005)

    @property
    def is_stopped(self) -> bool:
        """Return whether it stands still (SIGSTOP)."""
        if self.process is None or self.process.exited.is_set():
            return False
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.signal(number)

    async def end(self, timeout: float = 120.0) -> float:
        """Ask for a good end until there is one, however often it is killed on its way; return seconds it took."""
        started = time.monotonic()
        self._ending = True
        async with asyncio.timeout(timeout):
            while self._supervisor is not None and not self._supervisor.done():
                process = self.process
                assert process is not None
                # a signal before the handler is there would just end it
                await self._is_up(process)
                process.signal(signal.SIGTERM)
                while not process.exited.is_set():
                    if self.is_stopped:  # at a point that it passes only on its way out
                        process.signal(signal.SIGCONT)
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.01)
        if self._supervisor is not None:
            await self._supervisor
        return time.monotonic() - started

    async def _is_up(self, process: Process) -> None:
        while not process.exited.is_set():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.03)

    async def up(self, timeout: float = PATIENCE) -> None:
        """Wait until it listens."""
        async with asyncio.timeout(timeout):
            while True:
                assert self.process is not None
                await self._is_up(self.process)
                if not self.process.exited.is_set():
                    return
                await asyncio.sleep(0.03)

    async def destroy(self) -> None:
        """Kill it for good."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self.process is not None and not self.process.exited.is_set():
            self.process.signal(signal.SIGKILL)
            await self.process.wait(10)

    async def call(self, operation: str, *fields: str) -> dict[str, Any]:
        """Run `prowex call OPERATION name=value … --json` beside it, and return the answer."""
        log = self.folder / f"call-{time.monotonic_ns()}.log"
        process = await self._zygote.start(
            ["call", operation, *fields, "--json"], self._environment, folder=self.folder, log=log
        )
        status = await process.wait(30)
        output = log.read_text()
        log.unlink()
        if status != 0:
            raise RuntimeError(f"prowex call {operation} ended with {status}: {output}")
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        return answer

    def hits(self) -> dict[str, int]:
        """Return how often each fault point was passed by the process that ended well last."""
        found: dict[str, int] = json.loads(self._hits.read_text()) if self._hits.exists() else {}
        return found

    def log_text(self) -> str:
        """Return everything that it logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
