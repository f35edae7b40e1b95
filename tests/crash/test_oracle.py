"""The judge must be able to say no: each thing that can go wrong before a person's eyes is found."""

import pytest

from tests.crash.browser import articles
from tests.crash.echo import Echo
from tests.crash.oracle import NOTICE, STOPPED, Said, Seen, Trouble, Verdict, judge

ONE, TWO = "zq000000000001", "zq000000000002"


def answers(*messages: str, length: int = 1) -> list[str]:
    """Return what the model answers to each message, in order."""
    echo = Echo()
    plans = [echo({"messages": [{"role": "user", "content": f"[[len={length}]] {text}"}]}) for text in messages]
    return [plan.text for plan in plans if plan]


def judged(said: list[Said], texts: list[str], asked: list[tuple[str, ...]], *troubles: float, **more: int) -> Verdict:
    seen = [Seen(str(number), text, float(number)) for number, text in enumerate(texts)]
    return judge(said, seen, asked, [Trouble(at) for at in troubles], **more)  # type: ignore[arg-type]


def broken(verdict: Verdict) -> list[str]:
    return sorted({each.partition(":")[0] for each in verdict.violations})


def test_what_is_right_is_right() -> None:
    first, second = answers(ONE, TWO)
    assert broken(judged([Said(ONE), Said(TWO)], [first, second], [(ONE,), (TWO,)])) == []


def test_an_answer_to_several_messages_counts_for_each() -> None:
    (both,) = answers(f"{ONE} {TWO}")
    assert broken(judged([Said(ONE), Said(TWO)], [both], [(ONE, TWO)])) == []


def test_a_long_answer_may_be_cut_anywhere() -> None:
    (long,) = answers(ONE, length=3000)
    assert broken(judged([Said(ONE)], [long[:1500], long[1500:]], [(ONE,)])) == []


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ["I1"]),
        (["second"], ["I1"]),
        (["first", "second", "first again"], ["I2"]),
        (["second", "first"], ["I5"]),
        (["first", "second", "…"], ["I6"]),
        (["first", "second", "Something went wrong."], ["I1"]),
    ],
)
def test_what_is_missing_doubled_or_misplaced_is_found(texts: list[str], expected: list[str]) -> None:
    first, second, again = answers(ONE, TWO, ONE)
    known = {"first": first, "second": second, "first again": again}
    verdict = judged([Said(ONE), Said(TWO)], [known.get(each, each) for each in texts], [(ONE,), (TWO,), (ONE,)])
    assert broken(verdict) == expected


def test_half_an_answer_is_found_beside_a_whole_one_and_alone() -> None:
    half, whole = answers(ONE, ONE, length=3000)
    calls = [(ONE,), (ONE,)]
    assert "half" in broken(judged([Said(ONE)], [half[:1500], whole], calls))
    assert broken(judged([Said(ONE)], [half[:1500]], calls)) == ["I1", "half"]
    assert broken(judged([Said(ONE)], [half[1500:], half[:1500]], calls)) == ["I1", "half"]


def test_a_stopped_answer_says_so() -> None:
    (half,) = answers(ONE, length=3000)
    said = [Said(ONE, stopped=True)]
    assert broken(judged(said, [f"{half[:1500]}\n\n{STOPPED}"], [(ONE,)])) == []
    assert broken(judged(said, [half[:1500]], [(ONE,)])) == ["I1", "half"]
    assert broken(judged(said, [STOPPED], [(ONE,)])) == []
    failed = "The model `a:b` could not answer: it could not be reached."
    assert broken(judged(said, [failed], [], failures=True)) == []
    assert broken(judged([*said, Said(TWO)], [failed], [], failures=True)) == ["I1"]


def test_a_card_stands_once_or_a_notice_says_that_it_may_be_missing() -> None:
    said, card = [Said(shows="I don't know /a")], "I don't know /a. /help lists what you can do."
    assert broken(judged(said, [card], [])) == []
    assert broken(judged(said, [], [])) == ["I1"]
    assert broken(judged(said, [card, card], [])) == ["I2"]
    assert broken(judged(said, [card, card], [], again=1)) == []
    assert broken(judged(said, [NOTICE], [], 0.0)) == []
    assert broken(judged(said, [NOTICE], [])) == ["I6"]


def test_a_missing_answer_is_excused_only_by_a_sentence_on_the_model_s_failure() -> None:
    first, second = answers(ONE, TWO)
    told = "The model `a:b` could not answer: it could not be reached."
    said, calls = [Said(ONE), Said(TWO)], [(ONE,), (TWO,)]
    assert broken(judged(said, [told, second], calls, failures=True)) == []
    assert broken(judged(said, [told, second], calls)) == ["I1"]
    assert broken(judged(said, [second], calls, failures=True)) == ["I1"]
    assert broken(judged([*said, Said("zq000000000003")], [told, second], calls, failures=True)) == ["I1"]
    assert broken(judged(said, [first, told, second], calls, failures=True)) == []


def test_a_placeholder_needs_a_kill_of_its_own_right_after_it() -> None:
    (first,) = answers(ONE)
    assert broken(judged([Said(ONE)], ["…", first], [(ONE,)], 1.0)) == []
    assert broken(judged([Said(ONE)], ["…", first], [(ONE,)], 60.0)) == ["I6"]
    assert broken(judged([Said(ONE)], ["…", "…", first], [(ONE,)], 1.0)) == ["I6"]


def test_the_page_is_read_as_a_person_reads_it() -> None:
    html = (
        '<article class="message agent" id="m-1" data-id="1" data-state="final" data-at="2026-01-01">'
        '<p class="unseen">Assistant</p><div class="words markdown"><p>one</p><div>two</div></div>'
        '<button data-command="/retry x">Retry</button></article>'
        '<article class="message person" data-id="2" data-state="waiting" data-at="2026-01-02">'
        '<div class="words plain">three</div></article>'
    )
    first, second = articles(html)
    assert (first.who, first.text.split(), first.buttons) == ("agent", ["one", "two"], {"Retry": "/retry x"})
    assert (second.who, second.text.strip(), second.state) == ("person", "three", "waiting")


def test_an_answer_to_nobody_is_found() -> None:
    (first, nobody) = answers(ONE, "talk among people")
    assert broken(judged([Said(ONE)], [first, nobody], [(ONE,), ()])) == ["I2"]


def test_what_is_told_as_uncertain_must_not_be_something_that_can_be_looked_up() -> None:
    said = [Said(shows="I don't know /a")]
    assert broken(judged(said, [NOTICE], [], 0.0, reads_back=True)) == ["maybe"]
    assert broken(judged(said, [NOTICE], [], 0.0, reads_back=True, for_one=True)) == []


def test_what_one_alone_sees_may_be_lost_with_its_notice_only_where_two_things_went_wrong() -> None:
    said = [Said(shows="I don't know /a")]
    assert broken(judged(said, [], [], 0.0, for_one=True)) == ["I1"]
    assert broken(judged(said, [], [], 0.0, 1.0, for_one=True)) == []
    assert broken(judged(said, [], [], 0.0, 1.0)) == ["I1"]


def test_what_was_not_acknowledged_may_be_answered_once_or_not() -> None:
    said, card = [Said(shows="I don't know /a", sure=False)], "I don't know /a. /help lists what you can do."
    assert broken(judged(said, [], [])) == []
    assert broken(judged(said, [card], [])) == []
    assert broken(judged(said, [card, card], [])) == ["I2"]


def test_only_what_was_not_taken_yet_may_be_overtaken() -> None:
    first, second = answers(ONE, TWO)
    early, late = Said(ONE, sent=1.0, kept=3.0), Said(TWO, sent=2.0, kept=2.5)
    calls = [(ONE,), (TWO,)]
    assert broken(judged([early, late], [second, first], calls)) == []
    late.kept = 4.0
    assert broken(judged([early, late], [second, first], calls)) == ["I5"]
    early.again = True
    assert broken(judged([early, late], [second, first], calls)) == []
    late.sent = 3.5
    assert broken(judged([early, late], [second, first], calls)) == ["I5"]


def test_what_is_said_around_a_message_is_not_asked() -> None:
    echo = Echo()
    text = f"[Said before in this thread:]\n> Eve: lunch {TWO}?\n> more\n\nBob: hello {ONE}"
    echo({"messages": [{"role": "user", "content": text}]})
    assert echo.calls == [(ONE,)]
