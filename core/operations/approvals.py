"""A person's yes or no to what an agent wants to do for them: one answer, to one exact call, once."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Field

from core.access import Standing
from core.envelopes import Button
from core.operations.as_tools import Question
from core.operations.card import Card
from core.operations.form import Form
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, operation
from storage.sealing import DataKeyHandle
from storage.tables import Approval, ApprovalState, Turn

VALID_FOR = timedelta(minutes=10)
_WHERE = "approvals.arguments"
_NONE = "There is no such question."


async def ask(
    key: DataKeyHandle, questions: Sequence[Question], turn_id: UUID, identity_id: UUID, now: datetime
) -> None:
    """Write down what waits for a person's yes, in the transaction that ends the turn which asks."""
    for question in questions:
        await Approval.create(
            id=question.id,
            turn_id=turn_id,
            identity_id=identity_id,
            operation=question.operation.name,
            arguments=key.seal(_WHERE, question.id, json.dumps(dict(question.values), ensure_ascii=False)),
            state=ApprovalState.ASKED,
            created_at=now,
            expires_at=now + VALID_FOR,
        )


def buttons(questions: Sequence[Question]) -> tuple[tuple[Button, ...], ...]:
    """Return the buttons under the questions, in their order."""
    several = len(questions) > 1
    return tuple(
        (
            Button(f"Yes{f', {number}' if several else ', do it'}", f"/yes {question.id}"),
            Button(f"No{f', not {number}' if several else ''}", f"/no {question.id}"),
        )
        for number, question in enumerate(questions, 1)
    )


class DecisionForm(Form):
    """Which question is answered."""

    approval: UUID = Field(description="The question's id.")


@operation("approvals.agree", "Agree to what an agent proposes", standing=Standing.GUEST, effect=Effect.WRITE,
           alias="yes", urgent=True, hidden=True)  # fmt: skip
async def agree(call: Call, form: DecisionForm) -> Card:
    """Run the very call that was shown, with the rights that the person has now."""
    asked = await _open(call, form)
    proposed = OPERATIONS.get(asked.operation)
    if proposed is None:
        raise NotPossible("What was proposed can't be done any more.")
    values = json.loads(await call.services.sealer.unseal(_WHERE, asked.id, asked.arguments))
    card = await invoke(call, proposed, values)
    await _decide(call, asked, ApprovalState.AGREED)
    return card


@operation("approvals.decline", "Decline what an agent proposes", standing=Standing.GUEST, effect=Effect.WRITE,
           alias="no", urgent=True, hidden=True, restricted=True)  # fmt: skip
async def decline(call: Call, form: DecisionForm) -> Card:
    """Let it be."""
    await _decide(call, await _open(call, form), ApprovalState.DECLINED)
    return Card(text="All right, nothing was done.")


async def _open(call: Call, form: DecisionForm) -> Approval:
    asked = await Approval.get_or_none(id=form.approval)
    if asked is None or call.person is None:
        raise NotPossible(_NONE)
    turn = await Turn.get(id=asked.turn_id)
    seen_here = call.chat is not None and turn.lane_id == call.chat.lane_id
    if asked.identity_id != call.person.identity_id:
        raise NotPossible("Only the person who was asked can answer that." if seen_here else _NONE)
    if not seen_here:
        raise NotPossible("Answer that where I asked it: what it does depends on the place.")
    if asked.state is not ApprovalState.ASKED:
        said = "yes" if asked.state is ApprovalState.AGREED else "no"
        raise NotPossible(f"You said {said} to that already.")
    if asked.expires_at <= call.services.clock.now():
        raise NotPossible("That question has expired, so nothing was done. Ask for it again.")
    return asked


async def _decide(call: Call, asked: Approval, state: ApprovalState) -> None:
    await Approval.filter(id=asked.id).update(state=state, decided_at=call.services.clock.now())
