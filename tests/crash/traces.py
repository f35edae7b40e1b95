"""What must be true of the traces that a run leaves: the page, the processes, the files and the database."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from tests.crash.app import App
from tests.crash.browser import Browser, as_seen
from tests.crash.oracle import Verdict

Query = Callable[[str], Awaitable[list[tuple[Any, ...]]]]
Wanted = tuple[str, str, Callable[[], int]]
"""What the database must hold at the end: a name, a query for a number, and what returns the number."""
_SETTLED = {
    "inbox": {"done", "ignored", "refused"},
    "turns": {"done", "stopped", "failed"},
    "replies": {"delivered"},
    "parts": {"sent", "maybe_sent", "orphaned", "deleted"},
}
_ONCE = {
    "a reply": "SELECT count(*) FROM turns t WHERE (SELECT count(*) FROM replies WHERE turn_id = t.id) != 1",
    "an end": "SELECT count(*) FROM turns t WHERE (SELECT count(*) FROM steps WHERE turn_id = t.id) != 1",
}

_UNCERTAIN = (
    "SELECT count(*) FROM parts JOIN replies ON replies.id = parts.reply_id "
    "WHERE parts.state = 'maybe_sent' AND replies.only_for = ''"
)


async def judge_page(browser: Browser, verdict: Verdict) -> None:
    """The page that followed the stream shows what a page shows that is opened now, and every message once."""
    try:
        page = await browser.read_page()
    except OSError as error:
        verdict.break_("web", f"the page can't be read: {error}")
        return
    fresh = [(one.id, one.text) for one in as_seen(page)]
    followed = [(one.id, one.text) for one in browser.seen()]
    if fresh != followed:
        verdict.break_("web", f"the open page differs from a fresh one: {followed} and {fresh}")
    mine = Counter(one.id for one in page if one.who == "person")
    for message_id in browser.sent:
        if mine[message_id] != 1:
            verdict.break_("I1", f"an acknowledged message is {mine[message_id]} times on the page")
    for refusal in browser.refusals:
        verdict.break_("I1", f"the page's message was refused: {refusal}")


def judge_processes(apps: Sequence[App], verdict: Verdict) -> None:
    """No process ended by itself, and none logged a traceback."""
    for app in apps:
        verdict.counts["kills"] += len(app.kills)
        verdict.counts["starts"] += len(app.starts)
        for status in app.odd_ends:
            verdict.break_("process", f"{app.log.name}: it ended by itself with {status}")
        log = app.log_text()
        for line in re.findall(r"^.*(?:Traceback|never retrieved|CRITICAL).*$", log, re.MULTILINE)[:3]:
            verdict.break_("log", f"{app.log.name}: {line[:200]}")


def judge_bytes(folder: Path, words: Collection[str], verdict: Verdict) -> None:
    """No word of a message stands readable in any file: database, its log, the stored files, our log."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        verdict.counts["bytes searched"] += len(data)
        for token in words:
            if token.encode() in data:
                verdict.break_("secret", f"{path.relative_to(folder)} holds {token}")


async def judge_database(query: Query, wanted: Sequence[Wanted], verdict: Verdict, *, reads_back: bool) -> None:
    """Nothing is left undone or dead, and no stale process wrote beside the one that had taken over."""
    for table, settled in _SETTLED.items():
        for state, count in await query(f"SELECT state, count(*) FROM {table} GROUP BY state"):
            verdict.counts[f"{table} {state}"] += count
            if state not in settled:
                verdict.break_("rows", f"{count} rows of {table} are left as {state}")
    for what, counting in _ONCE.items():
        if count := (await query(counting))[0][0]:
            verdict.break_("I8", f"{count} turns don't have exactly {what}")
    if reads_back and (count := (await query(_UNCERTAIN))[0][0]):
        verdict.break_("maybe", f"{count} parts are maybe_sent that can be looked up")
    for what, counting, number in wanted:
        if (count := (await query(counting))[0][0]) != (expected := number()):
            verdict.break_("once", f"{count} {what}, {expected} expected")
    if held := (await query("SELECT count(*) FROM lanes WHERE holder IS NOT NULL"))[0][0]:
        verdict.break_("rows", f"{held} lanes are still held after a good end")
