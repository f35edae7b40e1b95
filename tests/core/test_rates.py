"""How many messages a person may send."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from core.rates import CHAT_FACTOR, Rates
from tests.clock import FakeClock

ANN, BOB, CHAT, OTHER = (uuid4() for _ in range(4))


def test_a_person_has_so_many_messages_in_any_minute() -> None:
    clock = FakeClock()
    rates = Rates(3, clock)
    for left in (3, 2, 1):
        assert rates.allowance(ANN, CHAT) == left
        rates.count(ANN, CHAT)
        clock.advance(10)
    assert rates.allowance(ANN, CHAT) == 0
    assert (rates.ready_at(ANN, CHAT) - clock.now()).total_seconds() == 30
    clock.advance(30)
    assert rates.allowance(ANN, CHAT) == 1
    clock.advance(10)
    assert rates.allowance(ANN, CHAT) == 2


def test_a_person_has_the_same_rate_in_all_chats_together() -> None:
    rates = Rates(3, FakeClock())
    rates.count(ANN, CHAT, 2)
    assert rates.allowance(ANN, OTHER) == 1
    assert rates.allowance(BOB, CHAT) == 3


def test_a_group_has_three_times_a_persons_rate() -> None:
    clock = FakeClock()
    rates = Rates(2, clock)
    people = [uuid4() for _ in range(CHAT_FACTOR)]
    for person in people:
        rates.count(person, CHAT, 2)
    assert rates.allowance(BOB, CHAT) == 0
    assert rates.allowance(BOB, OTHER) == 2
    assert rates.ready_at(BOB, CHAT) > clock.now()


def test_a_person_is_told_once_a_minute() -> None:
    clock = FakeClock()
    rates = Rates(1, clock)
    assert rates.notice(ANN)
    assert not rates.notice(ANN)
    assert rates.notice(BOB)
    clock.advance(60)
    assert rates.notice(ANN)


def test_nobody_is_remembered_for_ever() -> None:
    clock = FakeClock()
    rates = Rates(5, clock)
    for _ in range(12_000):
        rates.count(uuid4(), CHAT, 0)
        clock.advance(0.1)
    assert len(rates._taken) < 11_000


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(0, 3)), max_size=60), st.integers(1, 6))
def test_no_minute_ever_holds_more_than_its_share(steps: list[tuple[float, int]], most: int) -> None:
    clock = FakeClock()
    rates = Rates(most, clock)
    taken: list[float] = []
    for pause, wanted in steps:
        clock.advance(pause)
        allowed = min(wanted, rates.allowance(ANN, CHAT))
        rates.count(ANN, CHAT, allowed)
        taken += [clock.monotonic()] * allowed
        assert sum(clock.monotonic() - one < 60 for one in taken) <= most
        if rates.allowance(ANN, CHAT) == 0:
            assert _when(rates, clock) > 0


def _when(rates: Rates, clock: FakeClock, person: UUID = ANN) -> float:
    return (rates.ready_at(person, CHAT) - clock.now()).total_seconds()
