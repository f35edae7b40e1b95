"""A Slack event becomes an `Inbound`."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from channels.slack.payloads import File, Interaction, Joined, Message, SlashCommand, View
from channels.text.slack import to_plain
from core.envelopes import Attachment, Inbound, Origin, Place, Submission
from core.operations.typed import command_in

KnownThread = Callable[[str, str, int], Awaitable[bool]]
"""Tells of an account, a chat's id and a position whether somebody had spoken to us in that thread before that."""

FILE = "file:"
"""Begins the reference of a file whose address has to be asked for."""
_SAID = frozenset({"", "file_share", "me_message", "thread_broadcast"})
_SLACKBOT = "USLACKBOT"


class Me:
    """Our own account: known once Slack has told us, which sets `named`; until then `problem` says why it does not."""

    def __init__(self) -> None:
        self.team = ""
        self.user = ""
        self.bot = ""
        self.name = ""
        self.problem = ""
        self.named = asyncio.Event()

    def learn(self, team: str, user: str, bot: str, name: str) -> None:
        """Take down who we are."""
        self.team, self.user, self.bot, self.name = team, user, bot, name
        self.problem = ""
        self.named.set()

    @property
    def account(self) -> str:
        """Return the name of this account in our tables."""
        return f"slack:{self.team}"


async def inbound_of(message: Message, me: Me, known_thread: KnownThread, now: datetime) -> Inbound | None:
    """Return what a person said, None for what is nobody's doing (an edit, a notice, a bot's message)."""
    if message.subtype not in _SAID or message.hidden or message.bot_id:
        return None
    if not message.user or message.user in (me.user, _SLACKBOT):
        return None
    text, attachments = words_of(message.text, me), attachments_of(message.files)
    if not message.text.strip() and not attachments:
        return None
    place = place_of(message.channel)
    addressed = place is Place.PRIVATE or await _is_addressed(message, me, known_thread)
    return Inbound(
        origin=Origin(
            channel="slack",
            account=me.account,
            chat=_chat_of(message, place, me, addressed=addressed),
            place=place,
            person=f"{message.user_team or message.source_team or message.team or me.team}:{message.user}",
        ),
        event_id=f"{me.team}:{message.channel}:{message.ts}",
        fingerprint=fingerprint("message", me.team, message.channel, message.ts),
        position=position_of(message.ts),
        received_at=now,
        text=text or ("" if attachments else to_plain(message.text)),
        message_id=message.ts,
        attachments=attachments,
        addressed=addressed,
    )


def inbound_of_joining(joined: Joined, me: Me, now: datetime) -> Inbound | None:
    """Return an introduction when somebody adds us to a channel."""
    if joined.user != me.user or not joined.inviter:
        return None
    return Inbound(
        origin=Origin("slack", me.account, joined.channel, Place.GROUP, f"{joined.team or me.team}:{joined.inviter}"),
        event_id=f"{me.team}:{joined.channel}:joined:{joined.event_ts}",
        fingerprint=fingerprint("joined", me.team, joined.channel, joined.event_ts),
        position=position_of(joined.event_ts) if joined.event_ts else in_microseconds(now),
        received_at=now,
        text="/start",
    )


def inbound_of_slash(command: SlashCommand, me: Me, now: datetime) -> Inbound:
    """Return the command that `/prowex …` stands for."""
    return Inbound(
        origin=Origin(
            channel="slack",
            account=me.account,
            chat=command.channel_id,
            place=place_of(command.channel_id),
            person=f"{command.team_id}:{command.user_id}",
            name=command.user_name,
        ),
        event_id=f"command:{command.trigger_id}",
        fingerprint=fingerprint("command", command.trigger_id),
        position=in_microseconds(now),
        received_at=now,
        text=as_command(to_plain(command.text)),
        unseen=True,
    )


def inbound_of_press(press: Interaction, me: Me, now: datetime) -> Inbound | None:
    """Return what a pressed button under one of our messages carries."""
    channel = press.container.channel_id or (press.channel.id if press.channel is not None else "")
    if not channel or not press.actions or not press.actions[0].value or not press.trigger_id:
        return None
    action = press.actions[0]
    thread = press.message.thread_ts or press.container.thread_ts
    return Inbound(
        origin=origin_of(press, me, channel, thread),
        event_id=f"press:{press.trigger_id}",
        fingerprint=fingerprint("press", press.trigger_id),
        position=position_of(action.action_ts) if action.action_ts else in_microseconds(now),
        received_at=now,
        text=action.value,
        message_id=press.message.ts or press.container.message_ts,
        button=True,
    )


def inbound_of_choice(view: View, origin: Origin, text: str, now: datetime) -> Inbound:
    """Return the command that was chosen in the menu."""
    event_id, mark = _submitted(view)
    return Inbound(origin, event_id, mark, in_microseconds(now), now, text=as_command(text))


def inbound_of_form(view: View, origin: Origin, submission: Submission, now: datetime) -> Inbound:
    """Return a filled-in form."""
    event_id, mark = _submitted(view)
    return Inbound(origin, event_id, mark, in_microseconds(now), now, submission=submission)


def _submitted(view: View) -> tuple[str, str]:
    return f"view:{view.id}:{view.hash}"[:200], fingerprint("view", view.id, view.hash)


def origin_of(used: Interaction, me: Me, channel: str, thread: str) -> Origin:
    """Return who used something interactive, in the channel or thread."""
    return Origin(
        channel="slack",
        account=me.account,
        chat=f"{channel}/{thread}" if thread else channel,
        place=place_of(channel),
        person=person_of(used, me),
        name=used.user.name or used.user.username,
    )


def person_of(used: Interaction, me: Me) -> str:
    """Return who used something interactive."""
    team = used.user.team_id or (used.team.id if used.team is not None else "") or me.team
    return f"{team}:{used.user.id}"


def place_of(channel: str) -> Place:
    """Tell a direct chat from one of many by the id that Slack gave it."""
    return Place.PRIVATE if channel.startswith("D") else Place.GROUP


def position_of(ts: str) -> int:
    """Return a message's time in microseconds."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def in_microseconds(moment: datetime) -> int:
    """Return a moment as a position among messages."""
    return int(moment.timestamp() * 1_000_000)


def fingerprint(kind: str, *ids: str) -> str:
    """Return what identifies an event besides its id."""
    return hashlib.sha256(":".join([kind, *ids]).encode()).hexdigest()


def attachments_of(files: tuple[File, ...]) -> tuple[Attachment, ...]:
    """Return a message's files; those that were deleted since are left out."""
    return tuple(
        Attachment(
            reference=file.url_private_download or file.url_private or f"{FILE}{file.id}",
            name=file.name or file.title or "file",
            media_type=file.mimetype or "application/octet-stream",
            size=file.size or 0,
        )
        for file in files
        if file.mode not in ("tombstone", "hidden_by_limit")
    )


def as_command(words: str) -> str:
    """Return the command that the words after `/prowex` are; alone it asks for help."""
    words = words.strip().lstrip("/!")
    return f"/{words}" if words else "/help"


def words_of(text: str, me: Me) -> str:
    """Return the words without the mention that addresses us; `!word` at their start is the command `/word`."""
    words = to_plain(_without_mention(text, me)).strip()
    if words.startswith("!") and is_command(f"/{words[1:]}"):
        return f"/{words[1:]}"
    return words


def is_command(words: str) -> bool:
    """Tell whether words name a command that there is."""
    command = command_in(words)
    return command is not None and command.operation is not None


def _without_mention(text: str, me: Me) -> str:
    mention = rf"<@{re.escape(me.user)}(?:\|[^>]*)?>"
    stripped = re.sub(rf"^\s*{mention}[\s,:]*", "", text)
    return re.sub(rf"\s*{mention}\s*$", "", stripped) if stripped == text else stripped


def _mentions_us(text: str, me: Me) -> bool:
    return re.search(rf"<@{re.escape(me.user)}(?:\|[^>]*)?>", text) is not None


def _begins_with_another(text: str) -> bool:
    return re.match(r"\s*<@[A-Z0-9]+(?:\|[^>]*)?>", text) is not None


async def _is_addressed(message: Message, me: Me, known_thread: KnownThread) -> bool:
    """Tell whether a message among many is meant for us: a mention, or a thread where we took part."""
    if message.type == "app_mention" or _mentions_us(message.text, me):
        return True
    if not message.thread_ts or _begins_with_another(message.text):
        return False
    if message.parent_user_id == me.user:
        return True
    return await known_thread(me.account, f"{message.channel}/{message.thread_ts}", position_of(message.ts))


def _chat_of(message: Message, place: Place, me: Me, *, addressed: bool) -> str:
    """Return the chat: in a channel a thread, which a message at the top begins; talk among others is the channel's."""
    if place is Place.GROUP and not addressed:
        return message.channel
    thread = message.thread_ts or ("" if place is Place.PRIVATE else message.ts)
    return f"{message.channel}/{thread}" if thread else message.channel
