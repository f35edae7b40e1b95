"""`prowex status`: ask the running service how it is. Exit status 0 if it is well."""

import argparse
import json
import sys
from typing import Any

import aiohttp

from bot.settings import Settings, local

_SECONDS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the answer."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Print what `/readyz` says; return 0 if all is well, else 1."""
    head, answer = await _ask(settings)
    if args.json:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        checks = "".join(f"  {name}: {state}\n" for name, state in answer["checks"].items() if name != "service")
        sys.stdout.write(f"{head}\n{checks}")
    return 0 if answer["ready"] else 1


async def _ask(settings: Settings) -> tuple[str, dict[str, Any]]:
    """Return a sentence and the service's answer, or what stands for it if there is none."""
    if settings.port == 0:
        return _none("PROWEX_PORT is 0, so nobody knows where it listens: set it to a number to ask.")
    url = f"http://{local(settings.host)}:{settings.port}/readyz"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as client,
            client.get(url, allow_redirects=False) as response,
        ):
            answer = await response.json()
            ready, checks = bool(answer["ready"]), dict(answer["checks"])
    except aiohttp.ClientConnectorError:
        return _none(f"Prowex does not run: nothing listens at {url}. Start it with `prowex run`.")
    except TimeoutError:
        return _none(f"Prowex does not answer at {url} within {_SECONDS} s. Look at its log, or restart it.")
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        return _none(f"What answers at {url} is not Prowex. Stop that program, or set PROWEX_PORT.")
    return f"Prowex is {'ready' if ready else 'not ready'}.", {"ready": ready, "checks": checks}


def _none(sentence: str) -> tuple[str, dict[str, Any]]:
    return sentence, {"ready": False, "checks": {"service": sentence}}
