"""What the surfaces' towns have in common: their database, people who were let in, and settings for quick tests."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import core.compaction
import core.history
from core import invitations
from core.operations.registry import Services
from storage.faults import Step
from storage.tables import Identity, Role, User
from storage.transactions import transaction
from tests.conftest import DIALECT


async def fresh_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the address of a migrated database that is a module's own."""
    if DIALECT == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "prowex.db")
        return f"sqlite://{folder / 'prowex.db'}"
    return str(await request.getfixturevalue("postgres").fresh())


def short_talks() -> AbstractContextManager[pytest.MonkeyPatch]:
    """Have two exchanges be enough for a summary, so that nobody has to write for long."""
    context = pytest.MonkeyPatch.context()

    class Patched(AbstractContextManager[pytest.MonkeyPatch]):
        def __enter__(self) -> pytest.MonkeyPatch:
            patch = context.__enter__()
            for module in (core.compaction, core.history):
                patch.setattr(module, "LEAST_TURNS", 1)
            return patch

        def __exit__(self, *error: Any) -> None:
            context.__exit__(*error)

    return Patched()


async def let_in(services: Services, channel: str, external_id: str, name: str, role: Role) -> None:
    """Give an identity an account."""
    async with transaction(Step.ADMIN):
        identity = await Identity.get(channel=channel, external_id=external_id)
        await invitations.make_member(
            identity, name, services.team_id, role, clock=services.clock, sealer=services.sealer
        )
    services.directory.forget()


async def restrict(services: Services, name: str) -> None:
    """Have somebody's data only be kept from now on."""
    async with transaction(Step.ADMIN):
        assert await User.filter(name=name).update(restricted_at=services.clock.now()) == 1
