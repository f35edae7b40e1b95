"""Operations on privacy: what is held about the caller, which models read their words, and the policy."""

from collections.abc import Iterable

from core import privacy
from core.access import Standing
from core.envelopes import Button
from core.operations.agents_found import escaped
from core.operations.card import Card
from core.operations.conversation import private_only
from core.operations.form import NoFields
from core.operations.registry import Call, Effect, NotPossible, operation
from core.privacy import Holding
from storage.data_map import Category
from storage.tables import Agent, AgentVersion, Chat, Usage

_POLICY = Button("Read the policy", "/privacy policy")


@operation("privacy.show", "What is kept about you", standing=Standing.GUEST, effect=Effect.EXTERNAL, alias="privacy",
           restricted=True)  # fmt: skip
async def show(call: Call, form: NoFields) -> Card:
    """Count what is held about the caller in each of the policy's categories, and say who reads their words.

    It runs outside transactions, since it counts in every table.
    """
    private_only(call, "/privacy")
    if call.person is None:
        raise NotPossible("That works only inside a chat.")
    subject = await privacy.subject_of(call.person, call.services.team_id)
    held = await privacy.holdings(subject)
    fields = [(_capital(category), _told(held, category)) for category in Category]
    fields.append(("Who reads your words", await _readers(call)))
    used = sorted(set(await Usage.filter(identity_id__in=list(subject.identities)).distinct().values_list("model")))
    if used:
        fields.append(("Who has read some", ", ".join(f"`{row[0]}`" for row in used)))
    text = (
        "This is what I keep about you, by the privacy policy's categories, and how long it may stay. What you write "
        "and send is sealed under a key of your own."
    )
    if call.restricted:
        text += " As you asked, your data is only kept at the moment and not used."
    buttons = ((_POLICY, Button("Conversations", "/conversations")),)
    data = tuple((holding.several, str(holding.count)) for holding in held)
    return Card(title="Your privacy", text=text, fields=tuple(fields), buttons=buttons, data=data)


def _capital(category: Category) -> str:
    return f"{category[:1].upper()}{category[1:]}"


def _told(held: Iterable[Holding], category: Category) -> str:
    """Return the counts of one category, those that stay equally long together."""
    by_retention: dict[str, list[str]] = {}
    for one in held:
        if one.category is category and one.count:
            by_retention.setdefault(one.retention, []).append(one.told())
    told = [f"{', '.join(counts)} ({retention})" for retention, counts in by_retention.items()]
    return "; ".join(told) or "nothing"


async def _readers(call: Call) -> str:
    """Return the providers of the models that the caller's agents ask, and who of them does."""
    here = None
    if call.chat is not None:
        here = await call.services.agents.of_chat(await Chat.get(id=call.chat.id))
    agents = {agent.id: agent for agent in await Agent.filter(team_id__in=list(call.teams)).order_by("name")}
    readers: dict[str, list[str]] = {}
    for version in await AgentVersion.filter(agent_id__in=list(agents)).order_by("name"):
        agent = agents[version.agent_id]
        if version.number != agent.version:
            continue
        name = f"**{escaped(agent.name)}**, who answers here" if here and here.agent_id == agent.id else None
        for model in (version.model or call.services.catalogue.default, *version.fallbacks):
            asked = readers.setdefault(_provider(model), [])
            if (told := name or escaped(agent.name)) not in asked:
                asked.append(told)
    lines = [f"{provider} ({', '.join(names)})" for provider, names in readers.items()]
    return f"{'; '.join(lines)}. Nobody else does." if lines else "nobody"


def _provider(model: str) -> str:
    name = model.partition(":")[0]
    return "the offline model on this machine" if name == "offline" else f"`{name}`"


@operation("privacy.policy", "Read the privacy policy", standing=Standing.GUEST, effect=Effect.READ, restricted=True)
async def policy(call: Call, form: NoFields) -> Card:
    """Show the privacy policy whole."""
    return Card(text=privacy.policy())
