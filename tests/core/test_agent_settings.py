"""What a model may be set to, and what is told to people who set something else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.agent_settings import (
    Unfit,
    as_lines,
    fallbacks_problem,
    fit,
    model_problem,
    read_fallbacks,
    read_lines,
    settle,
)
from core.agents import Plan
from core.providers.catalogue import Catalogue

CATALOGUE = Catalogue(openai_key="sk-x", google_key="g-x", default_model="openai:gpt-5.4-mini")


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("temperature", "0.5", 0.5),
        ("temperature", 2, 2.0),
        ("max_output_tokens", "500", 500),
        ("max_output_tokens", 500.0, 500),
        ("verbosity", "low", "low"),
        ("presence_penalty", "-2", -2.0),
    ],
)
def test_what_the_provider_takes_is_kept_in_its_own_type(name: str, value: Any, kept: Any) -> None:
    found = fit(CATALOGUE, "", name, value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("temperature", "hot", "temperature is a number from 0 to 2."),
        ("temperature", "2.1", "temperature is a number from 0 to 2."),
        ("temperature", "nan", "temperature is a number from 0 to 2."),
        ("temperature", True, "temperature is a number from 0 to 2."),
        ("temperature", ["1"], "temperature is a number from 0 to 2."),
        ("max_output_tokens", "0", "max_output_tokens is a whole number, 1 or more."),
        ("max_output_tokens", "1e999", "max_output_tokens is a whole number, 1 or more."),
        ("verbosity", "loud", "verbosity is one of low, medium, high."),
        ("temprature", 1, "`openai:gpt-5.4-mini` takes no “temprature”: did you mean temperature?"),
    ],
)
def test_what_it_does_not_take_gets_a_sentence(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(Unfit) as raised:
        fit(CATALOGUE, "", name, value)
    assert str(raised.value) == sentence


def test_settings_are_those_of_the_model_that_is_named() -> None:
    assert fit(CATALOGUE, "google:gemini", "top_k", "3") == 3
    with pytest.raises(Unfit):
        fit(CATALOGUE, "openai:x", "top_k", "3")
    with pytest.raises(Unfit, match="takes no settings"):
        fit(CATALOGUE, "offline:handbook", "temperature", 1)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.one_of(st.integers(), st.floats(-9, 9))))
def test_lines_are_read_as_they_are_shown(settings: dict[str, Any]) -> None:
    read = read_lines(as_lines(settings))
    assert {name: float(value) for name, value in read.items()} == {n: float(v) for n, v in settings.items()}


def test_lines_may_be_written_carelessly() -> None:
    assert read_lines(' top_p=0.5\n\nverbosity: "low" ') == {"top_p": "0.5", "verbosity": "low"}
    with pytest.raises(Unfit, match="one setting in each line"):
        read_lines("top_p 0.5")


@pytest.mark.parametrize("model", ["openai:gpt-5.4", "openai", "google:a/b:c", "offline:handbook"])
def test_these_models_can_be_used(model: str) -> None:
    assert model_problem(CATALOGUE, model) == ""


@pytest.mark.parametrize(
    "model", ["", "gpt-5.4", "openai:", "openai:a b", "anthropic:x", "openai:`x`", "openai:" + "x" * 200]
)
def test_these_models_can_not(model: str) -> None:
    assert model_problem(CATALOGUE, model).endswith(".")


def test_fallbacks_stay_with_the_provider_unless_the_owner_says_otherwise() -> None:
    assert read_fallbacks("openai:a, openai:b\nopenai:a") == ("openai:a", "openai:b")
    assert fallbacks_problem(CATALOGUE, "", ["openai:a"], others=False) == ""
    assert "another provider's model" in fallbacks_problem(CATALOGUE, "", ["google:a"], others=False)
    assert fallbacks_problem(CATALOGUE, "", ["google:a"], others=True) == ""
    assert "can have 5" in fallbacks_problem(CATALOGUE, "", [f"openai:{n}" for n in range(6)], others=True)


def test_a_model_that_is_changed_keeps_what_it_can_have() -> None:
    plan = Plan("A", "", "i", "google:g", {"temperature": 1.0, "verbosity": "low"}, ("google:h", "openai:x"))
    kept, remarks = settle(CATALOGUE, plan)
    assert (kept.settings, kept.fallbacks) == ({"temperature": 1.0}, ("google:h",))
    assert len(remarks) == 2
    assert settle(CATALOGUE, kept) == (kept, [])
