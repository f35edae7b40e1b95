"""Envelopes as JSON text, for the sealed columns that keep them."""

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from core.envelopes import Attachment, Body, Context, Inbound, Submission


def inbound_to_json(inbound: Inbound) -> str:
    """Return what must be kept of an inbound besides what its row's columns say."""
    return _to_json(inbound, inbound.origin.name)


def kept_to_json(kept: "Kept") -> str:
    """Return an inbound's words as they are kept now."""
    return _to_json(kept, kept.name)


def _to_json(said: "Inbound | Kept", name: str) -> str:
    kept: dict[str, Any] = {"text": said.text, "name": name}
    if said.contexts:
        kept["contexts"] = [asdict(context) for context in said.contexts]
    if said.attachments:
        kept["attachments"] = [asdict(attachment) for attachment in said.attachments]
    if said.more_follows:
        kept["more_follows"] = True
    if said.group:
        kept["group"] = said.group
    if said.button:
        kept["button"] = True
    if said.submission is not None:
        kept["submission"] = asdict(said.submission)
    return sound(json.dumps(kept, ensure_ascii=False))


class Kept:
    """An inbound's words, read back."""

    __slots__ = ("attachments", "button", "contexts", "group", "more_follows", "name", "submission", "text")

    def __init__(self, text: str) -> None:
        kept = json.loads(text)
        self.text: str = kept["text"]
        self.name: str = kept["name"]
        self.contexts = tuple(Context(**context) for context in kept.get("contexts", ()))
        self.attachments = tuple(Attachment(**attachment) for attachment in kept.get("attachments", ()))
        self.more_follows: bool = kept.get("more_follows", False)
        self.group: str = kept.get("group", "")
        self.button: bool = kept.get("button", False)
        submitted = kept.get("submission")
        self.submission: Submission | None = None
        if submitted is not None:
            self.submission = Submission(submitted["operation"], tuple((n, v) for n, v in submitted["values"]))


def body_to_json(body: Body) -> str:
    """Return a reply's body as JSON text."""
    return sound(json.dumps(asdict(body), ensure_ascii=False))


def body_from_json(text: str) -> Body:
    """Return the body that `body_to_json` wrote."""
    return _BODY.validate_python(json.loads(text))


_BODY = TypeAdapter(Body)


def sound(text: str) -> str:
    """Return `text` without halves of characters, which JSON may bring and UTF-8 can't hold; two that fit are joined.

    Source: RFC 8259 section 8.2.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
