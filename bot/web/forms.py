"""What a browser sends, read within limits: anything malformed or too large is the sender's fault, never ours."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

FORM_BYTES = 64 * 1024
TEXT_CHARACTERS = 60_000
FILE_BYTES = 20 * 1024 * 1024
ALL_BYTES = 50 * 1024 * 1024
MOST_FILES = 10
MOST_FIELDS = 200
_FORM_SECONDS = 60
_UPLOAD_SECONDS = 600
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,40}/[a-z0-9][a-z0-9!#$&^_.+-]{0,57}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class TooMuch(Exception):
    """More was sent than is taken; the message says how much is, as a sentence."""


class Malformed(Exception):
    """What was sent can't be read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)
class Multipart:
    """Fields and files of a multipart form."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)


@asynccontextmanager
async def _reading(seconds: float) -> AsyncIterator[None]:
    """Turn whatever a hostile or broken body causes into `Malformed`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Malformed("It took too long to arrive. Please try again on a better connection.") from error
    except (
        web.RequestPayloadError, HttpProcessingError, ConnectionError, ValueError, LookupError, RuntimeError,
        AssertionError, EOFError,
    ) as error:  # fmt: skip
        raise Malformed("What your browser sent can't be read. Please reload the page and try again.") from error


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a plain form; of a repeated field the last.

    Raises:
        TooMuch, Malformed.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        if request.can_read_body:
            raise Malformed("What your browser sent can't be read. Please reload the page and try again.")
        return {}
    body = bytearray()
    async with _reading(_FORM_SECONDS):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > FORM_BYTES:
                break
        else:
            return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100))
    raise TooMuch("That was too long for this form.")


async def read_multipart(request: web.Request) -> Multipart:
    """Return the fields and files of a multipart form.

    Raises:
        TooMuch, Malformed.
    """
    if request.content_type != "multipart/form-data":
        raise Malformed("What your browser sent can't be read. Please reload the page and try again.")
    form, left, count = Multipart(), ALL_BYTES, 0
    async with _reading(_UPLOAD_SECONDS):
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise ValueError("a form within a form")
            if (count := count + 1) > MOST_FIELDS:
                raise TooMuch(f"A form may have up to {MOST_FIELDS} fields.")
            is_file = part.filename is not None
            data = await _read_part(part, min(left, FILE_BYTES if is_file else TEXT_CHARACTERS * 4))
            left -= len(data)
            if is_file:
                _add_file(form, part, data)
            elif part.name:
                form.fields[part.name] = data.decode("utf-8").replace("\r\n", "\n")
    return form


async def _read_part(part: BodyPartReader, most: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        data += chunk
        if len(data) > most:
            raise TooMuch(
                f"A file may have up to {FILE_BYTES // 1024**2} MB, all together up to {ALL_BYTES // 1024**2} MB, "
                f"and a text {TEXT_CHARACTERS:,} characters."
            )
    return bytes(data)


def _add_file(form: Multipart, part: BodyPartReader, data: bytes) -> None:
    if not data and not part.filename:
        return
    if len(form.files) >= MOST_FILES:
        raise TooMuch(f"One message may have up to {MOST_FILES} files. Please send the rest in another one.")
    media_type = part.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = "application/octet-stream"
    form.files.append(Upload(_file_name(part.filename or ""), media_type, data))


def _file_name(name: str) -> str:
    """Return the last part of a name that a browser gave, free of what could mislead a file system or a person."""
    bare = re.split(r"[/\\]", name.replace("%22", '"'))[-1]
    bare = "".join(letter for letter in bare if letter.isprintable()).strip().lstrip(".")
    return bare.encode("utf-8", "ignore").decode()[:150] or "file"


def clean(text: str) -> str:
    """Return `text` without control characters other than line ends and tabs."""
    return _CONTROL.sub("", text)
