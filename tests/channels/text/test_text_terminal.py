"""A model's Markdown in a terminal: readable, whole, and unable to drive the terminal."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.text.terminal import render
from tests.channels.text.test_text_properties import FRAMES, MARKDOWN, WORDS

STYLE = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")


def shown(markdown, width=60):
    return STYLE.sub("", render(markdown, width))


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[2J\x1b[H",
        "\x1b]0;title\x07",
        "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
        "\x1b]52;c;c2VjcmV0\x07",
        "\x1bP+q544e\x1b\\",
        "\x1b[6n",
        "\x9b31m",
        "\x9d8;;https://evil.example\x9c",
        "\x90x\x9c",
        "\x07\x08\x0b\x0c\x0e\x0f\x7f",
        "safe\rrm -rf",
        "&#27;[31m &#x1b;[2J &#155;2J &#7;",
        "a&#x202e;b `&#x202e;` [a](https://e.org/&#x202e;)",
        "`\x1b[31m` and ```\x1b[31m",
        "```\n\x1b[31mred\n```",
        "```\x1b[31m\nx\n```",
        "[x](https://e.org/\x1b[31m)",
        "![\x1b[31m](https://e.org)",
        "| \x1b[31m |\n|---|\n| \x9b2J |",
        "[bold red]rich markup[/] [link=https://evil.example]x[/link]",
        "\u202egnp.exe",
    ],
)
def test_a_text_cannot_drive_the_terminal(attack):
    assert not CONTROL.search(shown(f"before {attack} after"))
    assert "before" in shown(f"before {attack} after")


@given(MARKDOWN, st.integers(20, 100))
@settings(max_examples=100)
def test_any_text_becomes_lines_without_control_characters(markdown, width):
    assert not CONTROL.search(shown(markdown, width))


@given(st.lists(st.tuples(FRAMES, WORDS), max_size=12), st.sampled_from([" ", "\n", "\n\n", ""]))
@settings(max_examples=100)
def test_every_word_of_an_answer_arrives_in_order(framed, between):
    words, place = "".join(shown(between.join(frame.format(word) for frame, word in framed), 80).split()), 0
    for _, word in framed:
        place = words.index(word, place) + len(word)


def test_an_escape_is_shown_by_its_picture():
    assert shown("a \x1b[31m b\x07") == "a ␛[31m b␇"


def test_links_and_images_are_written_out():
    assert shown("[docs](https://e.org/d) ![pic](https://i.example/p.png) <https://e.org>", 100).strip() == (
        "docs (https://e.org/d) pic (i.example) https://e.org"
    )


def test_a_wide_table_is_wrapped_not_shortened():
    words = [f"word{number}" for number in range(30)]
    lines = shown(f"| a | b |\n|---|--:|\n| {' '.join(words)} | {'y' * 70} |", 50).split("\n")
    assert max(map(len, lines)) <= 50
    cells = [line.split(" |") for line in lines if " |" in line]
    assert "".join("".join(cell[0] for cell in cells).split()) == "a" + "".join(words)
    assert "".join("".join(cell[1] for cell in cells).split()) == "b" + "y" * 70


def test_html_is_shown_as_it_was_written():
    assert shown("<script>x</script> List<String>").strip() == "<script>x</script> List<String>"


@pytest.mark.parametrize("depth", [4, 10, 20, 45, 150, 3000])
@pytest.mark.parametrize("width", [20, 40, 80])
def test_nesting_hides_nothing_however_deep(depth, width):
    assert "deep" in shown("> " * depth + "deep", width)
    assert "last" in shown("".join("  " * level + "- w\n" for level in range(min(depth, 300))) + "\nlast", width)
    assert shown("".join("  " * level + "- word\n" for level in range(min(depth, 300))), width).count("word") == min(
        depth, 300
    )


def test_numbers_and_line_breaks_stay():
    assert [line.strip() for line in shown("7. a\n8. b\n\none\ntwo").split("\n") if line.strip()] == [
        "7 a",
        "8 b",
        "one",
        "two",
    ]


def test_a_narrow_terminal_gets_all_of_it():
    assert "".join(shown("| aaaa bbbb | cccc |\n|---|---|\n| 1 | 2 |", 10).split())
