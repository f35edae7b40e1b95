"""What differs between two versions of an agent, as a person reads it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.agent_changes import as_block, changes, fenced
from core.agents import Plan

PLAN = Plan("Writer", "Writes", "You write.\nBe brief.\nBe kind.\nBe honest.\nSay why.", settings={"temperature": 0.3})


def test_a_setting_is_shown_as_what_it_was_and_is() -> None:
    assert changes(PLAN, replace(PLAN, settings={"temperature": 0.7})).summary() == "temperature: `0.3` → `0.7`"
    assert changes(PLAN, replace(PLAN, settings={})).summary() == "temperature: `0.3` → not set"
    assert changes(PLAN, replace(PLAN, settings=PLAN.settings | {"top_p": 1.0})).summary() == "top_p: not set → `1`"


def test_every_part_of_an_agent_is_compared() -> None:
    other = Plan("Poet", "Rhymes", "You rhyme.", "openai:x", {"temperature": 1.0}, ("openai:y",), True)
    assert set(changes(PLAN, other).names) == {
        "name", "description", "instructions", "model", "temperature", "fallbacks", "other providers",
    }  # fmt: skip
    assert not changes(other, replace(other))


def test_only_the_changed_lines_of_a_text_are_shown_with_their_neighbours() -> None:
    new = replace(PLAN, instructions=PLAN.instructions.replace("Be brief.", "Be very brief.").replace("why", "how"))
    [(name, lines)] = changes(PLAN, new).texts
    assert name == "instructions"
    assert lines == (
        " You write.",
        "-Be brief.",
        "+Be very brief.",
        " Be kind.",
        " Be honest.",
        "-Say why.",
        "+Say how.",
    )


def test_a_long_paragraph_is_compared_sentence_by_sentence() -> None:
    first = "This is one sentence of many. " * 6
    old, new = replace(PLAN, instructions=f"{first}Be kind. End."), replace(PLAN, instructions=f"{first}Be firm. End.")
    [(_, lines)] = changes(old, new).texts
    assert lines == (" This is one sentence of many.", "-Be kind.", "+Be firm.", " End.")


def test_a_change_of_spaces_alone_is_told() -> None:
    long = "This is one sentence of many. " * 6
    [(_, lines)] = changes(
        replace(PLAN, instructions=long), replace(PLAN, instructions=long.replace(". ", ".  "))
    ).texts
    assert lines == (" (only spaces and line breaks)",)


def test_lines_that_look_like_a_diffs_head_are_shown() -> None:
    [(_, lines)] = changes(replace(PLAN, instructions="-- a"), replace(PLAN, instructions="++ b")).texts
    assert lines == ("--- a", "+++ b")


@given(st.text(alphabet="a`~\n -", max_size=60), st.text(alphabet="a`~\n -", max_size=60))
def test_no_text_breaks_out_of_its_block(old: str, new: str) -> None:
    for _, lines in changes(replace(PLAN, instructions=old), replace(PLAN, instructions=new)).texts:
        [token] = MarkdownIt().parse(as_block(lines))
        assert token.type == "fence"
    [token] = MarkdownIt().parse(fenced(old))
    assert token.type == "fence"
