"""What Slack sends, as far as we read it. What does not fit is passed over by whoever reads it, never guessed at."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_LONE = re.compile("[\ud800-\udfff]")


def _or_empty(value: object) -> object:
    """Return an empty text for nothing, and a text without halves of characters, which JSON can smuggle in."""
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_or_empty)]
Id = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,40}$")]
Maybe = Annotated[str, BeforeValidator(_or_empty), Field(pattern=r"^([A-Z0-9]{2,40})?$")]
Ts = Annotated[str, Field(pattern=r"^[0-9]{1,11}\.[0-9]{1,9}$")]
MaybeTs = Annotated[str, BeforeValidator(_or_empty), Field(pattern=r"^([0-9]{1,11}\.[0-9]{1,9})?$")]


class Payload(BaseModel):
    """Base of all of them: unknown fields are left out, and what is wrong is never quoted."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class File(Payload):
    """A file of a message."""

    id: Id
    name: Text = ""
    title: Text = ""
    mimetype: Text = ""
    mode: Text = ""
    size: int | None = None
    url_private: Text = ""
    url_private_download: Text = ""
    is_external: bool | None = False


class Message(Payload):
    """The events `message` and `app_mention`."""

    type: str
    channel: Id
    ts: Ts
    channel_type: Text = ""
    subtype: Text = ""
    hidden: bool | None = False
    user: Maybe = ""
    bot_id: Text = ""
    team: Maybe = ""
    user_team: Maybe = ""
    source_team: Maybe = ""
    parent_user_id: Maybe = ""
    text: Text = ""
    thread_ts: MaybeTs = ""
    files: Annotated[tuple[File, ...], BeforeValidator(lambda value: value or ())] = ()


class Joined(Payload):
    """The event `member_joined_channel`."""

    user: Maybe
    channel: Id
    channel_type: Text = ""
    team: Maybe = ""
    inviter: Maybe = ""
    event_ts: MaybeTs = ""


class AssistantThread(Payload):
    """The thread of the event `assistant_thread_started`."""

    channel_id: Id
    thread_ts: Ts


class AssistantStarted(Payload):
    """The event `assistant_thread_started`."""

    assistant_thread: AssistantThread


class SlashCommand(Payload):
    """A slash command."""

    team_id: Id
    channel_id: Id
    user_id: Id
    trigger_id: str = Field(min_length=1, max_length=180)
    text: Text = ""
    user_name: Text = ""
    response_url: Text = ""


class User(Payload):
    """Who used something interactive."""

    id: Id
    team_id: Maybe = ""
    name: Text = ""
    username: Text = ""


class Team(Payload):
    """The workspace in which something was used."""

    id: Maybe = ""


class Place(Payload):
    """A channel."""

    id: Id


class Container(Payload):
    """What a pressed button stands in."""

    type: Text = ""
    channel_id: Maybe = ""
    message_ts: MaybeTs = ""
    thread_ts: MaybeTs = ""


class Shown(Payload):
    """The message that something was used on."""

    ts: MaybeTs = ""
    thread_ts: MaybeTs = ""
    user: Maybe = ""
    bot_id: Text = ""


class Action(Payload):
    """A pressed button or a choice."""

    action_id: Text = ""
    value: Text = ""
    action_ts: MaybeTs = ""


class View(Payload):
    """A modal that was submitted."""

    id: str = Field(min_length=1, max_length=80)
    hash: Text = ""
    callback_id: Text = ""
    private_metadata: Text = ""
    bot_id: Text = ""
    app_installed_team_id: Text = ""
    state: dict[str, Any] = Field(default_factory=dict)


class Interaction(Payload):
    """Everything interactive: `block_actions`, `view_submission`, `message_action` and `shortcut`."""

    type: str
    user: User
    team: Team | None = None
    trigger_id: Annotated[Text, Field(max_length=180)] = ""
    callback_id: Text = ""
    response_url: Text = ""
    channel: Place | None = None
    container: Container = Container()
    message: Shown = Shown()
    actions: tuple[Action, ...] = ()
    view: View | None = None
