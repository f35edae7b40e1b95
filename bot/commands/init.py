"""`prowex init`: ask for tokens and keys, try each for real, write `.env`, make the data folder."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot import env_file, proofs
from bot.environment import gather
from bot.questions import ask as asked
from bot.settings import Settings, SettingsError, is_secret, variable
from bot.stop import Stop

_FLAGS = (
    "telegram_api_url",
    "slack_api_url",
    "openai_base_url",
    "anthropic_base_url",
    "google_base_url",
    "default_model",
    "public_url",
    "data_dir",
)
_SECRETS = (
    "telegram_bot_token",
    "slack_bot_token",
    "slack_app_token",
    "slack_signing_secret",
    "openai_api_key",
    "anthropic_api_key",
    "gemini_api_key",
    "google_api_key",
)
_TAKEN = (*_SECRETS, *_FLAGS)
_ELSEWHERE = {
    "slack_bot_token": {"SLACK_SIGNING_SECRET": "0" * 32},
    "slack_app_token": {"SLACK_BOT_TOKEN": "xoxb-set-elsewhere"},
    "slack_signing_secret": {"SLACK_BOT_TOKEN": "xoxb-set-elsewhere"},
    "default_model": {"OPENAI_API_KEY": "set-1", "ANTHROPIC_API_KEY": "set-2", "GEMINI_API_KEY": "set-3"},
}
"""What a value needs beside it to be valid; stands for what is asked for in its own question."""

_Prove = Callable[[str], Awaitable[str]]


def add_arguments(parser: ArgumentParser) -> None:
    """Take what is no secret as flags; secrets come from the terminal, the environment or a file."""
    parser.add_argument(
        "--non-interactive",
        action="store_true",
        help="ask nothing; take the tokens and keys (or …_FILE) and the rest from the environment",
    )
    parser.add_argument("--no-check", action="store_true", help="try no token and no key")
    for field in _FLAGS:
        flag = "--" + field.replace("_", "-")
        parser.add_argument(flag, metavar="VALUE", help=f"sets {variable(field)}")


async def main(args: Namespace, settings: None) -> int:
    """Write what was given or answered; nothing is written unless all of it is right."""
    path = Path(args.env_file)
    values, problems, _ = gather(path, os.environ)
    if problems:
        raise SettingsError(problems)
    changes = {field: value for field in _FLAGS if (value := (getattr(args, field) or "").strip())}
    if args.non_interactive:
        given = {field: os.environ.get(variable(field), "").strip() for field in _TAKEN}
        changes = {field: value for field, value in given.items() if value} | changes
        if not args.no_check:
            await _prove_all(values | changes)
    elif not sys.stdin.isatty():
        raise Stop("`prowex init` asks questions and needs a terminal; add --non-interactive to answer by settings.")
    else:
        await _interview(values, changes, check=not args.no_check)
    result = Settings.load(None, {variable(field): value for field, value in (values | changes).items()})
    try:
        result.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        env_file.update(path, {variable(field): value for field, value in changes.items()})
    except OSError as error:
        raise Stop(f"{error.filename or path} can't be written ({error.strerror}); check who owns it.") from None
    _farewell(path, result)
    return 0


async def _prove_all(values: dict[str, str]) -> None:
    try:
        for field, prove in _proofs(values).items():
            value = values.get(field, "")
            if not value and not (field == "openai_api_key" and "openai_base_url" in values):
                continue
            problem = _problem(field, value) if value else ""
            if problem:
                raise SettingsError([problem])
            print(f"{_WHAT[field]}:", await prove(value))
    except proofs.Unproven as error:
        raise Stop(f"{error} Nothing was written.") from None


_WHAT = {
    "telegram_bot_token": "Telegram",
    "slack_bot_token": "Slack",
    "slack_app_token": "Slack's connection",
    "openai_api_key": "OpenAI",
    "anthropic_api_key": "Anthropic",
    "gemini_api_key": "Google",
    "google_api_key": "Google",
}


def _proofs(values: dict[str, str]) -> dict[str, _Prove]:
    """Return how each secret is tried, at the addresses in `values`."""

    def address(field: str) -> str:
        known = Settings.load(None, {variable(field): values.get(field, "")})
        return str(getattr(known, field) or "")

    async def telegram(token: str) -> str:
        name = await proofs.telegram(token, address("telegram_api_url"))
        return f"it works, this is @{name}: https://t.me/{name}"

    async def slack(token: str) -> str:
        return f"it works, this is {await proofs.slack(token, address('slack_api_url'))}"

    async def slack_app(token: str) -> str:
        await proofs.slack_app(token, address("slack_api_url"))
        return "it works, no public address is needed"

    async def openai(key: str) -> str:
        return _told(await proofs.openai(key or None, address("openai_base_url") or None))

    async def anthropic(key: str) -> str:
        return _told(await proofs.anthropic(key, address("anthropic_base_url") or None))

    async def google(key: str) -> str:
        return _told(await proofs.google(key, address("google_base_url") or None))

    return {
        "telegram_bot_token": telegram,
        "slack_bot_token": slack,
        "slack_app_token": slack_app,
        "openai_api_key": openai,
        "anthropic_api_key": anthropic,
        "gemini_api_key": google,
        "google_api_key": google,
    }


def _told(models: list[str]) -> str:
    shown = ", ".join(models[:5]) + (" …" if len(models) > 5 else "")
    return f"it works and offers {len(models)} models: {shown}" if models else "it works, but offers no model"


async def _interview(values: dict[str, str], changes: dict[str, str], *, check: bool) -> None:
    """Ask for each setting and add the answers to `changes`."""
    print("Press Enter to leave a question out, or to keep what is set. Secrets are not shown as you type.\n")

    async def ask(field: str, question: str) -> str:
        prove = _proofs(values | changes).get(field) if check else None
        await _ask_until_right(field, question, values, changes, prove)
        return (values | changes).get(field, "")

    await ask("telegram_bot_token", "Telegram bot token (from @BotFather)")
    if await ask("slack_bot_token", "Slack bot token (xoxb-…, OAuth & Permissions at api.slack.com/apps)"):
        while not (
            await ask("slack_app_token", "Slack app-level token (xapp-…; none: Slack calls a public address)")
            or await ask("slack_signing_secret", "Slack signing secret (Basic Information)")
        ):
            print("  Slack needs one of the two.")
    await ask("openai_base_url", "Address of a server that speaks OpenAI's language (none: OpenAI itself)")
    await ask("openai_api_key", "API key for OpenAI or that server")
    await ask("anthropic_api_key", "API key for Anthropic")
    old_name = "google_api_key" in values and "gemini_api_key" not in values
    await ask("google_api_key" if old_name else "gemini_api_key", "API key for Google (of a project that pays)")
    known = values | changes
    if check and "openai_base_url" in known and "openai_api_key" not in known:
        await _tell(_proofs(known)["openai_api_key"], "")
    providers = [name for name in ("openai", "anthropic", "gemini", "google") if f"{name}_api_key" in known]
    if "openai_base_url" in known or len(providers) > 1:
        await ask("default_model", "Model to use, as PROVIDER:NAME, such as openai:NAME")
    await ask("public_url", "Public address of the web page (none: this machine only)")


async def _ask_until_right(
    field: str, question: str, values: dict[str, str], changes: dict[str, str], prove: _Prove | None
) -> None:
    known = values | changes
    while True:
        answer = _read(f"{question}{' [keep]' if field in known else ''}: ", secret=is_secret(field))
        value = answer or known.get(field, "")
        if not value:
            return
        problem = _problem(field, value)
        if problem:
            print(f"  {problem}")
            continue
        if prove is None or await _tell(prove, value):
            changes.update({field: answer} if answer else {})
            return


def _problem(field: str, value: str) -> str:
    """Return what is wrong with `value` by itself, or an empty text."""
    try:
        Settings.load(None, {variable(field): value} | _ELSEWHERE.get(field, {}))
    except SettingsError as error:
        return str(error)
    return ""


async def _tell(prove: _Prove, value: str) -> bool:
    """Try `value`, say how it went, and return whether to go on with it."""
    try:
        print(f"  {await prove(value)}")
    except proofs.Rejected as error:
        print(f"  {error}")
        return False
    except proofs.Unreachable as error:
        print(f"  {error}")
        return _read("  Go on with it all the same? [y/N] ", secret=False).lower() in ("y", "yes")
    return True


def _read(prompt: str, *, secret: bool) -> str:
    try:
        return asked(prompt, secret=secret)
    except EOFError:
        raise Stop("No answer; nothing was written.") from None


def _farewell(path: Path, settings: Settings) -> None:
    print(f"""
{path} holds your settings, readable by you alone. {settings.data_dir} will hold everything Prowex keeps.

All of it is sealed with the keys in
    {settings.key_ring}
which the first start makes. WHOEVER LOSES THIS FILE LOSES EVERYTHING: no copy of the database is of any use without
it. Keep a copy in a safe place, apart from the backups that `prowex backup` makes.

Next: `prowex run` starts the service, `prowex doctor` checks it, `prowex chat` talks to it right here.""")
