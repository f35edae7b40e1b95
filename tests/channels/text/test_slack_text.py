"""Replies as Slack messages: what becomes which block, and that nothing in a text is taken for anything else."""

import pytest

from channels.text import slack
from channels.text.slack import actions, render, to_plain
from core.envelopes import Body, Button, OutgoingFile, Progress, Table
from tests.channels.text.test_slack_properties import check, inline, shown


def elements(markdown, **how):
    """The elements of the only rich text block of the only message."""
    (piece,) = render(Body(markdown), **how)
    check([piece])
    (block,) = piece.format
    assert block["type"] == "rich_text"
    return block["elements"]


def section(*inside):
    return {"type": "rich_text_section", "elements": list(inside)}


def words(text, *styles, **more):
    return {"type": "text", "text": text} | ({"style": dict.fromkeys(styles, True)} if styles else {}) | more


def link(url, text, *styles):
    return words(text, *styles, type="link", url=url)


def items(style, *texts, **more):
    return {"type": "rich_text_list", "style": style, "elements": [section(words(text)) for text in texts]} | more


@pytest.mark.parametrize(
    "attack",
    [
        "<!channel> <!here> <!everyone>",
        "<@U123> <@W123|boss>",
        "<!subteam^S123> <!subteam^S123|@ops>",
        "<#C123|general>",
        "<https://evil.example|your bank>",
        "<!date^1392734382^{date}|soon>",
        "@here @channel @everyone #general",
        "&lt;!channel&gt; as &amp;lt;!channel&amp;gt;",
        ":smile: :+1: *not bold* _not italic_ ~not struck~",
        "a < b > c & d",
    ],
)
def test_what_slack_would_act_on_is_shown_as_words(attack):
    (piece,) = render(Body(f"```\n{attack}\n```"))
    check([piece])
    assert shown(piece.format) == attack
    assert all(each["type"] == "text" for each in inline(piece.format))
    assert "<" not in piece.text
    assert to_plain(piece.text) == attack
    (piece,) = render(Body("x", title=attack, fields=((attack, "plain"), ("plain", f"`{attack}`"))))
    check([piece])
    assert shown(piece.format).count(attack) == 3
    assert {each["type"] for each in inline(piece.format)} == {"text"}


def test_a_mention_in_a_models_answer_is_words():
    assert elements("Ask <@U1> in <!channel> & <#C1>") == [section(words("Ask <@U1> in <!channel> & <#C1>"))]


def test_styles_code_and_links_are_native():
    assert elements("**b** *i* ~~s~~ `c` ***bi*** [l](https://e.org/x) **[bl](https://e.org)**") == [
        section(
            words("b", "bold"),
            words(" "),
            words("i", "italic"),
            words(" "),
            words("s", "strike"),
            words(" "),
            words("c", "code"),
            words(" "),
            words("bi", "bold", "italic"),
            words(" "),
            link("https://e.org/x", "l"),
            words(" "),
            link("https://e.org", "bl", "bold"),
        )
    ]


def test_a_heading_is_a_bold_line():
    assert elements("# Head\ntext") == [section(words("Head", "bold"), words("\ntext"))]


def test_nested_lists_are_lists_and_keep_their_numbers():
    assert elements("7. one\n8. two\n   - deep\n     - deeper\n       still deeper\n9. three\n\nafter") == [
        items("ordered", "one", "two", offset=6),
        items("bullet", "deep", indent=1),
        items("bullet", "deeper\nstill deeper", indent=2),
        items("ordered", "three", offset=8),
        section(words("\nafter")),
    ]


def test_two_lists_in_a_row_are_counted_each():
    assert elements("1. a\n2. b\n1) c") == [items("ordered", "a", "b"), items("ordered", "c")]


def test_an_items_second_paragraph_belongs_to_it():
    assert elements("- one\n\n  more of it\n- two") == [items("bullet", "one\n\nmore of it", "two")]


def test_a_blank_line_between_text_and_list_stays():
    assert elements("before\n\n- a\n\nafter") == [
        section(words("before\n")),
        items("bullet", "a"),
        section(words("\nafter")),
    ]
    assert elements("before\n- a") == [section(words("before")), items("bullet", "a")]


def test_tasks_keep_their_boxes():
    (piece,) = render(Body("- [x] done\n- [ ] open"))
    assert shown(piece.format) == "☑ done\n☐ open"


def test_quotes_hold_lists_and_code():
    assert elements("> said **b**\n> - item\n>\n> ```\n> code\n> ```\n\nafter") == [
        {"type": "rich_text_quote", "elements": [words("said "), words("b", "bold")]},
        items("bullet", "item", border=1),
        {"type": "rich_text_preformatted", "elements": [words("code")], "border": 1},
        section(words("after")),
    ]


def test_code_is_literal_and_fences_in_it_stay():
    assert elements("````py\n```\n  **x** <!here> https://e.org\n```\n````") == [
        {
            "type": "rich_text_preformatted",
            "elements": [words("```\n  **x** <!here> https://e.org\n```")],
            "language": "python",
        }
    ]
    assert "language" not in elements("```brainfuck\n+\n```")[0]


def test_a_rule_is_a_divider():
    (piece,) = render(Body("a\n\n---\n\nb"))
    assert [block["type"] for block in piece.format] == ["rich_text", "divider", "rich_text"]


def test_an_address_in_the_text_is_a_link_without_the_sentences_mark():
    assert elements("See https://e.org/a_(b)?c=1, or (https://e.org/d).") == [
        section(
            words("See "),
            link("https://e.org/a_(b)?c=1", "https://e.org/a_(b)?c=1"),
            words(", or ("),
            link("https://e.org/d", "https://e.org/d"),
            words(")."),
        )
    ]
    assert elements("`https://e.org`") == [section(words("https://e.org", "code"))]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "slack://open",
        "https://bank.example@evil.example/",
        "https://bank.example:80@evil.example/",
        "file:///etc/passwd",
        f"https://e.org/{'x' * 2000}",
    ],
)
def test_only_web_and_mail_addresses_are_links(url):
    assert not any(each["type"] == "link" for each in inline(elements(f"[label]({url})")))


def test_a_mail_address_is_a_link():
    assert elements("[write](mailto:a@b.cd)") == [section(link("mailto:a@b.cd", "write"))]


def test_a_links_url_cannot_end_slacks_own_markup():
    (only,) = inline(elements('[a](https://e.org/x|y">z)'))
    assert only["url"] == "https://e.org/x%7Cy%22%3Ez"


def test_a_picture_from_elsewhere_is_a_link_that_names_its_host():
    assert elements("![cat](https://e.org/cat.png)") == [section(link("https://e.org/cat.png", "cat (e.org)"))]


def test_a_table_in_an_answer_is_aligned_code():
    (code,) = elements("| a | b |\n|---|--:|\n| long | 1 |")
    assert code["elements"] == [words("a    | b\n-----+--\nlong | 1")]


@pytest.mark.parametrize("growing", [True, False])
def test_an_answer_of_12000_characters_is_two_messages(growing):
    answer = "\n\n".join(["Some words that are said. " * 15] * 31)[:12_000]
    pieces = render(Body(answer), growing=growing)
    check(pieces)
    assert "\n\n".join(shown(piece.format) for piece in pieces).split() == answer.split()
    assert len(pieces) == 2


def test_code_of_12000_characters_is_code_in_every_message():
    lines = [f"    call({number})  # <!channel> & more of it, `quoted`" for number in range(240)]
    pieces = render(Body("```\n" + "\n".join(lines) + "\n```"))
    check(pieces)
    assert [piece.format[0]["elements"][0]["type"] for piece in pieces] == ["rich_text_preformatted"] * len(pieces)
    assert "\n".join(shown(piece.format) for piece in pieces).split("\n") == lines


def test_a_notification_is_short_and_says_that_more_follows():
    piece, *_ = render(Body("<&> " * 1000))
    assert piece.text.endswith("…")
    assert 2500 < len(piece.text) < 3000
    (piece,) = render(Body("漢字" * 1500))
    assert 3000 < len(piece.text.encode()) <= 3803
    (piece,) = render(Body("a **b** <!here>", title="T"))
    assert piece.text == "T\n\na b &lt;!here&gt;"


def test_a_card_is_header_text_columns_table_progress_and_buttons():
    table = Table(("Name", "Runs"), (("<!here>", "1"), ("", "2")))
    rows = ((Button("Yes", "/yes"), Button("No", "/no")),)
    (piece,) = render(
        Body("Text", rows, title="*Title*", fields=(("Model", "gpt_5"),), table=table, progress=Progress(0.5, "half"))
    )
    check([piece])
    header, text, columns, own, bar = piece.format
    assert header == {"type": "header", "text": {"type": "plain_text", "text": "*Title*", "emoji": False}}
    assert text["elements"] == [section(words("Text"))]
    assert columns["fields"] == [{"type": "mrkdwn", "text": "*Model*\ngpt_5", "verbatim": True}]
    assert [[cell["text"] for cell in row] for row in own["rows"]] == [["Name", "Runs"], ["<!here>", "1"], [" ", "2"]]
    assert bar["elements"] == [section(words("▓▓▓▓▓░░░░░ 50% half"))]
    assert piece.buttons == rows
    assert (
        piece.text == "*Title*\n\nText\n\nModel: gpt_5\n\nName | Runs\n&lt;!here&gt; | 1\n | 2\n\n▓▓▓▓▓░░░░░ 50% half"
    )


@pytest.mark.parametrize(
    "value", ["**bold**", "a *b", "_x_", ":x:", "> quoted", "[l](https://e.org)", "https://e.org", "a\nb", "y" * 2001]
)
def test_a_field_that_is_more_than_plain_words_makes_the_fields_lines(value):
    (piece,) = render(Body("", fields=(("One", "1"), ("Two", value))))
    check([piece])
    (block,) = piece.format
    assert block["elements"][0]["elements"][:3] == [words("One", "bold"), words(": 1\n"), words("Two", "bold")]


def test_eleven_fields_are_two_sections():
    (piece,) = render(Body("", fields=tuple((f"L{number}", "v") for number in range(11))))
    assert [len(block["fields"]) for block in piece.format] == [10, 1]


def test_a_long_title_is_a_bold_line():
    (piece,) = render(Body("", title="word " * 40))
    assert piece.format[0]["elements"] == [section(words(("word " * 40).strip(), "bold"))]


@pytest.mark.parametrize(
    "table",
    [
        Table(tuple(f"c{n}" for n in range(21)), ()),
        Table(("a",), (("x",),) * 100),
        Table(("a",), (("word " * 3000,),)),
        Table(("a", "b"), (("x" * 100, ""),) * 99),
    ],
)
def test_a_table_that_is_too_big_for_slack_is_aligned_code(table):
    pieces = render(Body("", table=table))
    check(pieces)
    assert {each["type"] for piece in pieces for block in piece.format for each in block["elements"]} == {
        "rich_text_preformatted"
    }
    read = "".join("".join(shown(piece.format) for piece in pieces).split())
    whole = "".join("".join((*table.header, *(cell for row in table.rows for cell in row))).split())
    assert sorted(read.replace("|", "").replace("-", "").replace("+", "")) == sorted(whole)


def test_buttons_are_rows_of_actions_that_carry_their_commands():
    first, second = actions(((Button("<A>", "/a"), Button("B" * 80, "/b")), (), (Button("", "/c"),)))
    assert first == {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "text": {"type": "plain_text", "text": "<A>", "emoji": False},
                "value": "/a",
                "action_id": "b0",
            },
            {
                "type": "button",
                "text": {"type": "plain_text", "text": "B" * 74 + "…", "emoji": False},
                "value": "/b",
                "action_id": "b1",
            },
        ],
    }
    assert (second["elements"][0]["text"]["text"], second["elements"][0]["action_id"]) == ("/c", "b2")


def test_many_rows_of_buttons_fill_few_blocks():
    blocks = actions([[Button("a", "/a")]] * 60)
    assert [len(block["elements"]) for block in blocks] == [25, 25, 10]
    ids = [element["action_id"] for block in blocks for element in block["elements"]]
    assert ids == [f"b{number}" for number in range(60)]


def test_the_channels_own_elements_stand_after_the_buttons():
    own = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "action_id": "open"}
    first, second = actions(((Button("a", "/a"),),), [own])
    assert second["elements"] == [own]
    assert first["elements"][0]["action_id"] == "b0"
    assert actions((), ()) == ()


def test_buttons_without_room_get_a_message_of_their_own():
    rows = tuple((Button(f"Agent {number} " + "x" * 60, f"/agents show {number}"),) for number in range(120))
    pieces = render(Body("Choose", rows))
    check(pieces)
    assert len(pieces) > 1
    assert [row for piece in pieces for row in piece.buttons] == list(rows)
    assert pieces[1].text.startswith("Agent ")


def test_files_come_after_the_text_and_the_buttons_stand_under_the_text():
    file, rows = OutgoingFile("1", "a.png", "image/png"), ((Button("a", "/a"),),)
    text, picture = render(Body("Look", rows, (file,)))
    assert (text.buttons, picture.file, picture.buttons) == (rows, file, ())
    only, picture = render(Body("", rows, (file,)))
    assert (only.text, only.format, only.buttons) == ("a", (), rows)
    (picture,) = render(Body("", files=(file,)))
    assert picture.file == file


def test_growing_text_shows_no_buttons_files_or_open_marks():
    (piece,) = render(
        Body("**bold and `co", ((Button("a", "/a"),),), (OutgoingFile("1", "a", "text/plain"),)), growing=True
    )
    assert (piece.buttons, piece.file) == ((), None)
    (piece,) = render(Body("a **bold"), growing=True)
    assert list(inline(piece.format)) == [words("a "), words("bold", "bold")]
    assert elements("```py\nx = 1\n", growing=True)[0]["type"] == "rich_text_preformatted"


@pytest.mark.parametrize("nothing", ["", "  \n", "\u200b", "\x00"])
def test_nothing_to_show_is_still_one_message(nothing):
    (piece,) = render(Body(nothing), growing=True)
    assert (piece.text, shown(piece.format)) == ("…", "…")
    (piece,) = render(Body(nothing))
    assert piece.text == shown(piece.format) == "The answer has nothing in it that can be shown."


@pytest.mark.parametrize("error", [ValueError("broken"), type("PanicException", (BaseException,), {})("broken")])
def test_a_parser_that_fails_costs_the_formatting_not_the_text(monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(slack, "read", broken)
    assert elements("**a** <!here>") == [section(words("**a** <!here>"))]


def test_a_stop_is_not_mistaken_for_a_parsers_fault(monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(slack, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        render(Body("a"))


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("a &amp; b &lt;c&gt; &amp;lt;", "a & b <c> &lt;"),
        ("<@U123> and <@W9|bob>", "<@U123> and <@W9>"),
        ("<#C1|general> <#C2> <#C3|>", "#general #C2 #C3"),
        ("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone"),
        ("<!subteam^S1|@ops> <!subteam^S2>", "@ops @S2"),
        ("<!date^1392734382^{date} at {time}|Feb 18> <!date^0^{date}>", "Feb 18 1970-01-01 00:00 UTC"),
        ("<https://e.org/a?b=1&amp;c=2>", "https://e.org/a?b=1&c=2"),
        ("<http://e.org|e.org> <https://e.org/|e.org>", "e.org e.org"),
        ("<https://e.org/x|the &lt;docs&gt;>", "the <docs> (https://e.org/x)"),
        ("<mailto:a@b.cd|a@b.cd> <mailto:a@b.cd> <tel:123|123>", "a@b.cd a@b.cd 123"),
        ("*bold* _it_ `code &lt;b&gt;`", "*bold* _it_ `code <b>`"),
        ("1 < 2 and <", "1 < 2 and <"),
        ("", ""),
    ],
)
def test_what_people_write_becomes_plain_text(written, plain):
    assert to_plain(written) == plain
