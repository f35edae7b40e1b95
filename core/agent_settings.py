"""What an agent's model may be set to: settings and fallbacks as people write them, held to what the provider takes."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from core.agents import Plan
from core.providers.catalogue import Catalogue
from core.providers.port import ModelRefused, Setting

MOST_FALLBACKS = 5
MOST_MODEL = 200
"""Characters of a model's name with its provider."""

_LINE = re.compile(r"([A-Za-z]\w*)\s*[=:]\s*(.+)")
_MODEL = re.compile(r"[^\s`]+")


class Unfit(Exception):
    """A value can't be taken; the text is a sentence that says what to write."""


def model_problem(catalogue: Catalogue, model: str) -> str:
    """Return what is wrong with `model` (`provider:name`), as a sentence; empty if it can be used here."""
    provider, colon, name = model.partition(":")
    if not model.isprintable() or len(model) > MOST_MODEL or not _MODEL.fullmatch(model) or (colon and not name):
        return "Write the model as provider:name, without spaces."
    if provider in catalogue.usable:
        return ""
    try:
        catalogue.get(model)
    except ModelRefused as refused:
        return f"{refused.reason[:1].upper()}{refused.reason[1:]}."
    return ""


def read_lines(text: str) -> dict[str, str]:
    """Return the settings that `text` holds, one in each line as `name = value`.

    Raises:
        Unfit: a line is none.
    """
    found: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _LINE.fullmatch(line)
        if match is None:
            raise Unfit("Write one setting in each line, as name = value.")
        found[match.group(1)] = match.group(2).strip().strip("\"'")
    return found


def as_lines(settings: Mapping[str, Any]) -> str:
    """Return settings as `read_lines` reads them."""
    return "\n".join(f"{name} = {shown(value)}" for name, value in settings.items())


def shown(value: Any) -> str:
    """Return a setting's value as a person would write it."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def fit(catalogue: Catalogue, model: str, name: str, value: Any) -> Any:
    """Return a setting's value as the model's provider takes it.

    Args:
        model: empty for the installation's default.

    Raises:
        Unfit: the provider has no such setting, or the value is outside what it takes.
    """
    model = model or catalogue.default
    takes = {setting.name: setting for setting in catalogue.settings_of(model)}
    if name not in takes:
        raise Unfit(_unknown(model, name, takes))
    setting = takes[name]
    if setting.choices:
        if str(value) not in setting.choices:
            raise Unfit(f"{name} is one of {', '.join(setting.choices)}.")
        return str(value)
    return _number(setting, value)


def _unknown(model: str, name: str, takes: Iterable[str]) -> str:
    if not (names := list(takes)):
        return f"`{model}` takes no settings."
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(names)}."
    return f"`{model}` takes no “{name[:40]}”: {hint}"


def _number(setting: Setting, value: Any) -> Any:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    low = -math.inf if setting.low is None else setting.low
    high = math.inf if setting.high is None else setting.high
    if not (math.isfinite(number) and low <= number <= high) or (setting.whole and number != int(number)):
        raise Unfit(f"{setting.name} is {_kind(setting)}.")
    return int(number) if setting.whole else number


def _kind(setting: Setting) -> str:
    kind = "a whole number" if setting.whole else "a number"
    if setting.low is not None and setting.high is not None:
        return f"{kind} from {setting.low:g} to {setting.high:g}"
    if setting.low is not None:
        return f"{kind}, {setting.low:g} or more"
    return kind if setting.high is None else f"{kind}, at most {setting.high:g}"


def read_fallbacks(text: str) -> tuple[str, ...]:
    """Return the models that `text` names, separated by commas, spaces or lines."""
    return tuple(dict.fromkeys(filter(None, re.split(r"[\s,]+", text))))


def fallbacks_problem(catalogue: Catalogue, model: str, fallbacks: Iterable[str], *, others: bool) -> str:
    """Return what is wrong with an agent's fallbacks, as a sentence; empty if nothing is.

    Args:
        model: what they stand in for; empty for the installation's default.
        others: they may be other providers' models.
    """
    models = list(fallbacks)
    if len(models) > MOST_FALLBACKS:
        return f"An agent can have {MOST_FALLBACKS} fallbacks."
    for each in models:
        if problem := model_problem(catalogue, each):
            return problem
        if not others and _provider(each) != _provider(model or catalogue.default):
            return (
                f"`{each}` is another provider's model, which would see what people write. "
                "If that is what you want, set other_providers to yes."
            )
    return ""


def _provider(model: str) -> str:
    return model.partition(":")[0]


def settle(catalogue: Catalogue, plan: Plan) -> tuple[Plan, list[str]]:
    """Return the plan without what its model can't have, and a sentence for each thing that was taken out."""
    settings, remarks = {}, []
    model = plan.model or catalogue.default
    for name, value in plan.settings.items():
        try:
            settings[name] = fit(catalogue, model, name, value)
        except Unfit:
            remarks.append(f"{name} was taken out: `{model}` does not take {shown(value)}.")
    kept = tuple(
        each
        for each in plan.fallbacks
        if each != model and not fallbacks_problem(catalogue, model, [each], others=plan.other_providers)
    )
    for gone in [each for each in plan.fallbacks if each not in kept]:
        remarks.append(f"The fallback `{gone}` was taken out: it can't stand in for `{model}`.")
    return replace(plan, settings=settings, fallbacks=kept), remarks
