"""Operations for the operator's command line: a sign-in link for the web, and the code that binds a chat account."""

from bot.web.sessions import make_login_link
from core.access import Mode, Standing
from core.operations.card import Card
from core.operations.form import NoFields
from core.operations.people import make_card
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import Role, User

_COMMAND_LINE = frozenset({"cli"})


@operation("web.link", "Make a one-time link that signs the operator in on the web", standing=Standing.OPERATOR,
           effect=Effect.WRITE, surfaces=_COMMAND_LINE)  # fmt: skip
async def web_link(call: Call, form: NoFields) -> Card:
    """Make a sign-in link: 15 minutes, one use."""
    services = call.services
    operator = await User.filter(operator=True).order_by("id").first()
    assert operator is not None
    address = services.public_url()
    if address.endswith(":0"):
        raise NotPossible("PROWEX_PORT is 0, so nobody knows where the page is: set it to a number, then ask again.")
    link = await make_login_link(operator.id, address, clock=services.clock, hmac=services.secret_hash)
    return Card(text=f"Open this link within 15 minutes; it works once:\n\n{link}", data=(("link", link),))


@operation("people.operator_code", "Make the code that makes a chat account the operator's", effect=Effect.WRITE,
           standing=Standing.OPERATOR, surfaces=_COMMAND_LINE)  # fmt: skip
async def operator_code(call: Call, form: NoFields) -> Card:
    """Make an invitation whose bearer is the operator from then on."""
    if call.services.mode is Mode.CLOSED:
        raise NotPossible("PROWEX_ACCESS is closed: set it to pairing while you bind your account.")
    operator = await User.filter(operator=True).order_by("id").first()
    assert operator is not None
    text = "Whoever sends this code to the assistant is the operator from then on: keep it to yourself."
    return await make_card(call, Role.OWNER, binds_user=operator.id, text=text)
