"""How the fake Telegram says no."""

from typing import Any


class ApiError(Exception):
    """An answer with `ok: false`.

    Args:
        code: the HTTP status, repeated in the body as `error_code`.
        parameters: the Bot API's ResponseParameters (`retry_after`, `migrate_to_chat_id`).
    """

    def __init__(self, code: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def wire(self) -> dict[str, Any]:
        """Return the body of the answer."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return body


def bad(description: str) -> ApiError:
    """Return a 400 as the Bot API words it."""
    return ApiError(400, f"Bad Request: {description}")
