"""The offline model's answers, as a person reads them, and the handbook that it quotes."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.providers.handbook import Handbook
from core.providers.offline import OfflineModel
from core.providers.port import Message, ModelRequest, Picture, TextDelta

MODEL = OfflineModel()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Hi!", "Hello!"),
        ("hey there", "Hello!"),
        ("thank you very much", "You are welcome!"),
        ("Who are you?", "offline model"),
        ("what can you do", "`/help` lists the commands"),
        ("Start a new conversation", "Write `/new`"),
        ("can you please start a new chat?", "Write `/new`"),
        ("stop", "Write `/stop`"),
        ("Please stop it!", "Write `/stop`"),
        ("try again", "Write `/retry`"),
        ("What model is this?", "`offline:handbook`, answers here"),
        ("which model are you", "`offline:handbook`, answers here"),
        ("invite someone", "Write `/invite`"),
        ("How do I invite a friend?", "Write `/invite`"),
        ("help", "Write `/help`"),
        ("who am I?", "Write `/whoami`"),
        ("status", "Write `/status`"),
        ("Anna: stop", "Write `/stop`"),
        ("[In reply to Bob:]\n> how do I connect Telegram?\nthanks", "You are welcome!"),
    ],
)
def test_small_talk_and_commands_in_plain_words(said: str, answer: str) -> None:
    assert answer in MODEL.answer(said)


@pytest.mark.parametrize(
    ("question", "section"),
    [
        ("What is Prowex?", "What Prowex is › In short"),
        ("How do I connect Telegram?", "First steps › On Telegram"),
        ("How do I set a key?", "Keys and models › Setting a key"),
        ("can i use ollama", "Keys and models › Using another server"),
        ("How are my messages stored?", "How messages are kept › Where"),
        ("Is my data encrypted?", "How messages are kept › Sealed"),
        ("how long are messages kept", "How messages are kept › For how long"),
        ("What happens if I lose the key ring?", "How messages are kept › The key ring"),
        ("How do I make a backup?", "Backup and restore › Making a backup"),
        ("how do I move to another server", "Backup and restore › Bringing it back"),
        ("I forgot my password", "Troubleshooting › You can't sign in on the web"),
        ("Does it work in groups?", "Groups › Letting a group in"),
        ("who can read what I write", "Privacy › Who sees what you write"),
        ("what does it cost", "What Prowex is › Licence and cost"),
        ("is there a rate limit?", "Limits › How much you may write"),
        ("can you see pictures?", "Keys and models › Pictures and files"),
    ],
)
def test_a_question_is_answered_by_the_passage_that_fits_and_says_where_it_stands(question: str, section: str) -> None:
    answer = MODEL.answer(question)
    assert f"— *Handbook: {section}*" in answer
    assert answer.startswith(Handbook().section(section.split(" › ")[1]).text)


@pytest.mark.parametrize(
    "said",
    ["Write me a poem about the sea", "2+2", "What is the capital of France?", "Was ist das?", "🙂", "", "x" * 50_000],
)
def test_what_the_handbook_does_not_say_is_admitted_with_the_way_to_a_real_model(said: str) -> None:
    answer = MODEL.answer(said)
    assert answer.startswith("I found nothing about that")
    assert "offline model" in answer
    assert "OPENAI_API_KEY" in answer
    assert "prowex init" in answer


async def test_a_picture_without_a_question_is_refused_in_words() -> None:
    request = ModelRequest("handbook", "", (Message("user", "", (Picture("image/png", b""),)),))
    text = "".join([event.text async for event in MODEL.stream(request) if isinstance(event, TextDelta)])
    assert text.startswith("I can't see pictures")


@given(st.text(max_size=300))
def test_any_words_get_an_answer(said: str) -> None:
    assert MODEL.answer(said).strip()


def test_a_long_message_does_not_hold_up_the_others() -> None:
    started = time.process_time()
    MODEL.answer("what model model is model are which " * 3_000)
    assert time.process_time() - started < 0.5


def test_every_section_is_short_well_formed_and_found_by_its_own_words() -> None:
    handbook = Handbook()
    assert len({section.page for section in handbook.sections}) >= 12
    assert len({section.title for section in handbook.sections}) == len(handbook.sections)
    for section in handbook.sections:
        assert 40 < len(section.text) < 900
        page = MarkdownIt().enable("table").render(section.text)
        assert not [mark for mark in ("**", "`", "| -", "*") if mark in page], section.name
        assert "also:" not in section.text
        assert section.text.count("`") % 2 == 0
        found = [hit for _, hit in handbook.search(f"{section.page} {section.title} {section.also}")]
        assert section in found[:2], section.name


def test_the_handbook_names_only_commands_that_exist() -> None:
    known = {"start", "help", "new", "stop", "retry", "status", "whoami", "invite", "permit", "chat"}
    known |= {"agents", "model", "cancel", "join"}
    known |= {"conversations", "compact", "settings", "privacy", "access", "prowex"}
    programs = {"init", "run", "status", "backup", "restore", "chat", "doctor", "migrate", "call", "version"}
    text = "\n".join(section.text for section in Handbook().sections)
    assert set(re.findall(r"`/([a-z]+)", text)) <= known
    assert set(re.findall(r"`prowex ([a-z-]+)", text)) <= programs | {"slack-manifest"}
