"""`prowex status`: ask the running service how it is. Exit status 0 if it is well."""

import argparse
import json
import sys

import aiohttp

from bot.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the answer."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Print what `/readyz` says; return 0 if all is well, else 1."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - where to ask
    url = f"http://{host}:{settings.port}/readyz"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client,
            client.get(url) as response,
        ):
            well, answer = response.status == 200, await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        well, answer = False, {"service": f"No answer at {url}: start it with `prowex run`."}
    if args.json:
        sys.stdout.write(json.dumps({"ready": well, **answer}) + "\n")
        return 0 if well else 1
    sys.stdout.write("Prowex is ready.\n" if well else "Prowex is not ready.\n")
    checks = answer.get("checks", answer)
    for name, problem in checks.items() if isinstance(checks, dict) else ():
        sys.stdout.write(f"  {name}: {problem or 'ok'}\n")
    return 0 if well else 1
