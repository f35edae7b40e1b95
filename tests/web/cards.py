"""A card with everything, and a form with every kind of field."""

import struct
import zlib
from dataclasses import replace

from core.envelopes import Body, Button, Choice, FieldKind, FormField, FormView, OutgoingFile, Progress, Table

AGENT = FormView(
    operation="agents.create",
    title="Create an agent",
    fields=(
        FormField("name", "Name", hint="People call it by this name.", required=True, most=40),
        FormField("instructions", "Instructions", FieldKind.LONG, "What it does, in plain words.", most=20_000),
        FormField(
            "model",
            "Model",
            FieldKind.CHOICE,
            "Who writes its answers.",
            True,
            "openai:small",
            tuple(Choice(f"{maker}:{size}", f"{maker.title()} {size}") for maker in ("openai", "google")
                  for size in ("small", "medium", "large")),
        ),
        FormField("temperature", "Temperature", FieldKind.NUMBER, "0 is steady, 1 is lively."),
        FormField(
            "team",
            "Who may use it",
            FieldKind.CHOICE,
            required=True,
            choices=(Choice("me", "Only me"), Choice("team", "Everybody in the team")),
        ),
        FormField("tone", "Tone", FieldKind.CHOICE, choices=(Choice("warm", "Warm"), Choice("dry", "Dry"))),
    ),
    submit="Create",
    fixed=(("template", "writer"),),
)  # fmt: skip


def with_problems(form: FormView, problem: str = "", **problems: str) -> FormView:
    """Return the form as it is asked again."""
    fields = tuple(replace(field, problem=problems.get(field.name, "")) for field in form.fields)
    return replace(form, fields=fields, problem=problem)


def everything(picture: str, document: str) -> Body:
    """Return a card with all its parts, given the ids of two files."""
    return Body(
        "It answers in **this chat**, and was last changed by you. What it did this week:",
        (
            (Button("Talk to it", "/talk"), Button("Edit", "/edit"), Button("Copy", "/copy")),
            (Button("Versions", "/versions"), Button("Export", "/export")),
            (Button("Delete", "/delete"),),
        ),
        (OutgoingFile(picture, "week.png", "image/png"), OutgoingFile(document, "agent.toml", "application/toml")),
        "Order desk",
        (
            ("Model", "`openai:medium`"),
            ("Instructions", "Read *every* order, and say **what is missing**, in two sentences at most."),
            ("Fallback models, in their order", "none"),
            ("Odd", "# not a heading <script>document.title='owned'</script>"),
        ),
        Table(
            ("Week", "Orders", "Revenue in euro", "Compared with the week before", "Note"),
            (
                ("2 Nov", "112", "4,310.20", "+3.1 %", ""),
                ("9 Nov", "1,131", "15,002.75", "+16.1 %", "the newsletter went out on Tuesday"),
            ),
        ),
        Progress(0.4, "Reading the price list"),
    )


def png(width: int = 320, height: int = 160) -> bytes:
    """Return a picture: bars on a plain ground."""
    rows = []
    for y in range(height):
        row = bytearray([0])
        for x in range(width):
            bar = x % 40 >= 12 and height - y < 20 + (x // 40) * 15
            row += bytes((43, 106, 89) if bar else (228, 239, 233))
        rows.append(bytes(row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )
