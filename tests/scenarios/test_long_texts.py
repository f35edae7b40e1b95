"""Answers of every shape arrive whole, in order, and as they were meant."""

import re

from tests.scenarios.town import Talk
from tests.servers.openai_script import Plan, paragraphs, table
from tests.servers.telegram_sight import Shown


async def answered_with(chat: Talk, text: str) -> list[Shown]:
    chat.town.openai.rules.append(lambda body: Plan(text=text))
    await chat.say("tell me")
    return await chat.messages()


def entities(message: Shown, kind: str) -> list[str]:
    encoded = message.text.encode("utf-16-le")
    return [
        encoded[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le")
        for one in message.entities
        if one["type"] == kind
    ]


async def test_twelve_thousand_characters_arrive_whole_and_in_order(chat: Talk) -> None:
    await chat.say("[[len=12000]]")
    texts = await chat.answers()
    assert len(texts) >= 3
    assert all(len(text.encode("utf-16-le")) // 2 <= 4096 for text in texts)
    assert " ".join(texts).split() == paragraphs(12000).split()


async def test_a_long_answer_grows_in_its_parts(chat: Talk) -> None:
    await chat.say("[[len=9000 hold=900]]")
    await chat.sees(lambda texts: len(texts) == 2)
    chat.town.openai.go_on()
    texts = await chat.answers()
    assert " ".join(texts).split() == paragraphs(9000).split()


async def test_one_word_of_nine_thousand_letters_arrives_whole(chat: Talk) -> None:
    messages = await answered_with(chat, "z" * 9000)
    assert "".join(one.text for one in messages) == "z" * 9000


async def test_a_table_is_aligned_code(chat: Talk) -> None:
    [message] = await answered_with(chat, f"Here:\n\n{table(4)}")
    [block] = entities(message, "pre")
    lines = block.splitlines()
    assert len({len(line) for line in lines if line.strip()}) == 1
    assert "candle" in block


async def test_a_code_block_that_spans_parts_is_code_in_each(chat: Talk) -> None:
    code = "\n".join(f"print({number})  # {'x' * 40}" for number in range(150))
    messages = await answered_with(chat, f"Look:\n\n```python\n{code}\n```\n\nDone.")
    assert len(messages) >= 2
    blocks = [block for one in messages for block in entities(one, "pre")]
    assert len(blocks) == len(messages)
    assert "\n".join(blocks).split() == code.split()


async def test_formatting_is_shown_and_markup_that_is_none_is_kept(chat: Talk) -> None:
    [message] = await answered_with(chat, "**Bold** and `List<String>` and <script>alert(1)</script> & 2 * 3 * 4 _x")
    assert entities(message, "bold") == ["Bold"]
    assert entities(message, "code") == ["List<String>"]
    assert "<script>alert(1)</script> & 2 * 3 * 4 _x" in message.text


async def test_unbalanced_markdown_is_shown_all_the_same(chat: Talk) -> None:
    [message] = await answered_with(chat, "**bold *and `code ```\nnever [closed](http://")
    for word in ("bold", "and", "code", "never", "closed"):
        assert word in message.text


async def test_right_to_left_text_and_emoji_families_arrive_whole(chat: Talk) -> None:
    text = "שלום עולם 👨‍👩‍👧‍👦 مرحبا 🇩🇪"
    [message] = await answered_with(chat, text)
    assert message.text == text


async def test_emoji_are_never_cut_in_two(chat: Talk) -> None:
    messages = await answered_with(chat, "👨‍👩‍👧‍👦" * 700)
    assert "".join(one.text for one in messages) == "👨‍👩‍👧‍👦" * 700
    assert all(re.fullmatch("(👨‍👩‍👧‍👦)+", one.text) for one in messages)


async def test_an_answer_that_becomes_shorter_leaves_no_part_behind(chat: Talk) -> None:
    await chat.say("[[len=9000 hold=900 cut=901 times=1]]")
    await chat.sees(lambda texts: len(texts) == 2)
    chat.town.openai.go_on()
    texts = await chat.answers()
    assert " ".join(texts).split() == paragraphs(9000).split()


async def test_a_stopped_answer_of_many_parts_is_kept_whole(chat: Talk) -> None:
    await chat.say("[[len=12000 hold=900]]")
    await chat.sees(lambda texts: len(texts) >= 2 and len(texts[1]) > 100)
    await chat.say("/stop")
    await chat.town.settled()
    texts = chat.shows()
    said = " ".join(text for text in texts if "Stopped. What" not in text)
    assert said.endswith("⏹ Stopped.")
    words = said.removesuffix("⏹ Stopped.").split()
    assert words[:-1] == paragraphs(12000).split()[: len(words) - 1]
