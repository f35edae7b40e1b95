"""The PostgreSQL server that the tests bring along."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.clock import PATIENCE

START = """
import time
from tests.postgres import running_postgres
with running_postgres() as server:
    print(server.url("postgres"), flush=True)
    time.sleep(600)
"""


@pytest.mark.postgres
def test_tests_that_are_killed_leave_no_server_and_no_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", START]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        assert tests.stdout.readline().startswith("postgres://")
        [folder] = tmp_path.glob("prowex-postgres-*")
        server = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
        tests.send_signal(signal.SIGKILL)
    server.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
