"""One recipe for each operation: what a person gives, and what comes of it, on whichever surface.

The recipes are written by hand. What the surfaces show is compared with the operation's own card, and that with the
words here, so that neither can drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.operations.registry import OPERATIONS

TELEGRAM, SLACK, WEB, CONSOLE, LINE = "telegram", "slack", "web", "console", "line"
SURFACES = (TELEGRAM, SLACK, WEB, CONSOLE, LINE)
ALONE = (CONSOLE, LINE)
"""Where the operator alone is."""
CHATS = (TELEGRAM, SLACK, WEB, CONSOLE)
ADMIN, GUEST, RESTRICTED, OPERATOR = "ada", "gus", "rex", "operator"

IN_A_CHAT = "That works only inside a chat."
NOT_HERE = "can't be used here."
MEMBERS, ADMINS = "Only members of the team can do that.", "Only admins of the team can do that."
KEPT = "Your data may only be kept at the moment"
NOBODY, NOTHING = "There is no agent called “nobody”", "There is no such conversation here"

FILE = 'format = 1\nname = "Pencil"\ndescription = ""\ninstructions = """\nYou draw = "well".\n"""\n'


@dataclass(frozen=True)
class Recipe:
    """How to use an operation.

    Args:
        says: words of its card.
        fields: what it is given; `@name` is what the town has under that name.
        asks: the fields that a question is asked for, in their order, if none of them is given.
        answers: what is answered to questions that lead to other questions.
        otherwise: words of the refusal on surfaces where it makes no sense.
        press: a command, and the label of the button under its answer that does the same with its own fields.
        caller: who can use it; `lowly`: who can't, and `refusal`: what they are told.
        wrong: fields that name what isn't there, and what is told of it.
        before: what has to happen first: `compact`, `ask` (an approval), `begin` (a form), `invite`.
        writes: it changes something.
        in_group: it is used in a group, where there is one.
        counts: it counts what people do, this use too.
    """

    says: str
    fields: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    otherwise: Mapping[str, str] = field(default_factory=dict)
    press: tuple[str, str] | None = None
    caller: str = ADMIN
    lowly: str = ""
    refusal: str = ""
    wrong: tuple[Mapping[str, str], str] | None = None
    before: str = ""
    writes: bool = False
    in_group: bool = False
    counts: bool = False


NO_CHAT = {LINE: IN_A_CHAT}
ON_LINE = dict.fromkeys(CHATS, NOT_HERE)
GUESTS = {"lowly": GUEST, "refusal": MEMBERS}
LOCKED = {"lowly": RESTRICTED, "refusal": KEPT}
NO_AGENT = ({"agent": "nobody"}, NOBODY)
NO_TALK = ({"which": "nothing"}, NOTHING)

RECIPES: dict[str, Recipe] = {
    "chat.start": Recipe("Just write to me"),
    "chat.help": Recipe("What you can do here", press=("/start", "What can you do?")),
    "chat.new": Recipe("A new conversation", otherwise=NO_CHAT, writes=True, **LOCKED),
    "chat.stop": Recipe("Nothing is running", otherwise=NO_CHAT),
    "chat.retry": Recipe("echo: letter 3", otherwise=NO_CHAT, **LOCKED),
    "chat.status": Recipe("Status"),
    "chat.show": Recipe("echo: letter 3", {"reply": "@reply"}, otherwise=NO_CHAT, **LOCKED),
    "settings.show": Recipe("Settings"),
    "people.whoami": Recipe("Who you are to me", press=("/settings", "Who am I")),
    "people.invite": Recipe(
        "This code lets one person in as member", {"role": "member"}, press=("/settings", "Invite"), writes=True,
        lowly=GUEST, refusal=ADMINS,
    ),
    "people.redeem": Recipe(
        "Welcome, you are in!", {"code": "@code"}, asks=("code",), caller=GUEST, before="invite", writes=True,
        otherwise={WEB: "You are in already", CONSOLE: "You are in already", LINE: "An invitation is used in a chat"},
        lowly=ADMIN, refusal="You are in already",
    ),
    "chat.permit": Recipe(
        "I answer in this group from now on", writes=True, in_group=True, lowly=GUEST, refusal=ADMINS,
        otherwise={WEB: "Write /permit in the group", CONSOLE: "Write /permit in the group", LINE: IN_A_CHAT},
    ),
    "people.access": Recipe(
        "Everybody in this workspace may talk to me", {"who": "everybody"}, writes=True, lowly=GUEST, refusal=ADMINS,
        otherwise=dict.fromkeys((TELEGRAM, WEB, CONSOLE, LINE), "There is no workspace here"),
    ),
    "web.link": Recipe("Open this link within 15 minutes", otherwise=ON_LINE, writes=True),
    "people.operator_code": Recipe("Whoever sends this code", otherwise=ON_LINE, writes=True),
    "agents.list": Recipe("Writer", press=("/settings", "Agents"), **GUESTS),
    "agents.show": Recipe(
        "You write.", {"agent": "writer"}, asks=("agent",), wrong=NO_AGENT, press=("/agents", "Writer"),
        **GUESTS,
    ),
    "agents.templates": Recipe("Choose one, give it a name", press=("/agents", "Templates"), **GUESTS),
    "agents.create": Recipe(
        "Poet is there", {"name": "Poet", "instructions": "You write poems, with rhymes.", "model": "openai:gpt-5.4"},
        asks=("name", "instructions", "model"), writes=True,
        wrong=({"name": "help", "instructions": "x"}, "is a word of the commands"), **GUESTS,
    ),
    "agents.edit": Recipe(
        "Saved: Writer is at version 3 now", {"agent": "writer", "temperature": "0.3"},
        asks=("agent", "what", "temperature"), answers={"what": "temperature"}, writes=True,
        wrong=({"agent": "nobody", "temperature": "0.3"}, NOBODY), **GUESTS,
    ),
    "agents.copy": Recipe(
        "Scribe is there, a copy of Writer", {"agent": "writer", "name": "Scribe"}, asks=("agent",), writes=True,
        press=("/agents show writer", "Copy"), wrong=NO_AGENT, **GUESTS,
    ),
    "agents.delete": Recipe(
        "Writer is deleted", {"agent": "writer", "confirm": "yes"}, asks=("agent",), writes=True,
        press=("/agents delete writer", "Delete for good"), wrong=NO_AGENT, **GUESTS,
    ),
    "agents.export": Recipe(
        "Writer as a file", {"agent": "writer"}, asks=("agent",), writes=True, press=("/agents show writer", "Export"),
        wrong=NO_AGENT, **GUESTS,
    ),
    "agents.import": Recipe(
        "Brush is brought in", {"text": FILE, "name": "Brush"}, asks=("text",), writes=True,
        wrong=({"text": "no file"}, "is not written as TOML"), **GUESTS,
    ),
    "agents.here": Recipe(
        "From now on Writer answers", {"agent": "writer"}, otherwise=NO_CHAT, writes=True,
        press=("/agents show writer", "Talk here"), wrong=NO_AGENT, **LOCKED,
    ),
    "agents.model": Recipe(
        "is answered by openai:gpt-5.4 now", {"model": "openai:gpt-5.4"}, asks=("model",), writes=True,
        wrong=({"model": "nobody:gpt"}, "There is no provider “nobody” here"), **LOCKED,
    ),
    "agents.versions": Recipe(
        "Versions of Writer", {"agent": "writer"}, asks=("agent",), press=("/agents show writer", "Versions"),
        wrong=NO_AGENT, **GUESTS,
    ),
    "agents.diff": Recipe(
        "Writer: 1 → 2", {"agent": "writer", "old": "1", "new": "2"}, asks=("agent",),
        press=("/agents versions writer", "Changes since 1"), wrong=NO_AGENT, **GUESTS,
    ),
    "agents.rollback": Recipe(
        "Writer is as it was in version 1", {"agent": "writer", "version": "1"}, asks=("agent", "version"), writes=True,
        press=("/agents versions writer", "Back to 1"), wrong=({"agent": "nobody", "version": "1"}, NOBODY), **GUESTS,
    ),
    "approvals.agree": Recipe(
        "Who answers here", {"approval": "@question"}, before="ask", otherwise={LINE: "There is no such question."},
        writes=True, **LOCKED,
    ),
    "approvals.decline": Recipe(
        "All right, nothing was done.", {"approval": "@question"}, before="ask", writes=True,
        otherwise={LINE: "There is no such question."},
    ),
    "conversations.list": Recipe("plums", otherwise=NO_CHAT),
    "conversations.show": Recipe(
        "It rests.", {"which": "@older"}, asks=("which",), otherwise=NO_CHAT, press=("/conversations", "2"),
        wrong=NO_TALK,
    ),
    "conversations.reopen": Recipe(
        "We go on with plums, please", {"which": "@older"}, asks=("which",), otherwise=NO_CHAT, writes=True,
        press=("/conversations show plums", "Reopen"), wrong=NO_TALK, **LOCKED,
    ),
    "conversations.rename": Recipe(
        "It is called Fruit salad now.", {"which": "@older", "title": "Fruit salad"}, asks=("which", "title"),
        otherwise=NO_CHAT, writes=True, wrong=({"which": "nothing", "title": "x"}, NOTHING), **LOCKED,
    ),
    "conversations.delete": Recipe(
        "plums, please is deleted", {"which": "@older", "sure": "yes"}, asks=("which",), otherwise=NO_CHAT, writes=True,
        press=("/conversations delete plums", "Delete it for good"), wrong=NO_TALK,
    ),
    "conversations.compact": Recipe(
        "I summarised the first", otherwise=NO_CHAT, writes=True, press=("/settings", "Summarise"), **LOCKED
    ),
    "conversations.undo_summary": Recipe(
        "Undone. I look back", {"summary": "@summary"}, before="compact", otherwise=NO_CHAT, writes=True,
        press=("/compact", "Undo"), **LOCKED,
    ),
    "forms.answer": Recipe(
        "", {"form": "0123456789ab", "step": "1", "choice": "0"},
        otherwise=dict.fromkeys(SURFACES, "That question is no longer open."),
    ),
    "forms.cancel": Recipe("Cancelled. Nothing was changed.", before="begin", otherwise=NO_CHAT, writes=True),
    "privacy.show": Recipe("Your privacy", otherwise=NO_CHAT, counts=True, press=("/settings", "Privacy")),
    "privacy.policy": Recipe("Privacy policy", press=("/privacy", "Read the policy")),
}  # fmt: skip


def check_whole() -> None:
    """Make sure that every operation has a recipe, and every recipe an operation."""
    missing, gone = sorted(OPERATIONS.keys() - RECIPES.keys()), sorted(RECIPES.keys() - OPERATIONS.keys())
    assert not missing, f"nobody wrote down how to use {', '.join(missing)}"
    assert not gone, f"there is no operation {', '.join(gone)}"
