"""The image and the compose file keep what they promise: no default secret, no root, time to finish, health checks."""

import json
import re
from pathlib import Path

import pytest
import yaml

from bot.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
LAST_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def instruction(name: str) -> str:
    (found,) = re.findall(rf"^{name} (.*)$", LAST_STAGE, re.MULTILINE)
    return found


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_the_process_gets_the_signal_itself_and_is_not_root():
    assert json.loads(instruction("ENTRYPOINT")) == ["prowex"]
    assert json.loads(instruction("CMD")) == ["run"]
    assert instruction("USER") == "prowex"
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_the_image_is_multi_stage_and_as_new_as_python_has_to_be():
    stages = re.findall(r"^FROM python:3\.(\d+)-slim", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    assert min(map(int, stages)) >= 11


def test_the_image_says_how_it_is():
    assert '["prowex", "status"]' in LAST_STAGE


def test_nothing_private_gets_into_the_image():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    assert not {"!.env", "!data", "!.git"} & set(lines)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names <= {line[1:] for line in lines if line[0] == "!"}
    assert {"bot", "channels", "core", "storage", "migrations"} <= names


def test_what_runs_stops_by_itself_before_it_is_stopped_by_force():
    drain = float(SERVICES["prowex"]["environment"]["PROWEX_DRAIN_SECONDS"])
    assert drain == Settings.model_fields["drain_seconds"].default
    for service in SERVICES.values():
        assert seconds(service["stop_grace_period"]) >= drain + 15


def test_no_secret_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()
    used = dict(re.findall(r"\$\{(\w+)([^}]*)\}", text))
    assert set(used) == {"POSTGRES_PASSWORD"}
    assert used["POSTGRES_PASSWORD"].startswith(":?")
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|TOKEN|SECRET|API_KEY", name):
                assert value.startswith("${"), name
    assert SERVICES["prowex"]["environment"]["DATABASE_URL"].startswith("postgres://prowex:${POSTGRES_PASSWORD:?")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_and_no_way_to_more_rights(name):
    assert SERVICES[name]["healthcheck"]["test"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]


def test_only_this_machine_reaches_the_ports():
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_has_to_last_is_on_volumes_and_the_key_ring_on_its_own():
    prowex = SERVICES["prowex"]
    places = dict(volume.split(":", 1) for volume in prowex["volumes"])
    assert set(places) | {"postgres"} == set(COMPOSE["volumes"])
    assert prowex["environment"]["PROWEX_DATA_DIR"] == places["data"]
    assert Path(prowex["environment"]["PROWEX_KEY_RING"]).parent == Path(places["keys"])


def test_prowex_waits_for_its_database():
    assert SERVICES["prowex"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_the_settings_in_the_compose_file_are_real_and_valid():
    given = {name: text.replace("${", "x") for name, text in SERVICES["prowex"]["environment"].items()}
    given["DATABASE_URL"] = re.sub(r"xPOSTGRES[^}]*\}", "secret-password", given["DATABASE_URL"])
    settings = Settings.load(None, given)
    assert settings.warnings == ()
    assert settings.database == "postgres://prowex:secret-password@postgres:5432/prowex"
