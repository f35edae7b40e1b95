"""Operations on an agent's versions: list them, tell two apart, go back to one."""

import json

from pydantic import Field

from core.access import Standing
from core.agent_changes import changes
from core.agents import Answering
from core.envelopes import Button, Table
from core.operations.agents_cards import Row, told
from core.operations.agents_found import (
    AboutAgent,
    escaped,
    found,
    locked,
    may_change,
    present_plan,
    reference,
)
from core.operations.agents_saved import save
from core.operations.card import Card
from core.operations.form import asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import Agent, AgentVersion, User

_ON_A_PAGE = 10
_WITH_BUTTONS = 4


class VersionsForm(AboutAgent):
    """Of which agent, and which part of the list."""

    page: int = Field(1, description="Which page of the list.")


@operation("agents.versions", "List an agent's versions", standing=Standing.MEMBER, effect=Effect.READ, agents=True)
async def versions(call: Call, form: VersionsForm) -> Card:
    """List what an agent was like and who made it so, the newest first."""
    agent = await found(call, form.agent)
    start = max(0, form.page - 1) * _ON_A_PAGE
    rows = await AgentVersion.filter(agent_id=agent.id).order_by("-number").offset(start).limit(_ON_A_PAGE)
    if not rows:
        raise NotPossible("There are no older versions.")
    people = {user.id: user.name for user in await User.filter(id__in=[row.author_id for row in rows])}
    table = Table(
        ("version", "when (UTC)", "who", "what"),
        tuple(
            (
                str(row.number),
                f"{row.created_at:%Y-%m-%d %H:%M}",
                people.get(row.author_id, "–"),
                row.note or ("made" if row.number == 1 else "–"),
            )
            for row in rows
        ),
    )
    name = await reference(call, agent)
    older = [row.number for row in rows if row.number != agent.version][:_WITH_BUTTONS]
    buttons = [_about(name, number, back=may_change(call, agent.team_id)) for number in older]
    last: Row = (Button("Show", f"/agents show {name}"),)
    if rows[-1].number > 1:
        last = (*last, Button("Older", f"/agents versions {name} page={form.page + 1}"))
    data = [{"id": str(row.id), "number": row.number, "note": row.note} for row in rows]
    return Card(
        title=f"Versions of {agent.name}",
        table=table,
        buttons=(*buttons, last),
        data=(("agent", str(agent.id)), ("versions", json.dumps(data))),
    )


def _about(name: str, number: int, *, back: bool) -> Row:
    row: Row = (Button(f"Changes since {number}", f"/agents diff {name} {number}"),)
    return (*row, Button(f"Back to {number}", f"/agents rollback {name} {number}")) if back else row


class DiffForm(AboutAgent):
    """Which two versions of which agent."""

    positional = ("agent", "old", "new")
    old: int | None = asked(None, label="From version", hint="The one before the newest, if empty.")
    new: int | None = asked(None, label="To version", hint="The newest, if empty.")


@operation("agents.diff", "Compare two versions of an agent", standing=Standing.MEMBER, effect=Effect.READ, agents=True)
async def diff(call: Call, form: DiffForm) -> Card:
    """Show what differs between two versions, by default between the newest and the one before it."""
    agent = await found(call, form.agent)
    new = agent.version if form.new is None else form.new
    old = new - 1 if form.old is None else form.old
    if old == 0:
        raise NotPossible(f"Version 1 of {escaped(agent.name)} is the first: there is nothing to compare it with.")
    was, now = await _version(call, agent, old), await _version(call, agent, new)
    name = await reference(call, agent)
    buttons: tuple[Button, ...] = (Button("Versions", f"/agents versions {name}"),)
    if may_change(call, agent.team_id) and old != agent.version:
        buttons = (Button(f"Back to {old}", f"/agents rollback {name} {old}"), *buttons)
    what = changes(was.plan, now.plan)
    fields, blocks = told(what)
    text = "\n\n".join(blocks) if what else "They are the same."
    data = (("agent", str(agent.id)), ("old", str(old)), ("new", str(new)), ("changed", ", ".join(what.names)))
    return Card(title=f"{agent.name}: {old} → {new}", text=text, fields=fields, buttons=(buttons,), data=data)


async def _version(call: Call, agent: Agent, number: int) -> Answering:
    row = await AgentVersion.get_or_none(agent_id=agent.id, number=number)
    if row is None:
        name = await reference(call, agent)
        text = f"{escaped(agent.name)} has no version {number}; the newest is {agent.version}."
        raise NotPossible(text, Button("Versions", f"/agents versions {name}"))
    return await call.services.agents.read(agent, row)


class RollbackForm(AboutAgent):
    """Which version of which agent to go back to."""

    positional = ("agent", "version")
    changes = True
    version: int = asked(label="Version", hint="The number of the version to go back to.")


@operation("agents.rollback", "Go back to an agent's older version", standing=Standing.MEMBER, effect=Effect.WRITE,
           submit="Go back")  # fmt: skip
async def rollback(call: Call, form: RollbackForm) -> Card:
    """Make a new version that is as an old one; none is lost."""
    agent = await locked(call, form.agent)
    before, after = (await present_plan(call, agent)).plan, (await _version(call, agent, form.version)).plan
    done = f"**{escaped(after.name)}** is as it was in version {form.version}. That is version {agent.version + 1} now."
    return await save(call, agent, before, after, [], note=f"back to version {form.version}", done=done)
