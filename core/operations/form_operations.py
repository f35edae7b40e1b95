"""Operations on a form that is asked for question by question: a button's answer, and giving it up."""

from pydantic import Field

from core.access import Standing
from core.operations.card import Card
from core.operations.form import Form, NoFields
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import OpenForm


class AnswerForm(Form):
    """A pressed button of a question."""

    form: str = Field(description="Which form the button is of.")
    step: int = Field(description="The number of the question.")
    choice: int = Field(description="The number of the button.")


@operation("forms.answer", "Answer a question with a button", standing=Standing.GUEST, effect=Effect.WRITE,
           alias="answer", urgent=True, hidden=True)  # fmt: skip
async def answer(call: Call, form: AnswerForm) -> Card:
    """Say that the question is no longer open; the answer to one that is never comes here (`core.commands`)."""
    raise NotPossible("That question is no longer open.")


@operation("forms.cancel", "Give up filling in a form", standing=Standing.GUEST, effect=Effect.WRITE, alias="cancel",
           urgent=True, restricted=True)  # fmt: skip
async def cancel(call: Call, form: NoFields) -> Card:
    """Forget the form that the caller is filling in here; nothing else changes."""
    chat = call.in_chat()
    mine = OpenForm.filter(chat_id=chat.id, identity_id=call.person.identity_id if call.person else None)
    if not await mine.delete():
        return Card(text="There is nothing to cancel. /stop ends an answer that is being written.")
    return Card(text="Cancelled. Nothing was changed.")
