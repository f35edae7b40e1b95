"""What is looked at on this machine: Python, the data folder, the disk, the port, the public address."""

import asyncio
import errno
import os
import platform
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bot import __version__
from bot.checks import Finding, ok, problem, warning
from bot.settings import Settings, local
from storage.faults import Step, calling

OLDEST_PYTHON = (3, 11)
LITTLE_BYTES = 1 << 30
TOO_LITTLE_BYTES = 100 << 20

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def python() -> Finding:
    """Look at the interpreter."""
    running = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return problem("python", f"Python {running} is too old: install Python 3.11 or newer.")
    return ok("python", f"Prowex {__version__} on Python {running}.")


async def data_folder(settings: Settings) -> list[Finding]:
    """Look at the folder that everything is in, and at the room on its disk."""
    return await asyncio.to_thread(lambda: [_folder(settings.data_dir), _room(settings.data_dir)])


def _folder(folder: Path) -> Finding:
    name = "data folder"
    try:
        if not folder.exists():
            if os.access(_nearest(folder), os.W_OK | os.X_OK):
                return ok(name, f"{folder} is not there yet; the first start makes it.")
            return problem(name, f"{folder} is not there and can't be made: let Prowex write to {_nearest(folder)}.")
        if not folder.is_dir():
            return problem(name, f"{folder} is not a folder: move it away, or set PROWEX_DATA_DIR to another place.")
        with tempfile.TemporaryFile(dir=folder):
            pass
        mode = folder.stat().st_mode & 0o777
    except OSError as error:
        return problem(name, f"{folder} can't be written to ({error.strerror}): let Prowex write there.")
    if mode & 0o077:
        return warning(name, f"Others on this machine can look into {folder} (mode {mode:o}). Run: chmod 700 {folder}")
    return ok(name, f"{folder} can be written to, by you alone.")


def _nearest(folder: Path) -> Path:
    return next(parent for parent in folder.parents if parent.exists())


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder if folder.exists() else _nearest(folder)).free
    text = f"{size(free)} are free where {folder} is"
    if free < TOO_LITTLE_BYTES:
        return problem("disk", f"Only {text}, too little to go on: make room.")
    if free < LITTLE_BYTES:
        return warning("disk", f"Only {text}: make room before it runs out.")
    return ok("disk", f"{text}.")


def size(count: int) -> str:
    """Return a number of bytes as people write it: `3.4 GiB`."""
    amount, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 100 else f"{amount:.1f} {unit}"


async def web(settings: Settings) -> list[Finding]:
    """Look at the port, and at the address that people use."""
    serving, port = await _port(settings)
    return [port, await _public(settings, serving=serving)]


async def _port(settings: Settings) -> tuple[bool, Finding]:
    """Return whether Prowex serves there now, and the finding."""
    host, port, name = settings.host, settings.port, "web port"
    if port == 0:
        return False, ok(name, f"The web page takes any free port of {host} at each start.")
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except socket.gaierror:
        return False, problem(
            name, f"PROWEX_HOST, {host}, is no address that is known here: write 127.0.0.1, or 0.0.0.0."
        )
    except OSError as error:
        return await _occupied(settings, error)
    server.close()
    await server.wait_closed()
    return False, ok(name, f"Port {port} of {host} is free; nothing serves there at the moment.")


async def _occupied(settings: Settings, error: OSError) -> tuple[bool, Finding]:
    host, port, name = settings.host, settings.port, "web port"
    if error.errno == errno.EADDRNOTAVAIL:
        return False, problem(name, f"PROWEX_HOST, {host}, is not an address of this machine: write one that is.")
    if error.errno == errno.EACCES:
        return False, problem(name, f"Prowex may not listen on port {port}: set PROWEX_PORT to 1024 or more.")
    answer = await _readiness(f"http://{local(host)}:{port}/readyz")
    if answer is None:
        return False, problem(name, f"Another program holds port {port} of {host}: stop it, or set PROWEX_PORT.")
    if answer:
        return True, ok(name, f"Prowex serves on port {port} of {host} and is ready.")
    return True, warning(name, f"Prowex serves on port {port} of {host} but is not ready: `prowex status` says why.")


async def _readiness(url: str) -> bool | None:
    """Return whether the Prowex that serves there is ready; None if it isn't Prowex."""
    try:
        async with (
            calling(Step.CALL_FETCH),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=6)) as client,
            client.get(url, allow_redirects=False) as response,
        ):
            answer = await response.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("ready"), bool):
        return None
    return bool(answer["ready"])


async def _public(settings: Settings, *, serving: bool) -> Finding:
    name, url = "public address", settings.public_url
    if url is None:
        if settings.host in _LOOPBACK:
            return ok(name, "None is set: the web page is for this machine alone.")
        return warning(name, "PROWEX_PUBLIC_URL is not set: links can't name an address that people reach. Set it.")
    parts = urlsplit(url)
    if parts.path:
        return problem(name, f"PROWEX_PUBLIC_URL has a path ({parts.path}): give Prowex a host name of its own.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return warning(name, f"{url} is not encrypted, passwords neither: put HTTPS before it and write https://.")
    if not serving:
        return ok(name, f"{url}; it was not tried, because nothing serves at the moment.")
    return await _reached(url)


async def _reached(url: str) -> Finding:
    try:
        async with (
            calling(Step.CALL_FETCH),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8), trust_env=True) as client,
            client.get(f"{url}/healthz", allow_redirects=False) as response,
        ):
            status = response.status
    except aiohttp.ClientSSLError:
        return problem("public address", f"{url} has no valid certificate: renew it where HTTPS ends.")
    except (aiohttp.ClientError, TimeoutError, OSError):
        return warning("public address", f"{url} can't be reached from here: check its DNS name, proxy and firewall.")
    if status != 200:
        return problem(
            "public address", f"{url} answers with status {status}, and not Prowex: check where the proxy sends it."
        )
    return ok("public address", f"{url} leads here.")
