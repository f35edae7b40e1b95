"""The channel against a fake Slack, with our own account known."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from channels.slack.channel import SlackChannel, budgets
from channels.slack.client import open_client
from channels.slack.files import Files
from channels.slack.inbound import Me
from channels.slack.receive import introduce
from channels.slack.responses import Responses
from core.envelopes import Place, Target
from tests.clock import FakeClock
from tests.servers.slack import FakeSlack
from tests.servers.slack_limits import Limits
from tests.servers.slack_world import TEAM, Channel, Person


@dataclass
class Bench:
    """A channel adapter and what it works on."""

    slack: FakeSlack
    channel: SlackChannel
    me: Me
    responses: Responses
    clock: FakeClock
    stored: dict[str, bytes] = field(default_factory=dict)

    def at(self, place: Channel, thread: str = "", *, answers: str = "", only_for: Person | None = None) -> Target:
        """Return the target in a conversation or thread."""
        kind = Place.PRIVATE if place.kind == "im" else Place.GROUP
        chat = f"{place.id}/{thread}" if thread else place.id
        person = f"{TEAM}:{only_for.id}" if only_for else ""
        return Target("slack", self.me.account, chat, kind, answers, person)


@pytest.fixture
def native_streams() -> bool:
    """Whether answers are streamed; a module about streams says otherwise."""
    return False


@pytest.fixture
async def bench(clock: FakeClock, native_streams: bool) -> AsyncIterator[Bench]:
    stored: dict[str, bytes] = {}

    async def read_file(file_id: str) -> bytes:
        return stored[file_id]

    async with FakeSlack(limits=Limits.off()) as slack:
        client, me = open_client(slack.bot_token, slack.url), Me()
        assert client.session is not None
        await introduce(client, me)
        host = slack.address.removeprefix("http://")
        responses = Responses(client.session, host, clock)
        files = Files(client, host, read_file)
        channel = SlackChannel(client, me, budgets(1, 50), files, responses, clock, native_streams=native_streams)
        yield Bench(slack, channel, me, responses, clock, stored)
        await client.session.close()
