"""An agent as a TOML file: what is written is read back, and what is wrong is told with its line."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent_files import MOST_CHARACTERS, BadFile, from_toml, to_toml
from core.agents import MOST_DESCRIPTION, MOST_INSTRUCTIONS, MOST_NAME, Plan, clean_name
from core.providers.catalogue import Catalogue

CATALOGUE = Catalogue(openai_key="sk-x", google_key="g-x", default_model="openai:gpt-5.4-mini")
PLAIN = 'name = "Writer"\ninstructions = "Write."\n'

_SAMPLES = [
    "'''",
    '"""',
    "\\",
    "\r\n",
    "\n\n",
    "'",
    '"',
    "\\n",
    "\x00",
    "\x7f",
    "# no",
    "[settings]",
    "name = 1",
    "🙂",
    "שלום",
]
text = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(_SAMPLES)), max_size=12).map("".join)
settings = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "max_output_tokens": st.integers(1, 10**6),
        "top_p": st.floats(0, 1),
        "verbosity": st.sampled_from(["low", "medium", "high"]),
    },
)
model_names = st.from_regex(r"[a-z0-9.:/_-]{1,30}", fullmatch=True)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Agents as the operations make them."""
    others = draw(st.booleans())
    providers = st.sampled_from(["openai", "google"] if others else ["openai"])
    models = st.builds("{}:{}".format, providers, model_names)
    return Plan(
        name=draw(text.map(clean_name).filter(lambda name: 0 < len(name) <= MOST_NAME)),
        description=draw(text)[:MOST_DESCRIPTION].strip(),
        instructions=draw(text.map(str.strip).filter(bool)),
        model=draw(st.one_of(st.just(""), st.builds("openai:{}".format, model_names))),
        settings=draw(settings),
        fallbacks=tuple(draw(st.lists(models, max_size=5, unique=True))),
        other_providers=others,
    )


@given(plans())
def test_what_is_written_is_read_back_the_same(plan: Plan) -> None:
    assert from_toml(to_toml(plan), CATALOGUE) == plan


@given(text)
def test_no_text_confuses_the_reader(source: str) -> None:
    for said in (source, PLAIN + source):
        with suppress(BadFile):
            assert from_toml(said, CATALOGUE).instructions


def test_long_instructions_stay_readable() -> None:
    written = to_toml(Plan("A", "", 'Say "hi".\n\tUse C:\\dir\nand `code`.'))
    assert "instructions = '''\nSay \"hi\".\n\tUse C:\\dir\nand `code`.'''" in written


def test_the_longest_agent_fits_its_own_limit() -> None:
    plan = Plan("n" * MOST_NAME, "d" * MOST_DESCRIPTION, '"\\' * (MOST_INSTRUCTIONS // 2))
    assert len(to_toml(plan)) < MOST_CHARACTERS
    assert from_toml(to_toml(plan), CATALOGUE) == plan


def test_a_fence_around_the_file_is_no_matter() -> None:
    plan = Plan("Writer", "", "Write ``` fences.")
    assert from_toml(f"````toml\n{to_toml(plan)}````\n", CATALOGUE) == plan
    assert from_toml(f"```\n{PLAIN}```", CATALOGUE).name == "Writer"


@pytest.mark.parametrize(
    ("source", "sentences"),
    [
        ("name = ", ["The end is not written as TOML"]),
        ("name = 1\nname", ["is not written as TOML"]),
        ("name = 1\nname !\n", ["Line 2 is not written as TOML"]),
        ("hello", ["is not written as TOML"]),
        ("", ["name is missing.", "instructions is missing."]),
        ('name = "A"', ["instructions is missing."]),
        ('name = " "\ninstructions = "x"', ["Line 1: name is missing."]),
        (PLAIN + "temprature = 1", ["Line 3: there is no “temprature”"]),
        (PLAIN + "fallbacks = 'a'", ["Line 3: fallbacks must be a list of texts in quotes."]),
        (PLAIN + "fallbacks = [1]", ["Line 3: fallbacks must be a list of texts in quotes."]),
        (PLAIN + "other_providers = 1", ["Line 3: other_providers must be true or false."]),
        (PLAIN + "description = 3\nmodel = 4", ["Line 3: description must be", "Line 4: model must be"]),
        (PLAIN + "format = 2", ["Line 3: I know files of format 1 only."]),
        (PLAIN + "format = true", ["Line 3: format must be a number."]),
        (PLAIN + "settings = 1", ["Line 3: settings must be a table"]),
        (PLAIN + '\n[settings]\ntemperature = "hot"', ["Line 5: temperature is a number from 0 to 2."]),
        (
            PLAIN + "\n[settings]\ntop_q = 1\ntop_p = 3",
            ["Line 5: `openai:gpt-5.4-mini` takes no “top_q”", "Line 6: top_p"],
        ),
        (PLAIN + "[settings]\ntemperature = true", ["Line 4: temperature is a number"]),
        (PLAIN + "[settings]\nmax_output_tokens = 1.5", ["Line 4: max_output_tokens is a whole number, 1 or more."]),
        (PLAIN + 'model = "anthropic:x"', ["Line 3: The provider anthropic is not set up; set ANTHROPIC_API_KEY"]),
        (PLAIN + 'model = "acme:x"', ["Line 3: There is no provider “acme” here"]),
        (PLAIN + 'model = "openai:"', ["Line 3: Write the model as provider:name"]),
        (PLAIN + 'fallbacks = ["google:x"]', ["Line 3: `google:x` is another provider's model"]),
        (f'name = "{"x" * 61}"\ninstructions = "x"', ["Line 1: name has 60 characters at most."]),
        ("instructions = '''\nname = 1\n'''\nname = 2", ["Line 4: name must be a text in quotes."]),
        ("x" * (MOST_CHARACTERS + 1), ["That is too large"]),
        ("[" * 2000, ["is not written as TOML"]),
    ],
)
def test_each_mistake_is_told_in_a_sentence_with_its_line(source: str, sentences: list[str]) -> None:
    with pytest.raises(BadFile) as raised:
        from_toml(source, CATALOGUE)
    assert len(raised.value.problems) == len(sentences)
    for problem, sentence in zip(raised.value.problems, sentences, strict=True):
        assert sentence in problem


def test_the_file_is_what_others_read_too() -> None:
    plan = Plan("A", "d", "i", "openai:x", {"temperature": 1.0}, ("openai:y",), True)
    assert tomllib.loads(to_toml(plan)) == {
        "format": 1,
        "name": "A",
        "description": "d",
        "model": "openai:x",
        "fallbacks": ["openai:y"],
        "other_providers": True,
        "instructions": "i",
        "settings": {"temperature": 1.0},
    }
