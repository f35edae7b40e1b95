"""What is taken together as one turn's input."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

import core.operations.conversation  # noqa: F401 - registers the commands
from core.lanes import Held
from core.rates import Rates
from core.waiting import BURST_SECONDS, MOST_TOGETHER, SPLIT_SECONDS, Waiting, burst, choose, command_of, counted
from core.wire import Kept
from tests.clock import FakeClock

ANN, BOB = uuid4(), uuid4()


@dataclass
class Lane:
    """A lane in which people write."""

    clock: FakeClock = field(default_factory=FakeClock)
    waiting: list[Waiting] = field(default_factory=list)
    chat: UUID = field(default_factory=uuid4)

    def write(self, text: str, by: UUID = ANN, *, after: float = 0, reason: str = "", **kept: Any) -> None:
        self.clock.advance(after)
        said = Kept('{"text": "", "name": "Ann"}')
        said.text = text
        for name, value in kept.items():
            setattr(said, name, value)
        entry: Any = SimpleNamespace(identity_id=by, received_at=self.clock.now(), reason=reason)
        self.waiting.append(Waiting(entry, said))

    def choose(self, per_minute: int = 100, *, urgent: bool = False, taken: int = 0) -> list[str]:
        rates = Rates(per_minute, self.clock)
        rates.count(ANN, self.chat, taken)
        held: Any = SimpleNamespace(urgent=urgent, chat_id=self.chat)
        self.choice = choose(held, self.waiting, rates, self.clock)
        return [one.kept.text for one in self.choice.batch]


def test_a_burst_is_taken_together() -> None:
    lane = Lane()
    for text in ("one", "two", "three"):
        lane.write(text, after=BURST_SECONDS)
    assert lane.choose() == ["one", "two", "three"]


def test_a_pause_ends_a_burst() -> None:
    lane = Lane()
    lane.write("one")
    lane.write("two", after=BURST_SECONDS + 0.1)
    assert lane.choose() == ["one"]


def test_a_command_ends_a_burst_and_comes_alone() -> None:
    lane = Lane()
    for text in ("one", "/new", "two"):
        lane.write(text)
    assert lane.choose() == ["one"]
    lane.waiting.pop(0)
    assert lane.choose() == ["/new"]


def test_another_person_ends_a_burst() -> None:
    lane = Lane()
    lane.write("mine")
    lane.write("yours", BOB)
    lane.write("mine again")
    assert lane.choose() == ["mine"]


def test_a_burst_is_no_longer_than_the_rate_allows() -> None:
    lane = Lane()
    for number in range(5):
        lane.write(str(number))
    assert lane.choose(per_minute=7, taken=4) == ["0", "1", "2"]


def test_a_burst_has_a_most() -> None:
    lane = Lane()
    for number in range(MOST_TOGETHER + 5):
        lane.write(str(number))
    assert len(lane.choose()) == MOST_TOGETHER


def test_whoever_is_over_their_rate_waits_and_the_next_person_goes_on() -> None:
    lane = Lane()
    lane.write("too much")
    lane.write("mine", BOB)
    assert lane.choose(per_minute=3, taken=3) == ["mine"]
    assert lane.choice.limited is lane.waiting[0]


def test_when_everybody_is_over_their_rate_the_lane_looks_again_later() -> None:
    lane = Lane()
    lane.write("too much")
    assert lane.choose(per_minute=3, taken=3) == []
    assert lane.choice.later == lane.clock.now() + timedelta(seconds=60)


def test_urgent_commands_know_no_rate() -> None:
    lane = Lane()
    lane.write("/stop")
    assert lane.choose(per_minute=3, taken=3, urgent=True) == ["/stop"]


def test_the_rest_of_a_split_text_is_waited_for() -> None:
    lane = Lane()
    lane.write("begins", more_follows=True)
    assert lane.choose() == []
    assert lane.choice.later == lane.clock.now() + timedelta(seconds=SPLIT_SECONDS)
    lane.write("ends", after=1)
    assert lane.choose() == ["begins", "ends"]


def test_a_split_text_whose_rest_never_comes_is_answered_all_the_same() -> None:
    lane = Lane()
    lane.write("begins", more_follows=True)
    lane.clock.advance(SPLIT_SECONDS)
    assert lane.choose() == ["begins"]


def test_the_rest_of_an_album_is_waited_for_after_a_restart_too() -> None:
    lane = Lane()
    lane.write("look", group="album")
    lane.clock.advance(60)
    held: Any = SimpleNamespace(urgent=False, chat_id=lane.chat)
    began = lane.clock.now()

    def batch() -> list[Waiting]:
        return choose(held, lane.waiting, Rates(100, lane.clock), lane.clock, began=began).batch

    assert batch() == []
    lane.clock.advance(SPLIT_SECONDS)
    assert batch() == lane.waiting


def test_an_album_is_waited_for_and_counts_as_one() -> None:
    lane = Lane()
    for _ in range(10):
        lane.write("", group="album")
    assert lane.choose(per_minute=3, taken=2) == []
    lane.clock.advance(SPLIT_SECONDS)
    assert len(lane.choose(per_minute=3, taken=2)) == 10


def test_a_code_of_a_newcomer_is_a_command() -> None:
    lane = Lane()
    lane.write("abcd-efgh", reason="code")
    command = command_of(lane.waiting[0])
    assert command is not None
    assert (command.word, command.rest) == ("join", "abcd-efgh")


def test_a_caption_is_no_command() -> None:
    lane = Lane()
    lane.write("/new", attachments=("file",))
    assert command_of(lane.waiting[0]) is None


message = st.tuples(
    st.sampled_from([ANN, BOB]),
    st.floats(0, 15),
    st.booleans(),
    st.sampled_from(["", "", "a", "b"]),
    st.sampled_from(["words", "/new"]),
)


@given(st.lists(message, min_size=1, max_size=40), st.integers(1, 30))
def test_a_burst_is_the_first_messages_of_one_person_in_order(
    messages: list[tuple[UUID, float, bool, str, str]], allowance: int
) -> None:
    lane = Lane()
    for by, after, more, group, text in messages:
        lane.write(text, by, after=after, more_follows=more, group=group)
    lane.waiting[0].kept.text = "words"
    batch = burst(lane.waiting, allowance)
    assert batch == lane.waiting[: len(batch)]
    assert {one.entry.identity_id for one in batch} == {messages[0][0]}
    assert all(command_of(one) is None for one in batch)
    assert 1 <= counted(batch) <= max(1, min(allowance, MOST_TOGETHER))


assert Held  # the stand-ins above have what `choose` uses of it
