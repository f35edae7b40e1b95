"""The providers there are, and the models that agents name as `provider:name`.

To add a provider: write its module, then add one entry to `_PROVIDERS` (and what it needs to `Keys`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from core.providers import anthropic, google, offline, openai
from core.providers.port import LanguageModel, ModelError, ModelRefused, Setting, Timeouts
from storage.clock import Clock, SystemClock
from storage.faults import Step, calling

LISTED_SECONDS = 3600.0
"""How long a provider's list of models counts."""
UNLISTED_SECONDS = 60.0
"""How long a provider that gave no list is not asked again."""
PATIENCE = 10.0
"""Seconds that a provider has to give its list: a person waits for it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the providers need from the settings; empty where it is not set."""

    openai_key: str = ""
    openai_base_url: str = ""
    anthropic_key: str = ""
    anthropic_base_url: str = ""
    google_key: str = ""
    google_base_url: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    default_model: str = ""

    def chosen(self, provider: str) -> str:
        """Return the name of the default model if it is this provider's."""
        at, _, name = self.default_model.partition(":")
        return name if at == provider else ""


@dataclass(frozen=True, slots=True)
class _Provider:
    """How one provider is opened, when it can be, what its default model is, and what to set if it can't be opened."""

    open: Callable[[Keys], LanguageModel]
    usable: Callable[[Keys], bool]
    default: Callable[[Keys], str]
    settings: tuple[Setting, ...]
    remedy: str


def _openai(keys: Keys) -> LanguageModel:
    url, chosen = keys.openai_base_url or None, keys.chosen("openai")
    return openai.OpenAIModel(keys.openai_key, url, keys.timeouts, model=chosen)


def _anthropic(keys: Keys) -> LanguageModel:
    url, chosen = keys.anthropic_base_url or None, keys.chosen("anthropic")
    return anthropic.AnthropicModel(keys.anthropic_key, url, keys.timeouts, model=chosen)


def _google(keys: Keys) -> LanguageModel:
    url, chosen = keys.google_base_url or None, keys.chosen("google")
    return google.GoogleModel(keys.google_key, url, keys.timeouts, model=chosen)


_PROVIDERS = {
    "openai": _Provider(
        _openai,
        lambda keys: bool(keys.openai_key or keys.openai_base_url),
        lambda keys: openai.DEFAULT_MODEL if openai.is_openai(keys.openai_base_url) else openai.AUTO,
        openai.SETTINGS,
        "set OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible server",
    ),
    "anthropic": _Provider(
        _anthropic,
        lambda keys: bool(keys.anthropic_key),
        lambda keys: anthropic.DEFAULT_MODEL,
        anthropic.SETTINGS,
        "set ANTHROPIC_API_KEY",
    ),
    "google": _Provider(
        _google,
        lambda keys: bool(keys.google_key),
        lambda keys: google.DEFAULT_MODEL,
        google.SETTINGS,
        "set GEMINI_API_KEY",
    ),
    "offline": _Provider(
        lambda keys: offline.OfflineModel(),
        lambda keys: True,
        lambda keys: offline.MODEL_NAME,
        offline.OfflineModel.settings,
        "",
    ),
}
"""In the order in which the default is looked for."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """The models of a provider, and until when they count."""

    names: tuple[str, ...]
    until: float


class Catalogue:
    """Opens each provider when one of its models is first asked for, and keeps it.

    Args:
        default_model: `provider:name` for agents that name none; if empty, that of the first usable provider.
    """

    def __init__(
        self,
        *,
        openai_key: str | None = None,
        openai_base_url: str | None = None,
        anthropic_key: str | None = None,
        anthropic_base_url: str | None = None,
        google_key: str | None = None,
        google_base_url: str | None = None,
        timeouts: Timeouts | None = None,
        default_model: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._keys = Keys(
            openai_key=openai_key or "",
            openai_base_url=openai_base_url or "",
            anthropic_key=anthropic_key or "",
            anthropic_base_url=anthropic_base_url or "",
            google_key=google_key or "",
            google_base_url=google_base_url or "",
            timeouts=timeouts or Timeouts(),
            default_model=default_model or "",
        )
        self._clock = clock or SystemClock()
        self._open: dict[str, LanguageModel] = {}
        self._listings: dict[str, _Listing] = {}
        self._listing = asyncio.Lock()

    @property
    def default(self) -> str:
        """The model of agents that name none, as `provider:name`."""
        if self._keys.default_model:
            provider, _, name = self._keys.default_model.partition(":")
            known = _PROVIDERS.get(provider)
            return f"{provider}:{name or (known.default(self._keys) if known else '')}"
        provider = self.usable[0]
        return f"{provider}:{_PROVIDERS[provider].default(self._keys)}"

    @property
    def usable(self) -> list[str]:
        """The providers that have what they need."""
        return [name for name, provider in _PROVIDERS.items() if provider.usable(self._keys)]

    def get(self, model: str) -> tuple[LanguageModel, str]:
        """Return the provider of `provider:name` and the model's name there. A provider alone means its default.

        Raises:
            ModelRefused: there is no such provider, or it lacks a setting; the reason says which.
        """
        name, _, at_provider = model.partition(":")
        provider = _PROVIDERS.get(name)
        if provider is None:
            known = ", ".join(_PROVIDERS)
            raise ModelRefused(
                f"there is no provider “{name}” here; write the model as provider:name, with one of {known}"
            )
        if not provider.usable(self._keys):
            raise ModelRefused(f"the provider {name} is not set up; {provider.remedy} in .env and start Prowex again")
        if name not in self._open:
            self._open[name] = provider.open(self._keys)
        return self._open[name], at_provider or provider.default(self._keys)

    def settings_of(self, model: str) -> tuple[Setting, ...]:
        """Return the settings that an agent with `model` (`provider:name`) may have; none for an unknown provider."""
        provider = _PROVIDERS.get(model.partition(":")[0])
        return provider.settings if provider is not None else ()

    async def models(self) -> dict[str, list[str]]:
        """Return the names of each usable provider's models, without the provider's own, in its order.

        What a provider lists counts for an hour. One that gives no list stands here with its default model alone, and
        is asked again after a minute. Waits `PATIENCE` at most.
        """
        async with self._listing:
            now = self._clock.monotonic()
            stale = [name for name in self.usable if name not in self._listings or self._listings[name].until <= now]
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(self._list(name, now)) for name in stale}
            self._listings |= {name: task.result() for name, task in tasks.items()}
            return {name: list(self._listings[name].names) for name in self.usable}

    async def _list(self, name: str, now: float) -> _Listing:
        model, default = self.get(name)
        try:
            async with calling(Step.CALL_FETCH), asyncio.timeout(PATIENCE):
                names = tuple(await model.models())
        except (ModelError, TimeoutError):
            names = ()
        return _Listing(names or (default,), now + (LISTED_SECONDS if names else UNLISTED_SECONDS))

    async def close(self) -> None:
        """Close every provider that was opened."""
        while self._open:
            _, model = self._open.popitem()
            await model.close()
