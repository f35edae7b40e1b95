"""What holds for every text that becomes Slack messages, held against the fake server's rules and the SDK's own."""

import json
import re
from itertools import pairwise

import wcwidth
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from channels.text import slack
from channels.text.plain import clean, utf16_len, visible
from channels.text.slack import actions, render
from core.envelopes import Body, Button, Progress, Table
from tests.channels.text.test_text_properties import CLUSTERS, FRAMES, MARKDOWN, WORDS
from tests.servers.slack_blocks import check_blocks

INLINE = {"text", "link"}
STYLES = {"bold", "italic", "strike", "code"}
URL = re.compile(r"(?:https?://|mailto:)[^\s<>|\"\x00-\x1f]+")
LOOSE = re.compile(r"<|>|&(?!amp;|lt;|gt;)")


def squeezed(words: str) -> str:
    return "".join(character for character in words if visible(character))


def shown(blocks) -> str:
    """What a person reads in `blocks`, list marks and rules included."""
    return "\n".join(map(_shown, blocks))


def _shown(block) -> str:
    match block["type"]:
        case "rich_text" | "rich_text_section" | "rich_text_quote" | "rich_text_preformatted":
            between = "\n" if block["type"] == "rich_text" else ""
            return between.join(map(_shown, block["elements"]))
        case "rich_text_list":
            first = block.get("offset", 0) + 1
            marks = (f"{first + n}. " if block["style"] == "ordered" else "• " for n in range(len(block["elements"])))
            return "\n".join(mark + _shown(item) for mark, item in zip(marks, block["elements"], strict=True))
        case "divider":
            return "————————"
        case "table":
            return "\n".join("".join(cell["text"] for cell in row) for row in block["rows"])
        case "section":
            return "\n".join(each["text"] for each in block["fields"])
        case "text" | "link":
            return block["text"]
        case "header":
            return block["text"]["text"]
    raise AssertionError(block["type"])


def inline(blocks):
    """All text and link elements of rich text."""
    for block in blocks:
        if block["type"] in INLINE:
            yield block
        elif block["type"].startswith("rich_text"):
            yield from inline(block["elements"])


def check(pieces):
    """Fail for anything that Slack would refuse, or take for a mention, a link or markup that was not meant."""
    for piece in pieces:
        assert 0 < utf16_len(piece.text) <= 3000
        assert len(piece.text.encode()) <= 4000
        assert not LOOSE.search(piece.text)
        if piece.file:
            continue
        blocks = [*piece.format, *actions(piece.buttons)]
        assert 0 < len(blocks) <= 50
        assert json.loads(json.dumps(blocks)) == blocks
        for each, parsed in zip(blocks, Block.parse_all(blocks), strict=True):
            parsed.validate_json()
            assert each["type"] == parsed.type
        assert len(check_blocks(blocks)) == len(blocks)
        assert sum(map(counted, blocks)) <= 13_000
        for block in blocks:
            check_block(block)


def counted(block) -> int:
    if block["type"] == "table":
        return 100 + sum(utf16_len(cell["text"]) for row in block["rows"] for cell in row)
    words = json.dumps(block, ensure_ascii=False, separators=(",", ":"))
    return 40 + utf16_len(words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def check_block(block):
    match block["type"]:
        case "rich_text":
            assert block["elements"]
            for element in block["elements"]:
                check_element(element)
        case "header":
            assert block["text"]["type"] == "plain_text"
            assert 0 < utf16_len(block["text"]["text"]) <= 150
        case "section":
            assert 0 < len(block["fields"]) <= 10
            for text in block["fields"]:
                assert text["verbatim"]
                assert 0 < utf16_len(text["text"]) <= 2000
                assert not LOOSE.search(text["text"])
        case "table":
            assert all(len(row) == len(block["rows"][0]) for row in block["rows"])
        case kind:
            assert kind in ("divider", "actions")


def check_element(element):
    kind = element["type"]
    assert element["elements"]
    if kind == "rich_text_list":
        assert element["style"] in ("bullet", "ordered")
        assert 0 <= element.get("indent", 0) <= 8
        assert element.get("offset", 1) > 0
        assert {each["type"] for each in element["elements"]} == {"rich_text_section"}
    else:
        assert kind in ("rich_text_section", "rich_text_quote", "rich_text_preformatted")
    for each in inline([element]):
        assert each["text"]
        assert set(each.get("style", {})) <= STYLES
        if each["type"] == "link":
            assert kind != "rich_text_preformatted"
            assert len(each["url"]) <= 6000
            assert URL.fullmatch(each["url"])


def whole(markdown, growing=False):
    return slack._formatted(markdown, growing).text


@given(MARKDOWN, st.booleans(), st.sampled_from([1, 1, 1, 5, 40]))
@settings(max_examples=250)
@example("`a`" * 3000, False, 1)
@example("**a** " * 900, False, 1)
@example("---\n" * 200, False, 1)
@example("\n".join(f"- [{'x' * 9}](https://e.org/{'p' * 1900})" for _ in range(20)), False, 1)
@example("".join(f"[**a**](https://e.org/{'p' * 1900}{number})" for number in range(40)), False, 1)
@example("<!channel> <@U123> <#C1|x> @here &lt;!here&gt; <https://e.org|label>", False, 1)
@example("👨‍👩‍👧‍👦" * 2000, False, 1)
def test_no_message_is_ever_one_that_slack_refuses_or_takes_for_markup(markdown, growing, times):
    check(render(Body(markdown * times), growing=growing))


@given(MARKDOWN, st.booleans(), st.sampled_from([1, 1, 1, 5, 40]))
@settings(max_examples=250)
def test_no_visible_character_is_lost_between_messages(markdown, growing, times):
    expected = whole(markdown * times, growing)
    pieces = render(Body(markdown * times), growing=growing)
    if visible(expected):
        assert squeezed("\n".join(shown(piece.format) for piece in pieces)) == squeezed(expected)
    else:
        assert not visible(clean(markdown))
        assert len(pieces) == 1


@given(CLUSTERS.map("".join))
@settings(max_examples=100)
def test_no_cut_breaks_what_a_person_sees_as_one_character(words):
    words = (words + "x") * (12_000 // (len(words) + 1))
    text, place = whole(words), 0
    starts = {0}
    for cluster in wcwidth.iter_graphemes(text):
        place += len(cluster)
        starts.add(place)
    place = 0
    for piece in render(Body(words)):
        part = shown(piece.format)
        at = text.index(part, place)
        place = at + len(part)
        assert {at, place} <= starts


@given(st.lists(st.tuples(FRAMES, WORDS), max_size=12), st.sampled_from([" ", "\n", "\n\n", ""]))
@settings(max_examples=300)
def test_every_word_of_an_answer_arrives_in_order(framed, between):
    answer = between.join(frame.format(word) for frame, word in framed)
    words = "".join("".join(shown(piece.format) for piece in render(Body(answer))).split())
    place = 0
    for _, word in framed:
        place = words.index(word, place) + len(word)


TEXTS = st.one_of(
    st.text(max_size=60), MARKDOWN, st.sampled_from(["*b*", "_i_", ":x:", "<!here>", "a_b", "> q", "x" * 2500])
)
BUTTONS = st.lists(
    st.lists(st.builds(Button, st.text(max_size=90), st.just("/agents show 1")), max_size=30).map(tuple), max_size=12
).map(tuple)
TABLES = st.integers(0, 22).flatmap(
    lambda width: st.builds(
        Table,
        st.tuples(*[TEXTS] * width),
        st.lists(st.tuples(*[st.text(max_size=30)] * width), max_size=110).map(tuple),
    )
)
BODIES = st.builds(
    Body,
    MARKDOWN,
    BUTTONS,
    st.just(()),
    TEXTS,
    st.lists(st.tuples(TEXTS, TEXTS), max_size=23).map(tuple),
    st.one_of(st.none(), TABLES),
    st.one_of(st.none(), st.builds(Progress, st.floats(0, 1), TEXTS)),
)


@given(BODIES, st.booleans())
@settings(max_examples=100)
def test_a_card_of_any_content_fits_with_all_its_buttons(body, growing):
    pieces = render(body, growing=growing)
    assert pieces
    check(pieces)
    assert pieces == render(body, growing=growing)
    pressed = [button for piece in pieces for row in piece.buttons for button in row]
    assert pressed == ([] if growing else [button for row in body.buttons for button in row])


@given(
    st.lists(st.sampled_from(["Some words. ", "**bold** ", "\n\n", "\n- item ", "`code` ", "[link](https://e.org/x) "]))
)
@settings(max_examples=15)
def test_a_growing_text_keeps_the_messages_that_are_full(parts):
    answer = "".join(parts) * (30_000 // max(1, len("".join(parts))))
    grown = [render(Body(answer[:size]), growing=True) for size in range(500, min(len(answer), 20_000), 1300)]
    for before, after in pairwise(grown):
        assert after[: len(before) - 1] == before[:-1]
