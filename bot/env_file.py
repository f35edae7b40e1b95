"""Writing `.env`: other lines and comments stay, and a crash leaves the old file or the new one, never half of one."""

import io
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

_PLAIN = re.compile(r"[\w./:@%+=,~?&*!-]+")


def update(path: Path, values: Mapping[str, str]) -> None:
    """Set `values` in the file `path`, which is made if there is none and is readable by its owner alone afterwards."""
    path = path.resolve()
    old = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    new = rewritten(old, values)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def rewritten(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a `.env` file with `values` set: in place where a name is set already, else at the end."""
    lines = []
    left = dict(values)
    with_last_break = text if not text or text.endswith("\n") else text + "\n"
    for binding in parse_stream(io.StringIO(with_last_break)):
        whole = binding.original.string
        if binding.key is None or binding.key not in values:
            lines.append(whole)
            continue
        lines.append(whole[: len(whole) - len(whole.lstrip())])  # the empty lines before it
        if binding.key in left:
            export = "export " if whole.lstrip().startswith("export ") else ""
            lines.append(f"{export}{binding.key}={_quoted(left.pop(binding.key))}\n")
    return "".join(lines) + "".join(f"{name}={_quoted(value)}\n" for name, value in left.items())


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
