"""The wheel holds all that is needed, and runs from anywhere."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from bot import __version__

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "channels", "core", "migrations", "storage")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel in it; its dependencies are borrowed from this one."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, "--quiet", str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (site,) = home.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def run(installed: Path, cwd: Path, *command: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    done = subprocess.run(
        [str(installed / "bin" / command[0]), *command[1:]],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_installed_command_runs_in_another_folder(installed, tmp_path):
    assert run(installed, tmp_path, "prowex", "version").startswith(f"prowex {__version__} ")
    assert run(installed, tmp_path, "python", "-m", "bot", "version").startswith(f"prowex {__version__} ")
    where = run(installed, tmp_path, "python", "-c", "import bot, core; print(bot.__file__, core.__file__)")
    assert str(ROOT) not in where
    assert str(installed) in where


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == wanted
    assert any(name.startswith("migrations/") for name in held)
    assert any(name.startswith("core/handbook/") for name in held)


def test_the_wheel_says_what_it_is(wheel):
    files = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
    text = files.read(metadata).decode()
    assert "\nName: prowex\n" in text
    assert f"\nVersion: {__version__}\n" in text
    assert "\nRequires-Python: >=3.11\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files.namelist())
