"""What we show in Slack is there once; what goes wrong is told as the core can use it."""

import pytest

from channels.slack import history
from channels.slack.channel import budgets
from core.channel import Gone, Refused, TryLater, Unsure
from core.envelopes import Attachment, Body, Button, OutgoingFile, Piece
from tests.channels.slack.conftest import Bench

HI = Piece("hi")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(history, "LOOK_AGAIN_SECONDS", 0.0)


async def test_a_message_goes_to_the_thread_and_carries_its_key(bench: Bench) -> None:
    ann = bench.slack.person("Ann")
    general = bench.slack.channel("general", ann)
    root = await bench.slack.say(general, "hello")
    ts = await bench.channel.post(bench.at(general, root.ts), HI, "key-1")
    [shown] = [one for one in bench.slack.visible(general) if one.from_bot]
    assert (shown.ts, shown.thread_ts, shown.text, shown.broadcast) == (ts, root.ts, "hi", False)
    assert shown.metadata == {"event_type": "prowex_part", "event_payload": {"part": "key-1"}}
    [call] = bench.slack.journal.of("chat.postMessage")
    assert (call.params["unfurl_links"], call.params["unfurl_media"]) == (False, False)


async def test_an_edit_changes_text_blocks_and_buttons_and_keeps_the_key(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    ts = await bench.channel.post(bench.at(im), Piece("…"), "key-1")
    [piece] = bench.channel.render(Body("**bold**", ((Button("Yes", "/yes 1"),),)))
    await bench.channel.edit(bench.at(im), ts, piece)
    [shown] = bench.slack.visible(im)
    assert (shown.text, shown.labels) == ("bold\n[Yes]", ("Yes",))
    await bench.channel.edit(bench.at(im), ts, HI)
    [shown] = bench.slack.visible(im)
    assert (shown.text, shown.labels, shown.blocks) == ("hi", (), ())
    assert shown.metadata is not None
    assert await bench.channel.find(bench.at(im), "key-1") == ts


async def test_an_edit_to_the_same_is_a_success(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    ts = await bench.channel.post(bench.at(im), HI, "key-1")
    await bench.channel.edit(bench.at(im), ts, HI)


async def test_a_message_that_somebody_deleted_is_gone_and_may_be_deleted_again(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    ts = await bench.channel.post(bench.at(im), HI, "key-1")
    await bench.channel.delete(bench.at(im), ts)
    assert bench.slack.visible(im) == []
    with pytest.raises(Gone):
        await bench.channel.edit(bench.at(im), ts, HI)
    await bench.channel.delete(bench.at(im), ts)


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_message_whose_answer_was_lost_is_found_and_one_that_never_went_is_not(
    bench: Bench, in_thread: bool
) -> None:
    general = bench.slack.channel("general", bench.slack.person("Ann"))
    root = await bench.slack.say(general, "hello")
    target = bench.at(general, root.ts if in_thread else "", answers=root.ts)
    bench.slack.faults.drop_answers("chat.postMessage")
    with pytest.raises(Unsure):
        await bench.channel.post(target, HI, "key-1")
    [shown] = [one for one in bench.slack.visible(general) if one.from_bot]
    assert await bench.channel.find(target, "key-1") == shown.ts
    bench.slack.faults.drop_requests("chat.postMessage")
    with pytest.raises(Unsure):
        await bench.channel.post(target, HI, "key-2")
    assert await bench.channel.find(target, "key-2") is None


async def test_it_is_found_behind_many_messages(bench: Bench) -> None:
    general = bench.slack.channel("general", bench.slack.person("Ann"))
    root = await bench.slack.say(general, "hello")
    target = bench.at(general, root.ts, answers=root.ts)
    ts = await bench.channel.post(target, HI, "key-1")
    for number in range(450):
        await bench.slack.say(general, f"{number}", thread=root)
    assert await bench.channel.find(target, "key-1") == ts
    assert await bench.channel.find(target, "key-2") is None


async def test_behind_too_many_messages_nobody_can_know(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    im = bench.slack.im("Ann")
    for number in range(20):
        await bench.slack.say(im, f"{number}")
    with pytest.raises(Unsure):
        await bench.channel.find(bench.at(im), "key-1")


@pytest.mark.parametrize("error", ["missing_scope", "channel_not_found", "not_in_channel"])
async def test_where_history_can_not_be_read_nobody_can_know(bench: Bench, error: str) -> None:
    im = bench.slack.im("Ann")
    bench.slack.faults.fail("conversations.history", error)
    with pytest.raises(Unsure):
        await bench.channel.find(bench.at(im), "key-1")


async def test_of_what_one_person_saw_nobody_can_know(bench: Bench) -> None:
    ann = bench.slack.person("Ann")
    general = bench.slack.channel("general", ann)
    with pytest.raises(Unsure):
        await bench.channel.find(bench.at(general, only_for=ann), "key-1")


async def test_out_of_reach_is_later_and_nothing_was_shown(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    await bench.slack.refuse()
    with pytest.raises(TryLater) as later:
        await bench.channel.post(bench.at(im), HI, "key-1")
    assert not later.value.flood
    with pytest.raises(TryLater):
        await bench.channel.edit(bench.at(im), "1.2", HI)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_page_instead_of_an_answer_leaves_us_unsure(bench: Bench, status: int) -> None:
    im = bench.slack.im("Ann")
    bench.slack.faults.fail("chat.postMessage", status=status)
    with pytest.raises(Unsure):
        await bench.channel.post(bench.at(im), HI, "key-1")
    ts = await bench.channel.post(bench.at(im), HI, "key-1")
    bench.slack.faults.fail("chat.update", status=status)
    with pytest.raises(TryLater):
        await bench.channel.edit(bench.at(im), ts, HI)


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable"])
async def test_an_error_inside_slack_leaves_us_unsure(bench: Bench, error: str) -> None:
    bench.slack.faults.fail("chat.postMessage", error)
    with pytest.raises(Unsure):
        await bench.channel.post(bench.at(bench.slack.im("Ann")), HI, "key-1")


@pytest.mark.parametrize(("status", "error"), [(429, "ratelimited"), (200, "ratelimited"), (200, "rate_limited")])
async def test_a_pause_that_slack_asks_for_is_a_flood(bench: Bench, status: int, error: str) -> None:
    bench.slack.faults.fail("chat.postMessage", error, status=status, retry_after=17)
    with pytest.raises(TryLater) as later:
        await bench.channel.post(bench.at(bench.slack.im("Ann")), HI, "key-1")
    assert (later.value.flood, later.value.retry_after) == (True, 17.0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("not_in_channel", "/invite"),
        ("is_archived", "archived"),
        ("restricted_action", "workspace"),
        ("missing_scope", "permission"),
        ("some_new_error", "some_new_error"),
    ],
)
async def test_what_will_never_be_says_why(bench: Bench, error: str, reason: str) -> None:
    general = bench.slack.channel("general", bench.slack.person("Ann"))
    bench.slack.faults.fail("chat.postMessage", error)
    with pytest.raises(Refused) as refused:
        await bench.channel.post(bench.at(general), HI, "key-1")
    assert reason in refused.value.reason


@pytest.mark.parametrize("error", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_refused_token_is_tried_again_after_a_while(bench: Bench, error: str) -> None:
    bench.slack.faults.fail("chat.postMessage", error)
    with pytest.raises(TryLater) as later:
        await bench.channel.post(bench.at(bench.slack.im("Ann")), HI, "key-1")
    assert later.value.retry_after >= 10


async def test_words_without_blocks_come_where_slack_refuses_the_blocks(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    [piece] = bench.channel.render(Body("a **bold** word"))
    bench.slack.faults.fail("chat.postMessage", "invalid_blocks")
    await bench.channel.post(bench.at(im), piece, "key-1")
    assert bench.slack.texts(im) == ["a bold word"]


async def test_a_file_is_shown_and_can_be_taken_away_again(bench: Bench) -> None:
    general = bench.slack.channel("general", bench.slack.person("Ann"))
    root = await bench.slack.say(general, "hello")
    bench.stored["1"] = b"a,b\n1,2\n"
    [*_, piece] = bench.channel.render(Body("here", files=(OutgoingFile("1", "table.csv", "text/csv"),)))
    shown_as = await bench.channel.post(bench.at(general, root.ts), piece, "key-1")
    [shown] = [one for one in bench.slack.visible(general) if one.files]
    assert (shown.files, shown.thread_ts) == ((("table.csv", b"a,b\n1,2\n"),), root.ts)
    with pytest.raises(Refused):
        await bench.channel.edit(bench.at(general), shown_as, HI)
    await bench.channel.delete(bench.at(general), shown_as)
    with pytest.raises(Refused):
        await bench.channel.fetch(Attachment(shown_as, "table.csv", "text/csv"))


async def test_a_file_for_one_person_goes_to_their_direct_chat(bench: Bench) -> None:
    ann = bench.slack.person("Ann")
    general = bench.slack.channel("general", ann)
    bench.stored["1"] = b"secret"
    piece = Piece("", file=OutgoingFile("1", "agent.toml", "text/plain"))
    await bench.channel.post(bench.at(general, only_for=ann), piece, "key-1")
    assert [one for one in bench.slack.visible(general) if one.files] == []
    [shown] = bench.slack.visible(bench.slack.im(ann))
    assert shown.files == (("agent.toml", b"secret"),)


async def test_of_a_file_whose_answer_was_lost_nobody_can_know(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    asked = await bench.slack.say(im, "send it")
    bench.stored["1"] = b"x"
    piece = Piece("", file=OutgoingFile("1", "x.txt", "text/plain"))
    bench.slack.faults.drop_answers("files.completeUploadExternal")
    with pytest.raises(Unsure):
        await bench.channel.post(bench.at(im, answers=asked.ts), piece, "key-1")
    with pytest.raises(Unsure):
        await bench.channel.find(bench.at(im, answers=asked.ts), "key-1")


async def test_a_file_that_did_not_get_through_is_sent_later(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    bench.stored["1"] = b"x"
    piece = Piece("", file=OutgoingFile("1", "x.txt", "text/plain"))
    bench.slack.faults.drop_answers("upload")
    with pytest.raises(TryLater):
        await bench.channel.post(bench.at(im), piece, "key-1")
    assert bench.slack.visible(im) == []


async def test_a_file_is_fetched_with_the_token(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    message = await bench.slack.send_file(im, b"abc", "a.txt", "text/plain")
    wire = bench.slack.events.file(message.files[0])
    attachment = Attachment(wire["url_private_download"], "a.txt", "text/plain", 3)
    assert await bench.channel.fetch(attachment) == b"abc"
    by_id = Attachment(f"file:{wire['id']}", "a.txt", "text/plain", 3)
    assert await bench.channel.fetch(by_id) == b"abc"


async def test_a_login_page_is_no_file(bench: Bench) -> None:
    im = bench.slack.im("Ann")
    message = await bench.slack.send_file(im, b"abc", "a.txt", "text/plain")
    wire = bench.slack.events.file(message.files[0])
    bench.channel._files._client.token = "xoxb-of-another-app"
    with pytest.raises(Refused, match="login page"):
        await bench.channel.fetch(Attachment(wire["url_private_download"], "a.txt", "text/plain", 3))


async def test_growing_texts_keep_below_the_limit_on_edits() -> None:
    limits = budgets(1, 50)
    assert limits.growing is not None
    assert limits.growing.rate * 60 + limits.growing.burst <= 50
    assert limits.private.rate <= 1
    assert limits.group.rate <= 1
