"""A form within the chat, as the browser sends it back.

The browser says which message's form it filled in, and its fields. What is asked for, and what is fixed, comes from the
stored message, so a browser can add nothing of its own.
"""

from bot.web.forms import TEXT_CHARACTERS, Malformed, Multipart, TooMuch, clean
from core.envelopes import FormView, Submission

FORM = "form"
"""The field with the id of the message whose form it is."""
VALUE = "value:"
"""Stands before the name of each field that the form asks for."""


def form_of(sent: Multipart) -> str:
    """Return the id of the message whose form was sent, empty if it is not a form.

    Raises:
        Malformed: it is none that a page of ours shows.
    """
    message_id = sent.fields.get(FORM, "")
    if FORM in sent.fields and (not 0 < len(message_id) <= 100 or sent.files or sent.fields.get("text")):
        raise Malformed("There is no such form. Please reload the page and try again.")
    return message_id


def submission_of(form: FormView, sent: Multipart) -> Submission:
    """Return what is fixed and what was filled in, in the form's order; a field that was left empty is empty text.

    Raises:
        TooMuch: it is longer than a message may be.
    """
    filled = [(field.name, clean(sent.fields.get(VALUE + field.name, ""))) for field in form.fields]
    if sum(len(value) for _, value in filled) > TEXT_CHARACTERS:
        raise TooMuch(f"That is too long: a form may have {TEXT_CHARACTERS:,} characters in all its fields together.")
    return Submission(form.operation, (*form.fixed, *filled))
