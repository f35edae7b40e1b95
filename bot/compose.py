"""The one composition root: what the product is made of, opened in order and closed in reverse."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import UUID

from bot import operator_operations
from bot.settings import Settings, local
from bot.stop import Stop
from core import installation
from core.access import Door, Mode
from core.agent_loop import AgentLoop
from core.agents import Agents
from core.attachments import Attachments
from core.callers import Callers
from core.channel import Channel
from core.commands import Commands
from core.compaction import Compaction
from core.dead_letters import DeadLetters
from core.directory import Directory
from core.form_desk import FormDesk
from core.inbox import Inbox
from core.lanes import Lanes
from core.open_forms import OpenForms
from core.operations import (
    agents,
    agents_files,
    agents_here,
    agents_versions,
    approvals,
    conversation,
    conversations,
    form_operations,
    people,
    privacy,
    summaries,
)
from core.operations.registry import Services
from core.operations.typed import is_urgent
from core.outbox import Outbox
from core.providers.catalogue import Catalogue
from core.rates import Rates
from core.transcript import Transcripts
from core.turns import Turns
from core.worker import Worker
from storage.clock import Clock
from storage.database import DatabaseError, open_database
from storage.files import FileStore
from storage.ids import new_id
from storage.keyring import KeyRing, KeyRingError
from storage.liveness import Liveness
from storage.migrations import upgrade
from storage.sealing import Sealer

OPERATION_MODULES = (
    agents, agents_files, agents_here, agents_versions, approvals, conversation, conversations, form_operations,
    people, privacy, summaries, operator_operations,
)  # fmt: skip
"""The modules whose operations exist; importing them registers the operations."""


@dataclass(slots=True)
class Foundation:
    """What every process has, whatever it does: settings, time, database, keys, files, the installation's rows."""

    settings: Settings
    clock: Clock
    ring: KeyRing
    sealer: Sealer
    files: FileStore
    installation: installation.Installation
    holder: UUID
    liveness: Liveness
    telegram_username: str = ""
    port: int = 0

    async def read_file(self, file_id: str) -> bytes:
        """Return a stored file's bytes."""
        _, _, data = await self.files.get(UUID(file_id))
        return data


@dataclass(slots=True)
class Core:
    """The spine over some channels."""

    services: Services
    forms: FormDesk
    inbox: Inbox
    lanes: Lanes
    worker: Worker
    dead_letters: DeadLetters
    transcripts: Transcripts

    async def run(self) -> None:
        """Work the lanes until cancelled."""
        await self.lanes.run(self.worker.work, self.dead_letters.failed)


@asynccontextmanager
async def open_foundation(settings: Settings, clock: Clock, *, migrate: bool = True) -> AsyncIterator[Foundation]:
    """Open keys, database and files, brought up to date under a lock.

    Raises:
        Stop: the operator must mend something first.
    """
    async with AsyncExitStack() as stack:
        with _told():
            await asyncio.to_thread(settings.data_dir.mkdir, 0o700, parents=True, exist_ok=True)
            new_ring = not settings.key_ring.exists()
            ring = KeyRing.open(settings.key_ring, create=True)
            if migrate:
                await upgrade(settings.database, settings.data_dir, clock)
            await stack.enter_async_context(open_database(settings.database))
            sealer = Sealer(ring, clock)
            installed = await installation.ensure(clock, sealer)
            await _prove(ring, sealer, installed, new_ring=new_ring)
            liveness, holder = Liveness(settings.data_dir / "processes"), new_id()
            stack.enter_context(liveness.announced(holder))
        yield Foundation(
            settings=settings,
            clock=clock,
            ring=ring,
            sealer=sealer,
            files=FileStore(settings.data_dir / "files", sealer, clock),
            installation=installed,
            holder=holder,
            liveness=liveness,
        )


async def _prove(ring: KeyRing, sealer: Sealer, installed: installation.Installation, *, new_ring: bool) -> None:
    """Make sure that the key ring is the database's; one made by mistake beside an old database is taken away."""
    try:
        await sealer.key(installed.house)
    except KeyRingError:
        if new_ring:
            ring.path.unlink()
        raise


@contextmanager
def _told() -> Iterator[None]:
    """Turn what only the operator can mend into a sentence that ends the command."""
    try:
        yield
    except (KeyRingError, DatabaseError) as error:
        raise Stop(str(error)) from error
    except OSError as error:
        why = f"{error.filename or 'The data folder'} can't be written ({error.strerror})"
        raise Stop(f"{why}: let this user write there, or set PROWEX_DATA_DIR to another folder.") from error


@asynccontextmanager
async def open_core(foundation: Foundation, channels: Mapping[str, Channel]) -> AsyncIterator[Core]:
    """Build the spine over `channels`."""
    settings, clock, sealer = foundation.settings, foundation.clock, foundation.sealer
    catalogue = _catalogue(settings)
    directory = Directory(clock)
    lanes = Lanes(foundation.holder, channels, clock, foundation.liveness)
    agents = Agents(foundation.installation.agent_id, sealer)
    services = Services(
        clock=clock,
        sealer=sealer,
        files=foundation.files,
        secret_hash=foundation.ring.hmac,
        directory=directory,
        lanes=lanes,
        agents=agents,
        catalogue=catalogue,
        compaction=Compaction(catalogue, sealer, clock),
        mode=Mode(settings.access),
        team_id=foundation.installation.team_id,
        public_url=lambda: public_url(settings, foundation.port),
        telegram_username=lambda: foundation.telegram_username,
    )
    outbox, door = Outbox(channels, clock), Door(services.mode)
    inbox = Inbox(
        directory=directory,
        door=door,
        sealer=sealer,
        clock=clock,
        house=foundation.installation.house,
        is_urgent=is_urgent,
        wake=lanes.wake,
    )
    rates, callers = Rates(settings.messages_per_minute, clock), Callers(services, outbox)
    attachments = Attachments(outbox, foundation.files, sealer)
    house = foundation.installation.house
    worker = Worker(
        lanes=lanes,
        commands=Commands(services, callers, outbox, attachments, rates),
        turns=Turns(
            services=services,
            callers=callers,
            loop=AgentLoop(catalogue, clock),
            outbox=outbox,
            attachments=attachments,
            rates=rates,
            sealer=sealer,
            clock=clock,
        ),
        outbox=outbox,
        rates=rates,
        forms=OpenForms(sealer, clock),
        house=house,
        sealer=sealer,
        clock=clock,
    )
    try:
        yield Core(
            services,
            FormDesk(services, directory, door),
            inbox,
            lanes,
            worker,
            DeadLetters(house, sealer, clock),
            Transcripts(sealer),
        )
    finally:
        await catalogue.close()


def _catalogue(settings: Settings) -> Catalogue:
    from bot.providers import catalogue_of
    from core.providers.port import Timeouts

    return catalogue_of(
        settings,
        Timeouts(
            connect=settings.model_connect_seconds,
            first_token=settings.model_first_token_seconds,
            silence=settings.model_silence_seconds,
        ),
    )


def public_url(settings: Settings, port: int = 0) -> str:
    """Return the address under which people reach the web page.

    Args:
        port: what is listened on, where the setting leaves it open.
    """
    return settings.public_url or f"http://{local(settings.host)}:{port or settings.port}"
