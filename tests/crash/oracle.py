"""The judge: what stands in a chat at rest, held against what people said there. It looks at nothing else."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from tests.crash.echo import read_answers

PLACEHOLDERS = ("…", "Your answer is ready:")
NOTICE = "I can't tell whether my last message reached you"
STOPPED = "⏹ Stopped."
FAILED = "could not answer"
_CARDS = re.compile(
    r"I don't know /|What you can do here|A new conversation\.|Nothing is running|Stopped\. What was said|Hello! I am|"
    r"Welcome, you are in|Name – |Instructions – |Model – |is there\. It is yours|You said yes to that already|"
    r"I summarised the first|"
    r"Status|There is nothing to repeat|That answer is no longer|That is more than|I still have \d+ of your"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A message of ours as a person sees it. `at`: when it was first shown, in seconds since the epoch."""

    id: str
    text: str
    at: float


@dataclass(slots=True)
class Said:
    """One thing that a person did in a chat.

    Args:
        token: the word that its answer repeats; empty for a command.
        shows: what a command's card says, as a pattern.
        wholes: how many whole answers it is to get: one, and one for each `/retry` after it.
        stopped: somebody stopped its answer: half of it may stand, with a word on why.
        sure: it was acknowledged; what was not, and is not delivered again, may have been done or not.
        sent: when it was sent, and `kept` when it was first acknowledged, where a platform's deliveries may overtake
            each other; on one clock.
        again: it was delivered more than once.
    """

    token: str = ""
    shows: str = ""
    wholes: int = 1
    stopped: bool = False
    sure: bool = True
    sent: float = 0.0
    kept: float = 0.0
    again: bool = False

    def may_overtake(self, earlier: "Said") -> bool:
        """Tell whether it may have come in first: `earlier` was not taken yet, and came again or was taken later."""
        return self.sent < earlier.kept and (self.again or earlier.again or self.kept < earlier.kept)


@dataclass(slots=True)
class Trouble:
    """A moment after which something may be left behind in a chat: a kill, a stop, a lost answer.

    Args:
        chat: where, if it can be said.
    """

    at: float
    chat: str = ""


@dataclass(slots=True)
class Verdict:
    """What was found: counts by name, and a sentence for each violation, led by the invariant that it breaks."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def break_(self, invariant: str, what: str) -> None:
        """Write a violation down."""
        self.violations.append(f"{invariant}: {what}")

    def add(self, other: "Verdict") -> None:
        """Take another verdict in."""
        self.counts.update(other.counts)
        self.violations += other.violations


def judge(
    said: Sequence[Said],
    seen: Sequence[Seen],
    asked: Sequence[Sequence[str]],
    troubles: Sequence[Trouble],
    *,
    chat: str = "",
    window: float = 3.0,
    lanes: int = 1,
    failures: bool = False,
    web: bool = False,
    again: int = 0,
    reads_back: bool = False,
    for_one: bool = False,
) -> Verdict:
    """Judge one chat at rest.

    Args:
        asked: the tokens that each model call was asked about.
        troubles: what happened to the process while the chat went on.
        window: seconds before a trouble in which what is left behind must have been sent.
        lanes: how many things may be under way in a chat at a time.
        failures: the model was away for a while, so a sentence that says so is no surprise.
        again: how many cards somebody asked to see again.
        web: the platform is our own database, so nothing at all is left behind.
        reads_back: the platform can be asked for what was sent, so nobody need be told that it may be missing.
        for_one: but commands are answered to one person alone, and those answers can't be asked for.
    """
    verdict = Verdict()
    texts = [one.text.strip() for one in seen]
    answers = read_answers(texts)
    wholes: Counter[str] = Counter()
    halves: Counter[str] = Counter()
    first: dict[str, int] = {}
    for answer in answers:
        if not asked[answer.call]:
            verdict.break_("I2", f"call {answer.call} answers what nobody asked")
        for token in asked[answer.call]:
            (wholes if answer.whole else halves)[token] += 1
            if answer.whole:
                first.setdefault(token, answer.place)
    told = sum(FAILED in text for text in texts) if failures else 0
    excused, left = _excused(said, wholes, told)
    _judge_messages(verdict, said, wholes, halves, texts, answers, asked, excused, left)
    _judge_order(verdict, said, first)
    _judge_cards(verdict, said, texts, len(troubles), again, for_one=for_one)
    if reads_back and not for_one and verdict.counts["maybe_sent"]:
        verdict.break_("maybe", "a notice says that something may be missing where that can be looked up")
    _judge_leftovers(verdict, seen, [] if web else troubles, chat, window, lanes)
    known = (*PLACEHOLDERS, NOTICE, STOPPED)
    inside = {answer.place for answer in answers}
    for place, text in enumerate(texts):
        if "q" in text and place in inside:
            continue
        if _goes_on(text) or text.startswith(known) or _CARDS.search(text):
            continue
        if FAILED in text and failures:
            verdict.counts["failures told"] += 1
            continue
        verdict.break_("I1", f"an unexpected message: {text[:200]!r}")
    return verdict


def _goes_on(text: str) -> bool:
    """Tell whether a message is a later part of a long answer."""
    return re.search(r"q\d+[be]\d+of\d+q", text) is not None


def _excused(said: Sequence[Said], wholes: Counter[str], told: int) -> tuple[set[str], int]:
    """Return the messages whose missing answer a sentence on the model's failure covers, and how many are left.

    One sentence covers one turn.
    """
    missing = [
        [one.token for one in those]
        for gone, those in groupby(
            [one for one in said if one.token], key=lambda one: wholes[one.token] < one.wholes and not one.stopped
        )
        if gone
    ]
    return {token for those in missing[:told] for token in those}, max(0, told - len(missing))


def _judge_messages(verdict, said, wholes, halves, texts, answers, asked, excused, left) -> None:  # type: ignore[no-untyped-def]
    stops = sum(text.endswith(STOPPED) for text in texts)
    unstopped = 0
    for one in said:
        if not one.token:
            continue
        verdict.counts["messages"] += 1
        got, half = wholes[one.token], halves[one.token]
        if one.stopped:
            unstopped += got == 0
            if got > one.wholes:
                verdict.break_("I2", f"{one.token} was answered {got} times, {one.wholes} expected")
            if got and half:
                verdict.break_("half", f"{one.token} has a whole answer and a half one beside it")
            continue
        verdict.counts["answered"] += got >= one.wholes
        if got < one.wholes and one.token not in excused:
            verdict.break_("I1", f"{one.token} was answered {got} times, {one.wholes} expected")
        if got > one.wholes:
            verdict.break_("I2", f"{one.token} was answered {got} times, {one.wholes} expected")
        if half:
            verdict.break_("half", f"{one.token}: half an answer is left standing")
    if unstopped > stops + left:  # it may have failed before it was stopped
        verdict.break_("I1", f"{unstopped} stopped answers, but only {stops} say so")
    stopped = {one.token for one in said if one.stopped}
    for answer in answers:
        if not answer.whole and stopped.intersection(asked[answer.call]) and STOPPED not in answer.after:
            verdict.break_("half", f"call {answer.call}: half an answer that doesn't say that it was stopped")


def _judge_order(verdict: Verdict, said: Sequence[Said], first: dict[str, int]) -> None:
    """Answers come in the order of the messages; an answer that was asked for again may stand anywhere."""
    placed = [one for one in said if one.token in first and one.wholes == 1]
    for early, late in pairwise(placed):
        if first[early.token] > first[late.token]:
            if late.may_overtake(early):
                verdict.counts["overtaken"] += 1
            else:
                verdict.break_("I5", f"{late.token} was answered before {early.token}")


def _judge_cards(
    verdict: Verdict, said: Sequence[Said], texts: Sequence[str], troubles: int, again: int, *, for_one: bool
) -> None:
    notices = sum(text.startswith(NOTICE) for text in texts)
    verdict.counts["maybe_sent for one" if for_one else "maybe_sent"] += notices
    missing = 0
    unsure = Counter(one.shows for one in said if one.shows and not one.sure)
    for shows, asked in Counter(one.shows for one in said if one.shows).items():
        expected = asked - unsure[shows]
        verdict.counts["commands"] += expected
        got = sum(re.search(shows, text) is not None for text in texts)
        missing += max(0, expected - got)
        again -= max(0, got - asked)
        if again < 0:
            verdict.break_("I2", f"the card {shows!r} stands {got} times, {asked} expected")
    verdict.counts["cards covered by a notice"] += missing
    # what one person alone sees can't be changed: a notice is sent in one go as well, and may be lost like the card
    unsaid = troubles // 2 if for_one else 0
    if missing > notices + unsaid:
        verdict.break_("I1", f"{missing} cards are missing, and only {notices} notices say so")
    verdict.counts["cards that nothing tells of"] += max(0, missing - notices)
    if notices > troubles:
        verdict.break_("I6", f"{notices} notices after {troubles} kills or lost answers")


def _judge_leftovers(
    verdict: Verdict, seen: Sequence[Seen], troubles: Sequence[Trouble], chat: str, window: float, lanes: int
) -> None:
    """Each placeholder that was left behind has a trouble of its own right after it was sent."""
    left = [trouble for trouble in troubles if trouble.chat in ("", chat) for _ in range(lanes)]
    for one in seen:
        if one.text.strip() not in PLACEHOLDERS:
            continue
        verdict.counts["orphans"] += 1
        cause = next((trouble for trouble in left if -0.5 <= trouble.at - one.at <= window), None)
        if cause is None:
            verdict.break_("I6", f"a placeholder is left that no kill or lost answer explains (message {one.id})")
        else:
            left.remove(cause)
