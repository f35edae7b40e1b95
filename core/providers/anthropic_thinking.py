"""How each Claude model is told to think, or not to: what one takes, another refuses.

Source: platform.claude.com, "Troubleshooting thinking" (which model takes which `thinking.type`) and "Effort".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EFFORTS = ("low", "medium", "high", "xhigh", "max")
BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""The `anthropic-beta` that `block_binding` needs."""

_NAME = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d{1,2})(?:-(?P<minor>\d{1,2}))?(?![\d.])")
_BUDGETS = {"low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_000, "max": 48_000}
_LEAST_BUDGET = 1_024
_USUAL_LIMIT = 32_000
_LARGE_LIMIT = 64_000


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model's name tells about its thinking.

    Args:
        manual: it thinks only with a budget that the caller sets.
        itself: it thinks unless told not to.
        off: the `thinking.type` that turns it off; empty if nothing does.
        bound: its thinking is bound to the words before it.
    """

    manual: bool = False
    itself: bool = False
    off: str = "disabled"
    bound: bool = False


def traits(model: str) -> Traits | None:
    """Return what `model` is like, None if it is no Claude that is known by its name."""
    found = _NAME.match(model)
    if found is None:
        return None
    line, version = found["line"], (int(found["major"]), int(found["minor"] or 0))
    always = line in ("fable", "mythos") or (line == "opus" and version >= (5, 5))
    instead = "between_tools" if line == "sonnet" and version >= (5, 5) else "disabled"
    return Traits(
        manual=version < (4, 6),
        itself=version >= (5, 0),
        off="" if always else instead,
        bound=version >= (5, 1),
    )


def limit_of(settings: Mapping[str, Any]) -> int:
    """Return `max_tokens`, which thinking counts towards: what is set, else room for a long answer."""
    given = settings.get("max_output_tokens")
    if given is not None:
        return int(given)
    return _LARGE_LIMIT if settings.get("effort") in ("xhigh", "max") else _USUAL_LIMIT


def fields_of(model: str, settings: Mapping[str, Any], *, replayed: bool, unkept: bool) -> dict[str, Any]:
    """Return `thinking` and `output_config` as `model` takes them; what is not set and not needed is left out.

    Args:
        replayed: the request holds thinking of earlier rounds.
        unkept: the last round called tools and its thinking is not there; a model with a budget then can't go on
            thinking.
    """
    known = traits(model) or Traits()
    wish, effort = settings.get("thinking"), settings.get("effort")
    if known.manual:
        return {} if wish != "on" or unkept else _budget(effort, limit_of(settings))
    fields: dict[str, Any] = {}
    if wish == "off":
        effort = _without(known, effort)
        if known.itself:
            fields["thinking"] = {"type": known.off} if known.off else {"type": "adaptive", "display": "omitted"}
    elif wish == "on" or known.itself:
        fields["thinking"] = {"type": "adaptive", "display": "summarized"}
    if effort is not None:
        fields["output_config"] = {"effort": effort}
    if replayed and known.bound and fields.get("thinking", {}).get("type") == "adaptive":
        # A turn that a crash or a long wait interrupted may go on under changed instructions: then without the
        # thinking so far, rather than not at all.
        fields["thinking"]["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return fields


def _budget(effort: object, limit: int) -> dict[str, Any]:
    budget = min(_BUDGETS.get(str(effort), _BUDGETS["medium"]), limit // 2)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _LEAST_BUDGET else {}


def _without(known: Traits, effort: object) -> object:
    """Return the effort for a request that is to do without thinking: the highest two need it."""
    if not known.off:
        return "low" if effort is None else effort
    return "high" if effort in ("xhigh", "max") else effort
