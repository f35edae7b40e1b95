"""`prowex init`: ask for tokens and keys, try each for real, write `.env`, make the data folder."""

import getpass
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot import env_file, proofs
from bot.environment import gather
from bot.settings import Settings, SettingsError, is_secret, variable
from bot.stop import Stop

_FLAGS = ("telegram_api_url", "openai_base_url", "default_model", "public_url", "data_dir")
_TAKEN = ("telegram_bot_token", "openai_api_key", *_FLAGS)

_Prove = Callable[[str], Awaitable[str]]


def add_arguments(parser: ArgumentParser) -> None:
    """Take what is no secret as flags; secrets come from the terminal, the environment or a file."""
    parser.add_argument(
        "--non-interactive",
        action="store_true",
        help="ask nothing; take TELEGRAM_BOT_TOKEN, OPENAI_API_KEY (or …_FILE) and the rest from the environment",
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
        env_file.update(path, {variable(field): value for field, value in changes.items()})
        result.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(f"{error.filename or path} can't be written ({error.strerror}); check who owns it.") from None
    _farewell(path, result)
    return 0


async def _prove_all(values: dict[str, str]) -> None:
    try:
        if "telegram_bot_token" in values:
            print("Telegram:", await _prove_telegram(values)(values["telegram_bot_token"]))
        if "openai_api_key" in values or "openai_base_url" in values:
            print("Model:", await _prove_openai(values)(values.get("openai_api_key", "")))
    except proofs.Unproven as error:
        raise Stop(f"{error} Nothing was written.") from None


def _prove_telegram(values: dict[str, str]) -> _Prove:
    async def prove(token: str) -> str:
        known = Settings.load(None, _as_environ(values | {"telegram_bot_token": token}, "telegram_"))
        name = await proofs.telegram(token, known.telegram_api_url)
        return f"it works, this is @{name}: https://t.me/{name}"

    return prove


def _prove_openai(values: dict[str, str]) -> _Prove:
    async def prove(key: str) -> str:
        known = Settings.load(None, _as_environ(values | {"openai_api_key": key}, "openai_"))
        models = await proofs.openai(key or None, known.openai_base_url)
        shown = ", ".join(models[:5]) + (" …" if len(models) > 5 else "")
        return f"it works and offers {len(models)} models: {shown}" if models else "it works, but offers no model"

    return prove


def _as_environ(values: dict[str, str], family: str) -> dict[str, str]:
    own = {variable(field): value for field, value in values.items() if field.startswith(family)}
    own.pop("TELEGRAM_WEBHOOK_URL", None)
    return own


async def _interview(values: dict[str, str], changes: dict[str, str], *, check: bool) -> None:
    """Ask for each setting and add the answers to `changes`."""
    print("Press Enter to leave a question out, or to keep what is set. Secrets are not shown as you type.\n")

    async def ask(field: str, question: str, prove: _Prove | None) -> None:
        await _ask_until_right(field, question, values, changes, prove if check else None)

    await ask("telegram_bot_token", "Telegram bot token (from @BotFather)", _prove_telegram(values | changes))
    await ask("openai_base_url", "Address of a server that speaks OpenAI's language (none: OpenAI itself)", None)
    await ask("openai_api_key", "API key for OpenAI or that server", _prove_openai(values | changes))
    known = values | changes
    if "openai_base_url" in known:
        if check and "openai_api_key" not in known:
            await _tell(_prove_openai(known), "")
        await ask("default_model", "Model to use, as openai:NAME", None)
    await ask("public_url", "Public address of the web page (none: this machine only)", None)


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
    alone = {variable(field): value}
    if field == "default_model":
        alone["OPENAI_API_KEY"] = "set-elsewhere"
    try:
        Settings.load(None, alone)
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
        return (getpass.getpass(prompt) if secret else input(prompt)).strip()
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
