"""The models' providers as the settings have them."""

from pydantic import SecretStr

from bot.settings import Settings
from core.providers.catalogue import Catalogue
from core.providers.port import Timeouts


def catalogue_of(settings: Settings, timeouts: Timeouts) -> Catalogue:
    """Return the providers that have what they need; none is opened yet."""
    return Catalogue(
        openai_key=_plain(settings.openai_api_key),
        openai_base_url=settings.openai_base_url,
        anthropic_key=_plain(settings.anthropic_api_key),
        anthropic_base_url=settings.anthropic_base_url,
        google_key=_plain(settings.google_key),
        google_base_url=settings.google_base_url,
        timeouts=timeouts,
        default_model=settings.default_model,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
