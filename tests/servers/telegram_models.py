"""Both directions held against aiogram's own models: what the bot asks, and what we answer."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.servers.telegram_errors import bad

JSON = dict[str, Any]

FILES_ONLY = ("thumbnail", "certificate")


class UnfaithfulAnswer(AssertionError):
    """The fake itself sent something that aiogram would not understand: a bug of the fake."""


def check_request(method: str, params: JSON) -> None:
    """Hold a request against aiogram's class for the method.

    Raises:
        ApiError: 400: an unknown method or parameter, a missing one, or one of a wrong type.
    """
    from pydantic import ValidationError

    found = _methods().get(method)
    if found is None:
        raise bad(f"unknown method {method}")
    try:
        model = found.model_validate(_with_files(params))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(one) for one in first["loc"])
        raise bad(f"invalid parameter {place}: {first['msg']}") from error
    for name in _unknown(model):
        raise bad(f"unknown parameter {name}")


def check_answer(method: str, result: Any) -> None:
    """Hold an answer's `result` against what aiogram expects of the method.

    Raises:
        UnfaithfulAnswer: it doesn't parse, or has a field that Telegram doesn't know.
    """
    _check(_answers(method), {"ok": True, "result": result}, method)


def check_update(update: JSON) -> None:
    """Hold an update against aiogram's Update.

    Raises:
        UnfaithfulAnswer: it doesn't parse, or has a field that Telegram doesn't know.
    """
    from aiogram.types import Update

    _check(Update, update, "Update")


def _check(model: Any, value: JSON, what: str) -> None:
    from pydantic import ValidationError

    try:
        parsed = model.model_validate(value)
    except ValidationError as error:
        raise UnfaithfulAnswer(f"{what}: {error}") from error
    unknown = list(_unknown(parsed))
    if unknown:
        raise UnfaithfulAnswer(f"{what}: unknown {', '.join(unknown)}")


@cache
def _methods() -> dict[str, Any]:
    import aiogram.methods as methods

    classes = (getattr(methods, name) for name in methods.__all__)
    return {one.__api_method__: one for one in classes if isinstance(getattr(one, "__api_method__", None), str)}


@cache
def _answers(method: str) -> Any:
    from aiogram.methods import Response

    return Response[_methods()[method].__returning__]  # type: ignore[misc]


def _with_files(value: Any) -> Any:
    """Put a file where only a file may be; on the wire it is a reference to a part of the form."""
    from aiogram.types import BufferedInputFile

    if isinstance(value, list):
        return [_with_files(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: BufferedInputFile(b"", key) if key in FILES_ONLY and isinstance(one, str) else _with_files(one)
        for key, one in value.items()
    }


def _unknown(value: Any, path: str = "") -> Iterator[str]:
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}{name}"
        for name in value.model_fields_set:
            yield from _unknown(getattr(value, name, None), f"{path}{name}.")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _unknown(one, f"{path}{index}.")
