"""What an operation answers: one shape that every surface renders in its own way."""

from dataclasses import dataclass

from core.envelopes import Body, Button, FormView, OutgoingFile, Progress, Table


@dataclass(frozen=True, slots=True)
class Card:
    """An answer to show; see `Body` for what its parts are.

    Args:
        quiet: nothing is shown; the effect speaks for itself.
        data: ids and values for callers that are programs.
    """

    title: str = ""
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    table: Table | None = None
    progress: Progress | None = None
    files: tuple[OutgoingFile, ...] = ()
    form: FormView | None = None
    quiet: bool = False
    data: tuple[tuple[str, str], ...] = ()

    def body(self) -> Body:
        """Return the card as a reply's body."""
        return Body(self.text, self.buttons, self.files, self.title, self.fields, self.table, self.progress, self.form)
