"""`prowex slack-manifest`: print what makes the Slack app, allowed exactly what Prowex uses."""

import argparse
import json
import sys
from urllib.parse import urlsplit

from bot.stop import Stop
from channels.slack.manifest import manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the public address, without which Socket Mode is used."""
    parser.add_argument(
        "--public-url",
        metavar="URL",
        help="the public https address of this installation, for Slack to call; without it Socket Mode is used",
    )


async def main(args: argparse.Namespace, settings: None) -> int:
    """Print the manifest as JSON."""
    url = (args.public_url or "").strip().rstrip("/")
    parts = urlsplit(url)
    if url and (parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment):
        raise Stop("--public-url must be https:// and a host, because Slack calls nothing else.")
    sys.stdout.write(json.dumps(manifest(url), indent=2) + "\n")
    return 0
