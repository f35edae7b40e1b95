"""The port every model provider implements: a request goes in, a stream of events comes out."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Protocol

MOST_TOKENS = 2**31 - 1
"""As many as are ever counted of one call."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image or PDF that the model may look at."""

    media_type: str
    data: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the exchange.

    Args:
        role: `user`, `assistant` or `tool`.
        calls: tool calls that an assistant message made.
        call_id: the call that a tool message answers.
        kept: what the provider's own `Keep` event said while it wrote this assistant message; empty for others'.
    """

    role: str
    text: str
    pictures: tuple[Picture, ...] = ()
    calls: tuple["ToolCall", ...] = ()
    call_id: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool the model may call. `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What one model call is asked.

    Args:
        model: the name at the provider, without the provider's own prefix.
        settings: what the agent sets: `temperature`, `max_output_tokens`, and what else the provider takes.
        person: opaque id of who asks, for the provider's abuse detection; never a name.
    """

    model: str
    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    person: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the model's thinking, where it is shown."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Keep:
    """What the provider wants to see again in the rounds of one turn: goes into the `kept` of the message it wrote.

    Its signed thinking, for example; text that only the same provider reads. At most one in a stream, before `End`.
    """

    data: str


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens used by the call.

    Args:
        input_tokens: all that was read, from the provider's cache or not.
        output_tokens: all that was written, thinking included.
        cached_tokens: the part of `input_tokens` that was read from the cache.

    A provider that claims more than `MOST_TOKENS` is counted as that.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, min(getattr(self, name), MOST_TOKENS))


@dataclass(frozen=True, slots=True)
class End:
    """The answer is whole. Always the last event.

    Args:
        reason: `stop`, `length` (cut at the output limit), `tools` or `filtered`.
    """

    reason: str


ModelEvent = TextDelta | ThinkingDelta | ToolCall | Keep | TokenUsage | End


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that an agent may have with a provider, by its name in `ModelRequest.settings`.

    Args:
        hint: a sentence that says what it does.
        low: the least number; `high` the greatest; None for settings that are no numbers, or have no bound.
        whole: only whole numbers.
        choices: the words it may be, for settings that are words.
    """

    name: str
    hint: str
    low: float | None = None
    high: float | None = None
    whole: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until an attempt is given up.

    Args:
        connect: for the connection to be made.
        first_token: for the model to begin; some think for minutes.
        silence: between two tokens.
    """

    connect: float = 10.0
    first_token: float = 300.0
    silence: float = 60.0


class ModelError(Exception):
    """The model gave no answer. `reason` is a clause fit for a person ("it is overloaded")."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ModelBusy(ModelError):
    """Asking again may help: overload, a server error, a broken or silent stream.

    Args:
        retry_after: seconds the provider asked us to wait, 0 if it did not say.
    """

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class ModelRefused(ModelError):
    """Asking again will not help: a wrong key, an unknown model, a request that is too long."""


class ModelTooLong(ModelRefused):
    """The request does not fit the model's context; a shorter history may."""


class LanguageModel(Protocol):
    """One provider. Makes exactly one attempt per call: retries, budgets and fallbacks are the caller's.

    A stream that ends without `End` never happens: it raises `ModelBusy` instead.
    """

    name: str
    settings: tuple[Setting, ...]

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask the model and yield events as they come; close the generator to cancel the call.

        Raises:
            ModelBusy, ModelRefused.
        """

    async def check(self) -> str:
        """Make the cheapest real call that proves the key and return one line for a person.

        Raises:
            ModelBusy, ModelRefused.
        """

    async def models(self) -> list[str]:
        """Return the names of the chat models that the provider offers to this key, in its own order.

        Raises:
            ModelBusy, ModelRefused.
        """

    async def close(self) -> None:
        """Close connections."""
