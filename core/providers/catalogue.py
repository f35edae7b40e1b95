"""The providers there are, and the models that agents name as `provider:name`.

To add a provider: write its module, then add one line to `_PROVIDERS` (and what it needs to `Keys`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.providers.offline import MODEL_NAME, OfflineModel
from core.providers.openai import AUTO, DEFAULT_MODEL, OpenAIModel, is_openai
from core.providers.port import LanguageModel, ModelRefused, Timeouts


@dataclass(frozen=True, slots=True)
class Keys:
    """What the providers need from the settings; empty where it is not set."""

    openai_key: str = ""
    openai_base_url: str = ""
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
    remedy: str


def _openai(keys: Keys) -> LanguageModel:
    return OpenAIModel(keys.openai_key, keys.openai_base_url or None, keys.timeouts, model=keys.chosen("openai"))


_PROVIDERS = {
    "openai": _Provider(
        _openai,
        lambda keys: bool(keys.openai_key or keys.openai_base_url),
        lambda keys: DEFAULT_MODEL if is_openai(keys.openai_base_url) else AUTO,
        "set OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible server",
    ),
    "offline": _Provider(lambda keys: OfflineModel(), lambda keys: True, lambda keys: MODEL_NAME, ""),
}
"""In the order in which the default is looked for."""


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
        timeouts: Timeouts | None = None,
        default_model: str | None = None,
    ) -> None:
        self._keys = Keys(openai_key or "", openai_base_url or "", timeouts or Timeouts(), default_model or "")
        self._open: dict[str, LanguageModel] = {}

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

    async def close(self) -> None:
        """Close every provider that was opened."""
        while self._open:
            _, model = self._open.popitem()
            await model.close()
