"""The app is allowed exactly what is used."""

import ast
import json
from pathlib import Path

import pytest

from bot.cli import main
from channels.slack.manifest import EVENTS, FEATURES, METHODS, manifest, scopes
from channels.slack.menu import MENU, MENU_ANYWHERE

HOME = Path(__file__).parents[3] / "channels" / "slack"


def called() -> set[str]:
    """Return the Web API's methods that channels/slack calls, as slack_sdk's client names them."""
    found = set()
    for path in HOME.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if (isinstance(owner, ast.Name) and owner.id == "client") or (
                isinstance(owner, ast.Attribute) and owner.attr == "_client"
            ):
                found.add(node.func.attr)
    return found


def test_every_method_that_is_called_is_listed_and_no_other() -> None:
    named = {name.replace(".", "_") for name in METHODS}
    assert called() == named


def test_the_client_has_every_method_that_is_listed() -> None:
    from slack_sdk.web.async_client import AsyncWebClient

    for name in METHODS:
        assert callable(getattr(AsyncWebClient, name.replace(".", "_")))


def test_every_event_that_is_subscribed_is_read_and_no_other() -> None:
    text = (HOME / "receive.py").read_text()
    for event in EVENTS:
        assert f'"{event.partition(".")[0]}"' in text
    kinds = {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.endswith(("_mention", "_channel"))
    }
    assert kinds <= set(EVENTS)


def test_each_scope_is_needed_by_something() -> None:
    needed = {scope for each in (*METHODS.values(), *EVENTS.values()) for scope in each} | set(FEATURES)
    assert set(scopes()) == needed
    assert "chat:write.public" not in needed


def test_without_an_address_it_is_socket_mode() -> None:
    made = manifest("")
    assert made["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in json.dumps(made)
    assert "url" not in made["features"]["slash_commands"][0]


def test_with_an_address_slack_calls_us_there_for_everything() -> None:
    made = manifest("https://prowex.example.org")
    url = "https://prowex.example.org/hooks/slack"
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["event_subscriptions"]["request_url"] == url
    assert made["settings"]["interactivity"]["request_url"] == url
    assert made["features"]["slash_commands"][0]["url"] == url


def test_it_is_within_slacks_limits() -> None:
    made = manifest("")
    assert len(made["display_information"]["description"]) <= 140
    assert [one["callback_id"] for one in made["features"]["shortcuts"]] == [MENU, MENU_ANYWHERE]
    assert all(len(one["name"]) <= 24 and len(one["description"]) <= 150 for one in made["features"]["shortcuts"])
    assert 1 <= len(made["features"]["assistant_view"]["suggested_prompts"]) <= 4


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slack-manifest", "--public-url", "https://prowex.example.org/"]) == 0
    assert json.loads(capsys.readouterr().out) == manifest("https://prowex.example.org")


@pytest.mark.parametrize(
    "address",
    ["http://prowex.example.org", "https://", "https://u:p@prowex.example.org", "https://prowex.example.org/?a=b"],
)
def test_an_address_that_slack_would_not_call_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slack-manifest", "--public-url", address]) != 0
    assert "https://" in capsys.readouterr().err
