"""Operations on agents as files: export one, import one."""

from collections.abc import Mapping
from dataclasses import replace

from core.access import Standing
from core.agent_changes import fenced
from core.agent_files import MOST_CHARACTERS, BadFile, from_toml, to_toml
from core.agents import MOST_NAME, clean_name
from core.envelopes import Button, Choice, OutgoingFile
from core.operations.agents_cards import ids, made_card
from core.operations.agents_checks import Whose, name_problem, team_choices, team_for
from core.operations.agents_forms import Name
from core.operations.agents_found import AboutAgent, escaped, found, present_plan, reference
from core.operations.agents_saved import put
from core.operations.card import Card
from core.operations.form import Form, asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.sealing import Owner
from storage.tables import Chat

_MOST_SHOWN = 3_000
_MEDIA_TYPE = "application/toml"


class ExportForm(AboutAgent):
    """Which agent to export."""


@operation("agents.export", "Export an agent as a file", standing=Standing.MEMBER, effect=Effect.EXTERNAL)
async def export(call: Call, form: ExportForm) -> Card:
    """Give an agent out as a TOML file, without its versions."""
    agent = await found(call, form.agent)
    text = to_toml((await present_plan(call, agent)).plan)
    owner = call.person.owner if call.person is not None else Owner("team", agent.team_id)
    chat = await Chat.get(id=call.chat.id) if call.chat is not None else None
    row = await call.services.files.put(
        owner,
        f"{agent.handle}.toml",
        _MEDIA_TYPE,
        text.encode(),
        conversation_id=chat.conversation_id if chat is not None else None,
    )
    whole = call.surface == "cli" or len(text) <= _MOST_SHOWN
    how = "Send the file with /agents import under it, and the agent is there again, here or anywhere."
    return Card(
        title=f"{agent.name} as a file",
        text=f"{how}\n\n{fenced(text.rstrip(), 'toml')}" if whole else how,
        files=(OutgoingFile(str(row.id), f"{agent.handle}.toml", _MEDIA_TYPE),),
        buttons=((Button("Show", f"/agents show {await reference(call, agent)}"),),),
        data=(*ids(agent), ("toml", text)),
    )


class ImportForm(Form):
    """The file of an agent, and what it is to be called here."""

    positional = ("text",)
    text: str = asked(
        label="File", hint="The text of an exported agent, or the file itself.", long=True, file=True,
        most=MOST_CHARACTERS,
    )  # fmt: skip
    name: Name | None = asked(None, label="Name", hint="Another name than the file's.", most=MOST_NAME)
    team: Whose | None = asked(None, label="Whose", hint="Yours, or the team's, for everybody in it.")

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return whose the agent may be."""
        return team_choices(call) if name == "team" else await super().choices(call, name)

    @classmethod
    async def present(cls, call: Call, values: Mapping[str, str]) -> dict[str, str]:
        """Refuse those who may not make agents here before they are asked for one."""
        team_for(call, values.get("team", ""))
        return {}

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say what is wrong with the file, or that the name is taken."""
        try:
            if name == "text":
                from_toml(value, call.services.catalogue)
            elif name == "name" and value:
                return await name_problem(call, team_for(call, values.get("team", "")), value)
        except BadFile as bad:
            return "\n".join(bad.problems)
        except NotPossible as refusal:
            return str(refusal)
        return ""


@operation("agents.import", "Import an agent from a file", standing=Standing.MEMBER, effect=Effect.WRITE)
async def import_(call: Call, form: ImportForm) -> Card:
    """Make an agent from its file; never in place of one that is there."""
    team = team_for(call, form.team)
    try:
        plan = from_toml(form.text, call.services.catalogue)
    except BadFile as bad:
        raise NotPossible("\n".join(bad.problems)) from bad
    plan = replace(plan, name=clean_name(form.name or "") or plan.name)
    if problem := await name_problem(call, team, plan.name):
        raise NotPossible(f'{problem.rstrip(".")}: write `/agents import name="…"` with the file.')
    agent, answering = await put(call, team, plan, "imported")
    return await made_card(call, agent, answering, f"**{escaped(plan.name)}** is brought in.", [])
