"""Markdown as Telegram messages, held against the fake server's own reading of Telegram's rules."""

from itertools import pairwise

import pytest

from channels.text import telegram
from channels.text.markdown import read
from channels.text.telegram import render
from tests.channels.text.test_text_properties import ENGLAND, FAMILY, check, formats, seen


def text(markdown, **how):
    return "\n---\n".join(piece.text for piece in render(markdown, **how))


def test_a_long_answer_arrives_whole_and_is_cut_between_paragraphs():
    paragraphs = [f"Paragraph {number}. " + "Some words that are said. " * 18 for number in range(25)]
    answer = "\n\n".join(paragraph.strip() for paragraph in paragraphs)
    assert len(answer) > 12_000
    pieces = render(answer)
    check(pieces)
    assert "\n\n".join(piece.text for piece in pieces) == answer
    assert len(pieces) == 4


def test_one_long_word_is_cut_only_where_it_must_be():
    assert [len(piece.text) for piece in render("x" * 9000)] == [4096, 4096, 808]


def test_a_part_ends_at_a_sentence_or_a_word_when_nothing_better_is_near():
    first, second = render("One two three. Four five six seven", 26)
    assert (first.text, second.text) == ("One two three.", "Four five six seven")
    first, second = render("One two three four five six seven", 26)
    assert (first.text, second.text) == ("One two three four five", "six seven")


@pytest.mark.parametrize(
    "words",
    [
        "a_b_c and snake_case_name",
        "2 * 3 * 4 = 24",
        "2*3*4 and 2**3**4",
        "List<String> and Map<K, V<T>>",
        "<script>alert(1)</script>",
        "<div>\ninside\n</div>",
        "<!-- a comment -->",
        "**never closed",
        "`never closed",
        "[never](closed",
        "]( )[ **`",
        "a || b || c",
        "||not a spoiler||",
        "about ~5 or ~6 of them",
        "cost $5 or $10, $HOME/$USER and $PATH",
        "https://example.com/_private_/a*b*c",
        "שלום עולם, مرحبا بالعالم",
        f"{FAMILY} 🇩🇪 👍🏽 {ENGLAND} é 1️⃣",
        "zero\u200bwidth\u200cjoiner\u200d",
        "[INFO]: started\n[INFO]: stopped",
        "C:\\Users\\name",
        "a & b < c > d",
    ],
)
def test_what_only_looks_like_markup_is_shown_as_it_is(words):
    (piece,) = render(words)
    check([piece])
    assert piece.text == words
    assert piece.format == ()


def test_html_entities_are_decoded_once():
    assert text("&amp;lt; and &lt;b&gt;") == "&lt; and <b>"


def test_what_no_person_can_see_does_not_travel():
    hidden = "".join(chr(0xE0000 + ord(character)) for character in "secret")
    assert text(f"a{hidden}b\x00c\ud800d\x1be\u202ef&#xE0041;g&#x202e;h") == "abcdefgh"


def test_a_ring_above_survives_telegram():
    assert text("A\u030angstro\u0308m") == "\u00c5ngstro\u0308m"


@pytest.mark.parametrize("nothing", ["", "   ", "\n\n", "\u200b", "\x00", "\u2800 \u3164", "\U000e0041"])
def test_nothing_to_see_makes_no_message(nothing):
    assert render(nothing) == ()


def test_markup_without_content_is_shown_as_it_was_written():
    assert text("```python") == "```python"
    assert text("[a]: http://b.c\n\n[A]: d") == "[a]: http://b.c\n\n[A]: d"


def test_windows_line_endings_are_line_endings():
    assert text("# Head\r\n\r\none\r\ntwo\r\n\r\n```\r\na\r\nb\r\n```") == "Head\n\none\ntwo\n\na\nb"


def test_a_heading_is_bold_without_ornament():
    (piece,) = render("# First\nText\n\n### Use `run`, **now**")
    assert piece.text == "First\nText\n\nUse run, now"
    assert formats(piece) == [
        ("bold", "First", ""),
        ("bold", "Use", ""),
        ("code", "run", ""),
        ("bold", ", now", ""),
    ]


def test_lists_keep_their_numbers_their_depth_and_what_is_in_them():
    answer = "7. one\n8. two\n   - deep\n     - deeper\n\n   more of two\n\n   ```sh\n   ls\n   ```\n"
    answer += "9. [x] done\n10. [ ] open"
    (piece,) = render(answer)
    assert piece.text == "7. one\n8. two\n  • deep\n    • deeper\n\n  more of two\n\nls\n☑ done\n☐ open"
    assert formats(piece) == [("pre", "ls", "sh")]


def test_code_in_a_list_item_stands_on_its_own_lines():
    (piece,) = render("- text\n  ```py\n  x = 1\n  ```\n  after\n- two")
    assert piece.text == "• text\nx = 1\n  after\n• two"


def test_quotes_are_one_quote_however_deep_and_hide_nothing():
    (piece,) = render("> outer\n>> inner\n>\n> ```x\n> code\n> ```\n> end\n\nafter")
    assert piece.text == "outer\n│ inner\n\ncode\nend\n\nafter"
    assert formats(piece) == [("blockquote", "outer\n│ inner\n\ncode\nend", ""), ("pre", "code", "x")]


def test_a_rule_is_a_line():
    assert text("a\n\n---\n\nb") == "a\n\n————————\n\nb"


def test_footnotes_keep_their_numbers():
    assert (
        text("Fact[^1] and[^2].\n\n[^1]: word\n[^2]: More **words**") == "Fact[1] and[2].\n\n[1] word\n[2] More words"
    )


def test_fences_inside_fences_are_text():
    (piece,) = render("````md\n```py\nx\n```\n````")
    assert formats(piece) == [("pre", "```py\nx\n```", "md")]


def test_an_unclosed_fence_is_code_while_it_grows():
    (piece,) = render("Look:\n```python title=a\ndef f():\n    return", growing=True)
    assert formats(piece) == [("pre", "def f():\n    return", "python")]


def test_open_bold_and_code_are_shown_closed_while_they_grow():
    assert formats(render("a **bold cla", growing=True)[0]) == [("bold", "bold cla", "")]
    assert formats(render("a `cod", growing=True)[0]) == [("code", "cod", "")]
    assert text("```\na ** b", growing=True) == "a ** b"


def test_a_table_is_aligned_by_what_is_seen():
    (piece,) = render("| Name | Qty |\n|:--|--:|\n| 漢字 | 1 |\n| **x** `y` | 22 |\n| a<br>b | $1 |\n\nafter")
    assert piece.text == "Name | Qty\n-----+----\n漢字 |   1\nx y  |  22\na    |  $1\nb    |\n\nafter"
    assert formats(piece)[0][0] == "pre"


def test_a_wide_table_stays_aligned_and_whole():
    words = [f"word{number}" for number in range(40)]
    pieces = render(f"| A | B | C |\n|---|---|---|\n| {' '.join(words)} | {'y' * 90} | short |\n" * 1)
    check(pieces)
    lines = pieces[0].text.split("\n")
    assert max(map(len, lines)) <= 76
    columns = [
        "".join(cells)
        for cells in zip(*(line.ljust(76).split(" | ") for line in lines if "-+-" not in line), strict=False)
    ]
    assert "".join(columns[0].split()) == "A" + "".join(words)
    assert "".join(columns[1].split()) == "B" + "y" * 90


def test_what_a_row_has_more_than_the_table_has_columns_is_shown():
    rows = [
        "| Type | Of |", "|---|---|", "| `string | null` | ``a`|`b`` |", "| one | two | three | four |", "| only |",
        "| a \\| b | c | | |", "one|`x|y`|z",
    ]  # fmt: skip
    shown = """\
Type          | Of
--------------+-------------------
string | null | a`|`b
one           | two | three | four
only          |
a | b         | c
one           | x|y|z"""
    for before, between in (("", "\n"), ("Look:\n\n> ", "\n> ")):
        (piece,) = render(before + between.join(rows))
        assert piece.text == f"{'Look:' * bool(before)}\n\n{shown}".strip()


def test_a_tables_links_follow_it():
    (piece,) = render("| a |\n|---|\n| [docs](https://e.org/d) |\n| ![pic](https://e.org/p.png) |")
    assert piece.text == "a\n-------------\ndocs\npic (e.org)\ndocs\npic (e.org)".replace(
        "-------------", "-----------"
    )
    assert [each for each in formats(piece) if each[0] == "text_link"] == [
        ("text_link", "docs", "https://e.org/d"),
        ("text_link", "pic (e.org)", "https://e.org/p.png"),
    ]


def test_an_image_is_a_link_that_names_its_host():
    (piece,) = render(
        "![chart](https://evil.example/x.png?d=secret) and [![badge](https://i.example/b.png)](https://e.org)"
    )
    assert piece.text == "chart (evil.example) and badge"
    assert formats(piece) == [
        ("text_link", "chart (evil.example)", "https://evil.example/x.png?d=secret"),
        ("text_link", "badge", "https://e.org"),
    ]
    assert text("![](data:image/png;base64,AAAA)") == "image"


def test_a_link_without_a_label_shows_where_it_leads():
    assert formats(render("[](https://e.org/x)")[0]) == [("text_link", "https://e.org/x", "https://e.org/x")]


def test_a_links_url_carries_nothing_hidden():
    (piece,) = render("[a](https://e.org/\U000e0041b&#xE0042;c&#x202e;d)")
    assert formats(piece) == [("text_link", "a", "https://e.org/bcd")]


def test_a_link_that_telegram_refuses_is_written_out():
    (piece,) = render(
        "[a](http://localhost:80/x) [b](javascript:x) [c](#x) [d](./d.md) [e](mailto:e@f.gh) <e@f.gh> [f](tg://user?id=1)"
    )
    assert (
        piece.text
        == "a (http://localhost:80/x) b (javascript:x) c d (./d.md) e (mailto:e@f.gh) e@f.gh f (tg://user?id=1)"
    )
    assert piece.format == ()


def test_a_link_wins_over_code_in_it_and_code_over_style_around_it():
    (piece,) = render("[`run`](https://e.org) **a `b` c** ***d***")
    assert formats(piece) == [
        ("text_link", "run", "https://e.org"),
        *[("bold", "a", ""), ("code", "b", ""), ("bold", "c", "")],
        *[("bold", "d", ""), ("italic", "d", "")],
    ]


def test_two_hundred_links_arrive_with_every_link():
    pieces = render(" ".join(f"[link {number}](https://e.org/{number})" for number in range(200)))
    check(pieces)
    links = [words for piece in pieces for kind, words, _ in formats(piece)]
    assert links == [f"link {number}" for number in range(200)]
    assert len(pieces) == 2


def test_more_styles_than_telegram_takes_cost_no_character():
    pieces = render("".join(f"**{letter}**~~{letter}~~" for letter in "ab" * 400))
    check(pieces)
    assert "".join("".join(piece.text.split()) for piece in pieces) == "aabb" * 400


def test_of_too_many_entities_links_stay_before_styles():
    pieces = render("".join(f"[***~~{letter}~~***](https://e.org)" for letter in "ab" * 50))
    check(pieces)
    assert "".join(piece.text for piece in pieces) == "ab" * 50
    assert [kind for piece in pieces for kind, *_ in formats(piece)] == ["text_link"] * 100


def test_a_space_that_carries_an_accent_is_no_place_to_cut():
    assert [piece.text for piece in render("aaaaaaaa bbbbb \u0301ccccc dddd", 18)] == [
        "aaaaaaaa",
        "bbbbb \u0301ccccc dddd",
    ]


def test_a_link_is_not_cut_where_it_can_be_kept():
    url = "https://example.org/" + "p" * 30
    first, second = render(f"Some words before it {url} and after", 60)
    assert (first.text, second.text) == ("Some words before it", f"{url} and after")
    first, second = render("Some words here before the [label of a link](https://e.org/x) and more", 40)
    assert formats(second) == [("text_link", "label of a link", "https://e.org/x")]


def test_a_block_that_fits_one_message_is_not_divided():
    code = "\n".join(f"line {number}" for number in range(20))
    first, second = render(f"{'Words. ' * 15}\n\n```py\n{code}\n```", 220)
    assert formats(second) == [("pre", code, "py")]
    assert first.format == ()


def test_a_very_long_line_of_code_is_code_in_every_piece():
    pieces = render("```json\n" + "{" + "a" * 9000 + "}\n```")
    check(pieces)
    assert "".join(piece.text for piece in pieces) == "{" + "a" * 9000 + "}"
    assert all(formats(piece) == [("pre", piece.text, "json")] for piece in pieces)


def test_the_indent_of_code_survives_a_cut():
    code = "\n".join(f"    step({number})" for number in range(40))
    pieces = render(f"```py\ndef f():\n{code}\n```", 200)
    assert "\n".join(piece.text for piece in pieces) == f"def f():\n{code}"


def test_formulas_become_unicode_and_code_that_shows_them_stays():
    (piece,) = render("So \\(\\alpha^2\\) is\n\n\\[ \\frac{1}{2} \\]\n\n```latex\n\\[ \\frac{1}{2} \\]\n```")
    assert formats(piece) == [("code", "α²", ""), ("pre", "½", ""), ("pre", "\\[ \\frac{1}{2} \\]", "latex")]


@pytest.mark.parametrize("error", [ValueError("broken"), type("PanicException", (BaseException,), {})("broken")])
def test_a_parser_that_fails_costs_the_formatting_not_the_text(monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(telegram, "read", broken)
    assert [piece.text for piece in render("**a** " * 1000)] == [("**a** " * 682).strip(), ("**a** " * 318).strip()]


def test_a_stop_is_not_mistaken_for_a_parsers_fault(monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(telegram, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        render("a")


def test_growing_text_keeps_the_pieces_that_are_full():
    answer = "\n\n".join(f"Paragraph {number} has **some** words." for number in range(60))
    grown = [[piece.text for piece in render(answer[:size], 300, growing=True)] for size in range(1, len(answer), 37)]
    for before, after in pairwise(grown):
        assert after[: len(before) - 1] == before[:-1]


def test_reading_alone_never_fails_on_deep_nesting():
    for markdown in (
        "> " * 3000 + "a",
        "".join("  " * depth + "- a\n" for depth in range(300)),
        "[" * 5000,
        "*a " * 3000,
    ):
        assert seen(read(markdown, lambda url: True).text)
