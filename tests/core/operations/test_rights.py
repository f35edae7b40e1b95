"""Every operation, as everybody, with their own things, the team's and other people's: as `rights.toml` says.

A row's mistake is told by operation, case and caller. Nothing is mocked: the calls go through the gateway, as they do
from a chat, and what they write is compared in all tables.
"""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from bot.compose import OPERATION_MODULES
from bot.settings import Settings
from core.access import Standing
from core.operations.card import Card
from core.operations.form import NoFields
from core.operations.registry import OPERATIONS, Call, Effect, Operation
from storage.tables import OpenForm
from tests.conftest import DIALECT
from tests.core.operations.house import PEOPLE, House
from tests.core.operations.rights import (
    ABSENT,
    DONE,
    FILE,
    BadTable,
    Case,
    attempt,
    check_whole,
    judge,
    load,
    strange,
)
from tests.core.operations.tables import Rows, put_back, raw, rows_of
from tests.servers.openai import FakeOpenAI

pytestmark = pytest.mark.asyncio(loop_scope="module")
assert OPERATION_MODULES
TEXT = FILE.read_text()
CASES, REASONS = load(TEXT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    if DIALECT == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "prowex.db")
        url = f"sqlite://{folder / 'prowex.db'}"
    else:
        url = await request.getfixturevalue("postgres").fresh()
    async with FakeOpenAI() as openai:
        settings = {"openai_base_url": openai.url, "openai_api_key": "sk-key-of-the-tests", "access": "open"}
        settings |= {"data_dir": folder, "database_url": url, "messages_per_minute": 1000}
        async with House.opened(Settings.model_validate(settings)) as house:
            house.things["team"]["file"] = house.things["admin"]["file"]
            house.things["team"]["code"] = dict((await house.run("owner", "people.invite")).data)["code"]
            for name in PEOPLE:
                house.things[name]["title"] = f"Diary of {name}"
            yield house
    if DIALECT == "postgres":
        await request.getfixturevalue("postgres").give_back(url)


@dataclass
class Before:
    """The tables' rows, as Python has them and as the database has them."""

    rows: Rows
    raw: dict[str, list[str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def before(house: House) -> AsyncIterator[Before]:
    """All that is in the tables before any call, and after all of them."""
    before = Before(await rows_of(), await raw())
    yield before
    assert await raw() == before.raw


async def mistakes(house: House, before: Before, case: Case) -> list[str]:
    found = []
    for caller in case.callers:
        found.append(await judge(house, case, caller, REASONS, before.raw))
        if OPERATIONS[case.operation].effect is Effect.EXTERNAL and case.expected[caller] == DONE:
            await put_back(before.rows)
    return [f"{case}: {told}" for told in found if told]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_everybody_gets_what_the_table_says(house: House, before: Before, case: Case) -> None:
    assert await mistakes(house, before, case) == []


async def test_every_operation_has_rows_and_every_row_an_operation() -> None:
    check_whole(CASES)


async def test_an_operation_without_rows_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def add(call: Call, form: NoFields) -> Card:
        return Card(text="Added.")

    new = Operation("notes.add", "Add a note", add, NoFields, Standing.GUEST, Effect.READ)
    monkeypatch.setitem(OPERATIONS, new.name, new)
    with pytest.raises(BadTable, match=r"nobody wrote down who may use notes\.add"):
        check_whole(CASES)


async def test_a_row_without_an_operation_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, "chat.permit")
    with pytest.raises(BadTable, match=r"there is no operation chat\.permit"):
        check_whole(CASES)


async def test_a_caller_who_is_left_out_or_stands_there_twice_fails() -> None:
    for changed in (TEXT.replace("other line", "line", 1), TEXT.replace('"stranger"', '"stranger guest"', 1)):
        assert changed != TEXT
        with pytest.raises(BadTable, match="these must stand there once"):
            load(changed)


@pytest.mark.parametrize(
    ("named", "caller", "instead", "told"),
    [
        ("agents.edit, the team's", "member", DONE, "is to have it done, but is told"),
        ("agents.edit, the team's", "admin", "only_admins", "is to be refused"),
        ("agents.edit, the team's", "member", ABSENT, "is told"),
        ("agents.edit, somebody else's", "owner", "only_admins", "is to be refused"),
        ("chat.new, in a direct chat", "stranger", "kept", "is to be refused"),
        ("web.link, anywhere", "operator", "admins", "is to be refused"),
    ],
)
async def test_a_flipped_row_fails(
    house: House, before: Before, named: str, caller: str, instead: str, told: str
) -> None:
    [case] = [case for case in CASES if str(case) == named]
    flipped = replace(case, expected={**case.expected, caller: instead})
    [mistake] = await mistakes(house, before, flipped)
    assert mistake.startswith(f"{named}: {caller} {told}")


async def test_what_is_written_by_a_refused_call_fails(house: House, before: Before) -> None:
    [case] = [case for case in CASES if str(case) == "people.redeem, a wrong code"]
    told = await mistakes(house, before, replace(case, leaves=frozenset()))
    assert told == [
        f"people.redeem, a wrong code: {caller} is refused, and yet something is written: counters"
        for caller in ("guest", "stranger")
    ]


async def test_what_others_have_is_known_by_its_words(house: House) -> None:
    [case] = [case for case in CASES if str(case) == "agents.list, in a direct chat"]
    came = await attempt(house, case, "member", {}, {})
    assert [word for word in strange("other") if word in came.seen] == ["Pen of member"]


async def test_a_person_gives_up_only_their_own_form(house: House, before: Before) -> None:
    open_ones = await OpenForm.all().values_list("id", flat=True)
    await house.run("other", "forms.cancel", "group")
    left = set(await OpenForm.all().values_list("id", flat=True))
    [gone] = set(open_ones) - left
    call = await house.call("other", "group")
    assert call.person is not None
    assert before.rows["open_forms"][gone]["identity_id"] == call.person.identity_id
    await put_back(before.rows)
