"""How the fake Slack says no."""

from collections.abc import Sequence
from typing import Any


class ApiError(Exception):
    """An answer with `ok: false`.

    Args:
        error: Slack's word for it, such as `channel_not_found`.
        messages: details, as Slack puts them into `response_metadata.messages`.
        status: the HTTP status; Slack says 200 to nearly everything.
        retry_after: seconds, with a 429.
    """

    def __init__(
        self, error: str, messages: Sequence[str] = (), *, status: int = 200, retry_after: int | None = None
    ) -> None:
        super().__init__(error)
        self.error = error
        self.messages = tuple(messages)
        self.status = status
        self.retry_after = retry_after

    def wire(self) -> dict[str, Any]:
        """Return the body of the answer."""
        body: dict[str, Any] = {"ok": False, "error": self.error}
        if self.messages:
            body["errors"] = [message.removeprefix("[ERROR] ") for message in self.messages]
            body["response_metadata"] = {"messages": list(self.messages)}
        return body


class Impossible(Exception):
    """A person can't do that in Slack: the client doesn't let them, and says why."""
