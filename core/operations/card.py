"""What an operation answers: one shape that every surface renders in its own way."""

from dataclasses import dataclass

from core.envelopes import Body, Button


@dataclass(frozen=True, slots=True)
class Card:
    """An answer to show.

    Args:
        text: Markdown.
        fields: label and value, in order.
        buttons: rows of buttons.
        quiet: nothing is shown; the effect speaks for itself.
        data: ids and values for callers that are programs.
    """

    title: str = ""
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    quiet: bool = False
    data: tuple[tuple[str, str], ...] = ()

    def body(self) -> Body:
        """Return the card as a reply's body."""
        lines = [f"**{self.title}**"] if self.title else []
        if self.text:
            lines.append(self.text)
        if self.fields:
            lines.append("\n".join(f"- **{label}:** {value}" for label, value in self.fields))
        return Body("\n\n".join(lines), self.buttons)
