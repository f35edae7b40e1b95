"""The terminal chat: what is shown is printed, what is typed is an `Inbound`."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection, Sequence

from channels.text.terminal import render
from core.channel import Budget, Budgets, FormStyle, Refused, Surroundings
from core.envelopes import Attachment, Body, Piece, Target
from core.outbox import PLACEHOLDER, READY

NAME = "console"
ACCOUNT = "console"
_CANCEL = "/cancel"


class ConsoleChannel:
    """Prints replies. A growing answer is not shown in a terminal: it is printed once, whole.

    Args:
        write: prints a text.
        styled: whether the output is a terminal; else the text is printed as it was written.
    """

    name = NAME
    form_style = FormStyle.QUESTIONS
    budgets = Budgets(Budget(1000, 1000), Budget(1000, 1000), Budget(1000, 1000), interval=3600)

    def __init__(
        self, write: Callable[[str], None], read_file: Callable[[str], Awaitable[bytes]], *, styled: bool
    ) -> None:
        self._write = write
        self._styled = styled
        self._read_file = read_file
        self._printed: set[str] = set()
        self.buttons: list[str] = []
        self._labels: dict[str, str] = {}
        self.answered = asyncio.Event()

    def render(self, body: Body, *, growing: bool = False) -> tuple[Piece, ...]:
        """Return the whole text as one piece."""
        return (Piece(body.markdown(), buttons=body.buttons),)

    async def post(self, target: Target, piece: Piece, key: str) -> str:
        """Print a card at once; a placeholder shows nothing."""
        if piece not in (PLACEHOLDER, READY):
            self._print(key, piece)
        return key

    async def edit(self, target: Target, message_id: str, piece: Piece) -> None:
        """Print the finished text."""
        self._print(message_id, piece)

    async def delete(self, target: Target, message_id: str) -> None:
        """Do nothing: what was printed stays."""

    async def find(self, target: Target, key: str) -> str | None:
        """Return the key: what was posted was printed, or is printed by the fill."""
        return key

    async def typing(self, target: Target) -> None:
        """Do nothing."""

    async def surroundings(
        self, target: Target, *, people: Sequence[str], texts: Sequence[str], known: Collection[str]
    ) -> Surroundings:
        """Return nothing: an inbound here carries all there is to know."""
        return Surroundings()

    async def fetch(self, attachment: Attachment) -> bytes:
        """Return a stored file's bytes."""
        if not attachment.reference.startswith("stored:"):
            raise Refused("it is not here")
        return await self._read_file(attachment.reference.removeprefix("stored:"))

    def pressed(self, text: str) -> str | None:
        """Return the command of the button that `text` means, by its label or else its number; None if it means none.

        A question's way out has no number, so that a number can be its answer.
        """
        if text in self._labels:
            return self._labels[text]
        if not text.isdigit() or not 0 < int(text) <= len(self.buttons):
            return None
        command = self.buttons[int(text) - 1]
        return command if command != _CANCEL else None

    def _print(self, key: str, piece: Piece) -> None:
        if key in self._printed:
            return
        self._printed.add(key)
        width = min(100, shutil.get_terminal_size().columns)
        self._write(render(piece.text, width) if self._styled else piece.text)
        shown = [button for row in piece.buttons for button in row]
        self.buttons = [button.command for button in shown]
        self._labels = {button.label: button.command for button in shown}
        for number, button in enumerate(shown, 1):
            self._write(f"  [{button.command if button.command == _CANCEL else number}] {button.label}")
        if self._styled:
            self._write("")
        self.answered.set()
