"""Where settings come from (the environment, `.env`, files with secrets) and how they are written down for people."""

import difflib
import io
import stat
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream

from bot.settings import Settings, is_secret, variable

_NOT_SETTINGS = ("PROWEX_FAULT", "PROWEX_TEST_")
TABLE_BEGINS = "<!-- settings: renew with python -m bot.environment --write -->"
TABLE_ENDS = "<!-- end of settings -->"
_FAMILIES = ("PROWEX_", "TELEGRAM_", "SLACK_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_")


def gather(env_file: str | Path | None, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the values that are set by field name, sentences on what is wrong, and sentences on what looks wrong.

    The environment wins over `env_file`; in both, an empty value is no value.
    """
    problems: list[str] = []
    warnings: list[str] = []
    values: dict[str, str] = {}
    for source in (environ, _read(env_file, problems, warnings)):
        given = {name: text.strip() or text for name, text in source.items() if text}
        for field in [each for each in Settings.model_fields if each not in values]:
            value = _value(field, given, problems)
            if value is not None:
                values[field] = value
        warnings += _unknown(given)
    return values, problems, warnings


def _read(env_file: str | Path | None, problems: list[str], warnings: list[str]) -> dict[str, str]:
    if env_file is None:
        return {}
    path = Path(env_file)
    try:
        bindings = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(f"{path} can't be read ({error.strerror}); check who owns it.")
        return {}
    except UnicodeDecodeError:
        problems.append(f"{path} is not a text file in UTF-8; save it as one.")
        return {}
    problems += [f"Line {_line(each)} of {path} can't be read; write NAME=value." for each in bindings if each.error]
    found = {each.key: each.value for each in bindings if each.key}
    given = {name: value for name, value in found.items() if value}
    secret = any(variable(field) in given for field in Settings.model_fields if is_secret(field))
    if secret and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.append(f"{path} holds secrets and other users of this machine can read it: run `chmod 600 {path}`.")
    return given


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _value(field: str, given: Mapping[str, str], problems: list[str]) -> str | None:
    name = variable(field)
    if not is_secret(field):
        return (given.get(name) or "").strip() or None
    if f"{name}_FILE" not in given:
        return given.get(name)
    if name in given:
        problems.append(f"{name} and {name}_FILE are both set; leave one of them out.")
        return None
    try:
        text = Path(given[f"{name}_FILE"]).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        problems.append(f"{name}_FILE names a file that can't be read ({why}); write the path of a readable file.")
        return None
    if not text:
        problems.append(f"{name}_FILE names an empty file; write the secret into it, or leave the setting out.")
    return text or None


def _unknown(given: Mapping[str, str]) -> list[str]:
    known = [variable(field) for field in Settings.model_fields]
    known += [f"{variable(field)}_FILE" for field in Settings.model_fields if is_secret(field)]
    sentences = []
    for name in sorted(given):
        if name in known or not name.startswith(_FAMILIES) or name.startswith(_NOT_SETTINGS):
            continue
        near = difflib.get_close_matches(name, known, 1, 0.8)
        if near:
            sentences.append(f"{name} is not a setting and has no effect; did you mean {near[0]}?")
        elif name.startswith("PROWEX_"):
            near = difflib.get_close_matches(name, known, 1, 0)
            sentences.append(f"{name} is not a setting and has no effect; the nearest name is {near[0]}.")
    return sentences


def _fields() -> list[tuple[str, Any]]:
    return list(Settings.model_fields.items())


def _words(info: Any) -> str:
    return " ".join((info.description or "").split())


def _default(info: Any) -> str:
    extra = info.json_schema_extra or {}
    if "shown" in extra:
        return str(extra["shown"])
    if info.default is None:
        return ""
    if isinstance(info.default, bool):
        return str(info.default).lower()
    return f"{info.default:g}" if isinstance(info.default, float) else str(info.default)


def table() -> str:
    """Return the settings as a Markdown table: variable, default, meaning."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for field, info in _fields():
        secret = f" Secret: may be in a file that `{variable(field)}_FILE` names." if is_secret(field) else ""
        default = _default(info)
        plain = default and " " not in default
        rows.append(f"| `{variable(field)}` | {f'`{default}`' if plain else default} | {_words(info)}{secret} |")
    return "\n".join(rows) + "\n"


def env_example() -> str:
    """Return an example of `.env` with every setting commented out."""
    blocks = ["# Settings of Prowex. Copy this file to .env (chmod 600 .env) and set what you need; all is optional.\n"]
    for field, info in _fields():
        text = _words(info)
        if is_secret(field):
            text += f" Secret: may be in a file that {variable(field)}_FILE names."
        elif _default(info):
            text += f" Default: {_default(info)}."
        lines = textwrap.wrap(text.replace("`", ""), 100)
        value = (info.examples or [_default(info)])[0]
        blocks.append("".join(f"# {line}\n" for line in lines) + f"#{variable(field)}={value}\n")
    return "\n".join(blocks)


def write_down(readme: Path, example: Path) -> None:
    """Renew the settings table in `readme`, between its two markers, and the whole of `example`."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    readme.write_text(f"{before}{TABLE_BEGINS}\n{table()}{TABLE_ENDS}{after}", encoding="utf-8")
    example.write_text(env_example(), encoding="utf-8")


if __name__ == "__main__":
    if "--write" in sys.argv:
        write_down(Path("README.md"), Path(".env.example"))
    else:
        print(env_example() if "--env-example" in sys.argv else table(), end="")
