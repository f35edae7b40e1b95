"""What is looked at outside: Telegram, Slack, the models' providers, and their clocks."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from bot import proofs
from bot.checks import SECONDS, Finding, ok, problem, warning
from bot.checks.stored import FARTHEST_SECONDS
from bot.providers import catalogue_of
from bot.settings import Settings
from core.providers.catalogue import Catalogue
from core.providers.port import ModelBusy, ModelRefused, Timeouts
from storage.clock import SystemClock
from storage.faults import Step, calling

MANY_WAITING = 100
RECENT = timedelta(hours=1)

_T = TypeVar("_T")


async def telegram(settings: Settings) -> list[Finding]:
    """Look at the bot's token, and at how its updates come."""
    if settings.telegram_bot_token is None:
        return [ok("telegram", "It is off: no TELEGRAM_BOT_TOKEN is set.")]
    token = settings.telegram_bot_token.get_secret_value()
    try:
        username = await proofs.telegram(token, settings.telegram_api_url)
    except proofs.Unproven as error:
        return [problem("telegram", str(error))]
    found = [ok("telegram", f"@{username} answers.")]
    status, answer = await _get(f"{settings.telegram_api_url}/bot{token}/getWebhookInfo")
    info = answer.get("result")
    if status != 200 or not isinstance(info, dict):
        return [
            *found,
            warning("updates", f"Telegram did not say how updates come (status {status}): try again later."),
        ]
    return found + _updates(settings, info)


def _updates(settings: Settings, info: Mapping[str, Any]) -> list[Finding]:
    url, waiting = str(info.get("url") or ""), int(info.get("pending_update_count") or 0)
    found = [_route(settings, url, f"{waiting} {'update waits' if waiting == 1 else 'updates wait'}.")]
    if waiting > MANY_WAITING:
        text = f"{waiting} updates wait at Telegram: see that Prowex runs; Telegram drops them after 24 hours."
        found.append(warning("updates", text))
    at, message = info.get("last_error_date"), str(info.get("last_error_message") or "")
    if url and message and isinstance(at, int):
        moment = datetime.fromtimestamp(at, UTC)
        if SystemClock().now() - moment < RECENT:
            said = "".join(letter for letter in message[:200] if letter.isprintable())
            text = f"Telegram's last call failed at {moment:%H:%M} UTC: “{said}”. See that {_host(url)} leads here."
            found.append(warning("webhook", text))
    return found


def _route(settings: Settings, url: str, waiting: str) -> Finding:
    """Compare how updates come with how they should."""
    if settings.telegram_webhook_url is None:
        if url:
            text = f"A webhook is set at {_host(url)}, so polling gets nothing. `prowex run` removes it; if another"
            return warning("updates", f"{text} program needs it, give that one a bot of its own. {waiting}")
        return ok("updates", f"They come by polling. {waiting}")
    from bot.telegram import webhook_url

    if url == webhook_url(settings):
        return ok("updates", f"They come by the webhook at {_host(url)}. {waiting}")
    now = f"the webhook at {_host(url)}, not the one in TELEGRAM_WEBHOOK_URL" if url else "no webhook"
    return warning("updates", f"Telegram has {now}: `prowex run` sets it; if it runs, restart it. {waiting}")


def _host(url: str) -> str:
    return urlsplit(url).netloc or "an unknown address"


async def slack(settings: Settings) -> list[Finding]:
    """Look at the Slack app's tokens, and at how its events come."""
    if settings.slack_bot_token is None:
        return [ok("slack", "It is off: no SLACK_BOT_TOKEN is set.")]
    bot, events = await _side_by_side([_slack_bot(settings), _slack_events(settings)])
    return [bot, events]


async def _slack_bot(settings: Settings) -> Finding:
    from channels.slack import doctor

    assert settings.slack_bot_token is not None
    try:
        bot = await doctor.bot_of(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
    except (doctor.Unaccepted, doctor.Unanswered) as error:
        return problem("slack", str(error))
    if bot.lacks:
        text = f"@{bot.name} in {bot.workspace} answers, but the app lacks scopes: {', '.join(bot.lacks)}. Give it the"
        return warning("slack", f"{text} manifest that `prowex slack-manifest` prints, and install it anew.")
    return ok("slack", f"@{bot.name} in {bot.workspace} answers.")


async def _slack_events(settings: Settings) -> Finding:
    name = "slack events"
    if settings.slack_app_token is None:
        if settings.public_url is None:
            text = "They come by calls to /hooks/slack, but PROWEX_PUBLIC_URL is not set: set it, and give Slack the"
            return warning(name, f"{text} address as Request URL; or set SLACK_APP_TOKEN, which needs none.")
        return ok(name, f"They come by calls to {settings.public_url}/hooks/slack.")
    try:
        await proofs.slack_app(settings.slack_app_token.get_secret_value(), settings.slack_api_url)
    except proofs.Unproven as error:
        return problem(name, str(error))
    return ok(name, "They come by Socket Mode, which needs no public address.")


async def models(settings: Settings) -> list[Finding]:
    """Ask each provider that is set, for real."""
    catalogue = catalogue_of(settings, Timeouts(connect=min(settings.model_connect_seconds, SECONDS)))
    try:
        asked = [name for name in catalogue.usable if name != "offline"]
        found = await _side_by_side(_model(catalogue, name) for name in asked)
        default = catalogue.default
    finally:
        await catalogue.close()
    if not asked:
        text = "No provider's key is set, so the offline model answers from the handbook: set OPENAI_API_KEY,"
        return [ok("model", f"{text} ANTHROPIC_API_KEY or GEMINI_API_KEY to change it.")]
    return [*found, ok("default model", f"Agents that name none use {default}.")]


async def _model(catalogue: Catalogue, name: str) -> Finding:
    check = f"model {name}"
    model, _ = catalogue.get(name)
    try:
        async with asyncio.timeout(SECONDS):
            return ok(check, f"{(await model.check()).rstrip('.')}.")
    except ModelBusy as busy:
        return problem(check, f"No answer: {busy.reason}. Check the network and the address, or try again later.")
    except ModelRefused as refusal:
        return problem(check, f"{refusal.reason[:1].upper()}{refusal.reason[1:]}. Check the key and the model's name.")
    except TimeoutError:
        return problem(check, f"No answer within {SECONDS:.0f} s. Check the network and the address.")


async def clock(settings: Settings) -> list[Finding]:
    """Compare our clock with that of the servers we talk to."""
    urls = [settings.telegram_api_url] if settings.telegram_bot_token else []
    urls += [f"{settings.slack_api_url}api.test"] if settings.slack_bot_token else []
    if settings.openai_api_key or settings.openai_base_url:
        urls.append(f"{settings.openai_base_url or proofs.OPENAI_URL}/models")
    urls += [proofs.anthropic_models(settings.anthropic_base_url)] if settings.anthropic_api_key else []
    urls += [proofs.google_models(settings.google_base_url)] if settings.google_key else []
    apart = [seconds for seconds in await _side_by_side(map(_apart, urls)) if seconds is not None]
    if not apart:
        return [ok("clock", "No server outside told its time, so ours was not compared.")]
    nearest = min(apart, key=abs)
    if abs(nearest) <= FARTHEST_SECONDS:
        return [ok("clock", "This machine's clock agrees with that of the servers outside.")]
    how = "behind" if nearest > 0 else "ahead of"
    text = f"This machine's clock is {abs(nearest):.0f} s {how} the servers outside. Let it be set by NTP."
    return [warning("clock", text)]


async def _apart(url: str) -> float | None:
    """Return by how many seconds a server's clock is ahead of ours, from the Date header of any answer it gives."""
    clock = SystemClock()
    began = clock.now()
    try:
        async with (
            calling(Step.CALL_FETCH),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS - 1), trust_env=True) as client,
            client.get(url, allow_redirects=False) as response,
        ):
            theirs = parsedate_to_datetime(response.headers["Date"])
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
        return None
    return (theirs - began - (clock.now() - began) / 2).total_seconds()


async def _get(url: str) -> tuple[int, dict[str, Any]]:
    """Return the status (0 if there was no answer) and the JSON object of the answer, {} where it is none."""
    try:
        async with (
            calling(Step.CALL_FETCH),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS - 1), trust_env=True) as client,
            client.get(url, allow_redirects=False) as response,
        ):
            answer = await response.json(content_type=None)
            return response.status, answer if isinstance(answer, dict) else {}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return 0, {}


async def _side_by_side(coroutines: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]
