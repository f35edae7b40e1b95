"""What holds for every text that becomes Telegram messages, held against the fake server's reading of the rules."""

import wcwidth
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.text import telegram
from channels.text.plain import clean, utf16_len, visible
from channels.text.telegram import render
from tests.servers.telegram_text import checked, part, trimmed

FAMILY = "👨‍👩‍👧‍👦"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def formats(piece):
    """What is formatted how: (type, characters, URL or language)."""
    return [
        (each["type"], part(piece.text, each["offset"], each["length"]), each.get("url") or each.get("language") or "")
        for each in piece.format
    ]


def seen(words: str) -> str:
    return "".join(character for character in words if visible(character))


def check(pieces, limit=4096):
    """Fail for anything that Telegram would refuse, change or drop."""
    for piece in pieces:
        assert 0 < utf16_len(piece.text) <= limit
        assert visible(piece.text)
        entities = list(piece.format)
        assert checked(piece.text, entities) == entities
        assert trimmed(piece.text, entities) == (piece.text, entities)
        assert len(entities) <= 100
        places = [(each["offset"], each["offset"] + each["length"], each["type"]) for each in entities]
        for index, (start, end, kind) in enumerate(places):
            assert visible(part(piece.text, start, end - start))
            inside = [other for at, _, other in places[index + 1 :] if at < end]
            assert kind not in ("code", "pre") or not inside
            assert kind != "blockquote" or "blockquote" not in inside
            assert kind != "text_link" or not {"text_link", "code", "pre", "blockquote"} & set(inside)
            assert kind not in inside


MARKS = (
    "** __ * _ ~~ ~ ` `` ``` [ ]( ](http://a.b/c_d) ) ![ <b> </b> < &lt; &amp;lt; &#x202e; &#0; &#xE0041; || | { } $ $$"
)
MARKS += r" \ \( \) \[ \] \frac{a}{b} [^1] https://e.org/_a_?b*c* 2*3*4 a_b_c é שלום مرحبا 🇩🇪 x"
BLOCKS = [
    "```py\n",
    "~~~\n",
    "> ",
    ">> ",
    "# ",
    "- ",
    "- [ ] ",
    "7. ",
    "\n",
    "\n\n",
    "  ",
    "    ",
    "\t",
    "---\n",
    "***\n",
]
BLOCKS += ["| a | b |\n|---|--:|\n", "| a | b |\n|---|--:|\n| c | 漢 |\n", "[^1]: ", "[x]: y\n", "\r\n", "\r"]
ODD = [FAMILY, ENGLAND, "e\u0301", "\u200b", "\u200d", "\u202e", "\x00", "\x1b", "\ud800", "\U000e0041"]
WORDY = ["word. ", "Word ", "lines of words, and more. ", "x" * 40]
PARTS = st.sampled_from([*MARKS.split(" "), *BLOCKS, *ODD, *WORDY])
MARKDOWN = st.one_of(
    st.lists(PARTS, max_size=60).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=200),
    st.lists(st.one_of(PARTS, st.text(max_size=20)), max_size=40).map("".join),
)
LIMITS = st.one_of(st.integers(16, 120), st.just(4096))


@given(MARKDOWN, LIMITS, st.booleans())
@settings(max_examples=400)
@example("`a`" * 300, 4096, False)
@example("**a** " * 900, 4096, False)
@example(">     code", 4096, False)
@example("> ```\n>   indented\n> code\n> ```", 4096, False)
@example("> ```\n" + ">   indented\n" * 9 + "> ```", 24, False)
def test_no_piece_is_ever_one_that_telegram_refuses_or_changes(markdown, limit, growing):
    check(render(markdown, limit, growing=growing), limit)


@given(MARKDOWN, LIMITS, st.booleans())
@settings(max_examples=400)
def test_no_visible_character_is_lost_between_pieces(markdown, limit, growing):
    whole = telegram._formatted(markdown, growing).text
    pieces = render(markdown, limit, growing=growing)
    if visible(whole):
        assert seen("".join(piece.text for piece in pieces)) == seen(whole)
    else:
        assert seen("".join(piece.text for piece in pieces)) == seen(clean(markdown))


CLUSTERS = st.lists(
    st.sampled_from(
        [FAMILY, ENGLAND, "🇩🇪🇫🇷", "e\u0301\u0323", "한", "ᄒ\u1161\u11ab", "नी", "a", " ", "\n", "👍🏽", "1️⃣"]
    )
)


@given(CLUSTERS.map("".join), st.integers(24, 60))
@settings(max_examples=300)
def test_no_cut_breaks_what_a_person_sees_as_one_character(words, limit):
    whole, place = telegram._formatted(words, False).text, 0
    starts = {0}
    for cluster in wcwidth.iter_graphemes(whole):
        place += len(cluster)
        starts.add(place)
    place = 0
    for piece in render(words, limit):
        at = whole.index(piece.text, place)
        place = at + len(piece.text)
        assert {at, place} <= starts


@given(
    st.lists(
        st.sampled_from(["x = 1", "    return x", "", "\tif y:", "long " * 30, FAMILY * 9, "y" * 200]), min_size=1
    ),
    st.integers(40, 90),
)
@settings(max_examples=200)
def test_a_code_block_that_spans_pieces_is_a_code_block_in_each(lines, limit):
    code = "\n".join(lines)
    if not visible(code):
        return
    pieces = render(f"Before.\n\n```python\n{code}\n```\n\nAfter.", limit)
    check(pieces, limit)
    blocks = [
        words for piece in pieces for kind, words, language in formats(piece) if (kind, language) == ("pre", "python")
    ]
    assert seen("".join(blocks)) == seen(code)


WORDS = st.integers(100, 999).map(lambda number: f"w{number}")
INLINE = [
    "{}",
    "**{}**",
    "*{}*",
    "`{}`",
    "<b>{}</b>",
    "[{}](http://a.b)",
    "~~{}~~",
    "||{}||",
    "![{}](http://a.b/c.png)",
]
INLINE += ["$`{}`$", "List<{}>", "**{}", "`{}", "[{}](", "\\({}\\)"]
BLOCK = ["# {}\n\n", "- {}\n", "7. {}\n", "> {}\n\n", "\n\n```\n{}\n```\n\n", "<p>{}</p>\n\n", "[{}]: x\n"]
BLOCK += ["\n\n| {} | b |\n|---|---|\n\n", "\n\n<div>\n{}\n</div>\n\n", "- - {}\n", "1. > {}\n"]
FRAMES = st.sampled_from([*INLINE, *BLOCK])


@given(st.lists(st.tuples(FRAMES, WORDS), max_size=12), LIMITS, st.sampled_from([" ", "\n", "\n\n", ""]))
@settings(max_examples=300)
def test_every_word_of_an_answer_arrives_in_order(framed, limit, between):
    shown = "".join(piece.text for piece in render(between.join(frame.format(word) for frame, word in framed), limit))
    shown, place = "".join(shown.split()), 0
    for _, word in framed:
        place = shown.index(word, place) + len(word)
