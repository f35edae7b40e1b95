"""What a log must never hold: secrets in any spelling, and the messages of errors that may quote people.

The first line of defence is that nobody logs such things. This is the second.
"""

import base64
import json
import re
import traceback
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"

_SHORTEST = 6
_DEEPEST = 8
_OURS = ("bot", "core", "channels", "storage", "migrations")
_HARMLESS = (
    AttributeError,
    ImportError,
    ModuleNotFoundError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
)
_NUMBERS = ("status_code", "status", "code", "sqlstate")

_SHAPES = re.compile(
    r"""
      (?P<keep>(?i:\bBearer|\bBasic)\s+(?!Information\b)(?=\S{8})|://(?=[^\s/@]*:))
                                                          # a scheme stays, not what follows; that is a page at Slack
      (?:(?<=://)[^\s/@]+(?=@)|(?<!://)[^\s"',;<>]+)
    | \d{6,}(?::|%3[Aa])[\w-]{30,}                        # Telegram bot token
    | \bsk-[\w-]{8,}                                      # OpenAI, Anthropic
    | \bxox[a-z]-[\w-]{8,} | \bxapp-[\w-]{8,}             # Slack
    | \bAIza[\w-]{30,}                                    # Google
    """,
    re.VERBOSE,
)


class _Registered:
    """The exact secrets of this process, in every spelling that a log could show."""

    def __init__(self) -> None:
        self.spellings: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        self.spellings.update(text for text in _spellings(secret) if len(text) >= _SHORTEST)
        longest_first = sorted(self.spellings, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


_registered = _Registered()


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    raw = secret.encode()
    yield raw.hex()
    for before in range(3):  # where the secret begins within base64's groups of three bytes
        whole = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        certain = whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        yield certain
        yield certain.replace("+", "-").replace("/", "_")


def register_secret(secret: str) -> None:
    """Hide `secret` in everything that is logged from now on, also URL-encoded, in base64 and in hex.

    One of fewer than six characters can't be told from ordinary text and is not hidden.
    """
    if len(secret) >= _SHORTEST:
        _registered.add(secret)


def redact(text: str) -> str:
    """Return `text` with every registered secret, and whatever has the shape of a secret, hidden."""
    if _registered.pattern is not None:
        text = _registered.pattern.sub(HIDDEN, text)
    return _SHAPES.sub(lambda found: (found["keep"] or "") + HIDDEN, text)


def describe(error: BaseException) -> str:
    """Return what is safe to log about `error`: its type, and its message only if that can't quote anybody.

    Errors of other people's packages quote what they were given (a prompt, a row, an address with a token in it).
    Ours never do.
    """
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return redact(f"{name}: {error.strerror} (errno {error.errno})")
    if kind in _HARMLESS or kind.__module__.partition(".")[0] in (*_OURS, "sqlite3"):
        message = str(error)
        return redact(f"{name}: {message}" if message else name)
    facts = [(each, getattr(error, each, None)) for each in _NUMBERS]
    known = [f"{each} {value}" for each, value in facts if isinstance(value, int) or (each == "sqlstate" and value)]
    return f"{name} ({', '.join(known)})" if known else name


def describe_traceback(error: BaseException, depth: int = 0) -> list[str]:
    """Return the lines of `error`'s traceback and of what caused it: places and source, no values, no messages."""
    lines: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _DEEPEST:
        lines += [*describe_traceback(cause, depth + 1), "which led to:"]
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            lines.append(f"    {frame.line}")
    lines.append(describe(error))
    if isinstance(error, BaseExceptionGroup) and depth < _DEEPEST:
        for number, member in enumerate(error.exceptions, 1):
            lines.append(f"  [{number}]")
            lines += [f"  {line}" for line in describe_traceback(member, depth + 1)]
    return [redact(line) for line in lines]
