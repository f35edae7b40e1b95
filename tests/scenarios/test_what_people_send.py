"""Everything a person can send besides plain words."""

import pytest

from tests.scenarios.town import Talk, Town, pictures_of, words_of
from tests.servers.openai_script import Plan

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


async def test_a_photo_is_seen_by_the_model_with_its_caption(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg", caption="What is this?")
    assert "What is this?" in await chat.answer()
    assert pictures_of(town.asked()[-1]) == 1


async def test_a_photo_without_words_is_answered(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg")
    assert "photo.jpg" in await chat.answer()
    assert pictures_of(town.asked()[-1]) == 1


async def test_an_album_is_answered_once_with_all_pictures_seen(chat: Talk, town: Town) -> None:
    await chat.album([JPEG + bytes([number]) for number in range(5)], "Which is best?")
    assert "Which is best?" in await chat.answer()
    assert len(town.asked()) == 1
    assert pictures_of(town.asked()[0]) == 5


async def test_an_album_and_a_text_right_after_it_belong_together(chat: Talk, town: Town) -> None:
    await chat.album([JPEG, JPEG + b"2"])
    await chat.say("Which one?")
    assert "Which one?" in await chat.answer()
    assert len(town.asked()) == 1
    assert pictures_of(town.asked()[0]) == 2


async def test_the_content_of_a_text_file_reaches_the_model(chat: Talk, town: Town) -> None:
    await chat.send("document", "naïve café".encode(), "note.txt", "text/plain", caption="Summarise")
    await chat.answer()
    [(_, seen)] = words_of(town.asked()[-1])
    assert "Summarise" in seen
    assert "note.txt" in seen
    assert "naïve café" in seen


async def test_a_pdf_reaches_the_model_or_is_explained(chat: Talk, town: Town) -> None:
    await chat.send("document", b"%PDF-1.4 " + bytes(50), "paper.pdf", "application/pdf", caption="Read")
    assert "Read" in await chat.answer()
    assert "paper.pdf" in words_of(town.asked()[-1])[-1][1]


async def test_a_voice_message_gets_a_sentence(chat: Talk, town: Town) -> None:
    await chat.send("voice", b"OggS" + bytes(50), "voice.ogg", "audio/ogg")
    assert await chat.answer() == (
        "I can't listen to the voice message: I read text, pictures and PDF. Please send me the words instead."
    )
    assert town.asked() == []


async def test_a_video_with_words_is_answered_and_the_model_told_what_it_misses(chat: Talk, town: Town) -> None:
    await chat.send("video", bytes(50), "clip.mp4", "video/mp4", caption="Nice, isn't it?")
    assert "Nice" in await chat.answer()
    assert "clip.mp4" in words_of(town.asked()[-1])[-1][1]


@pytest.mark.parametrize(
    ("name", "media_type", "data"),
    [
        ("README", "application/octet-stream", "naïve".encode()),
        ("script.sh", "application/x-sh", "naïve".encode()),
        ("old.txt", "text/plain", "naïve".encode("cp1252")),
        ("wide.csv", "text/csv", "naïve".encode("utf-16")),
        ("picture.svg", "image/svg+xml", "<svg>naïve</svg>".encode()),
    ],
)
async def test_whatever_is_text_is_read_as_text(
    chat: Talk, town: Town, name: str, media_type: str, data: bytes
) -> None:
    await chat.send("document", data, name, media_type)
    await chat.answer()
    assert "naïve" in words_of(town.asked()[-1])[-1][1]


async def test_a_file_that_is_no_text_is_told(chat: Talk, town: Town) -> None:
    await chat.send("document", b"PK\x03\x04\x00\xff", "book.docx", "application/zip")
    assert await chat.answer() == (
        "I can't read “book.docx”: I read text, pictures and PDF, not application/zip. "
        "Please send me the words instead."
    )


async def test_a_file_that_is_too_large_gets_a_sentence(chat: Talk, town: Town) -> None:
    await chat.send("document", bytes(21 << 20), "big.bin", "application/octet-stream")
    assert await chat.answer() == ("I can't use “big.bin”: it is larger than 20 MB. Please send me the words instead.")


async def test_a_file_that_cannot_be_fetched_at_first_is_fetched_again(chat: Talk, town: Town) -> None:
    town.telegram.faults.fail("getFile", 500, "Internal Server Error")
    town.telegram.faults.fail("download", 502, "Bad Gateway")
    await chat.send("document", b"words", "note.txt", "text/plain")
    await chat.answer()
    assert "words" in words_of(town.asked()[-1])[-1][1]


async def test_a_file_is_fetched_once_and_seen_again_by_retry(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg", caption="What?")
    await chat.answer()
    await chat.say("/retry")
    await chat.answer()
    assert pictures_of(town.asked()[-1]) == 1
    assert town.telegram.journal.by_method["getFile"] == 1


async def test_a_picture_is_seen_again_when_it_is_talked_about_later(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg")
    await chat.answer()
    await chat.say("What is on the left?")
    await chat.answer()
    first, _, last = town.asked()[-1].body["messages"][1:]
    assert [part["type"] for part in first["content"]] == ["text", "image_url"]
    assert last == {"role": "user", "content": "What is on the left?"}
    await chat.say("/new")
    await chat.say("And now?")
    await chat.answers()
    assert pictures_of(town.asked()[-1]) == 0


async def test_a_text_file_is_read_again_when_it_is_talked_about_later(chat: Talk, town: Town) -> None:
    await chat.send("document", b"Clause 3: no cats.", "contract.txt", "text/plain")
    await chat.answer()
    await chat.say("What about cats?")
    await chat.answer()
    assert "Clause 3: no cats." in words_of(town.asked()[-1])[0][1]


async def test_only_the_latest_pictures_are_seen_again(chat: Talk, town: Town) -> None:
    await chat.album([JPEG + bytes([number]) for number in range(6)])
    await chat.answer()
    await chat.album([JPEG + bytes([number]) for number in range(10, 16)])
    await chat.answer()
    await chat.say("Which of them all?")
    await chat.answer()
    assert pictures_of(town.asked()[-1]) == 8


async def test_a_model_that_cannot_see_is_asked_without_the_pictures_of_before(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg")
    await chat.answer()
    town.openai.rules.append(lambda body: Plan(status=400) if "image_url" in str(body["messages"]) else None)
    await chat.say("And?")
    assert await chat.answer() == "echo: And?"


async def test_a_picture_that_a_model_refused_does_not_spoil_what_follows(chat: Talk, town: Town) -> None:
    town.openai.rules.append(lambda body: Plan(status=400) if "image_url" in str(body["messages"]) else None)
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg")
    assert "did not accept the request" in await chat.answer()
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"
    assert len(town.asked()) == 2


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("sticker", "[sticker 🐈]"),
        ("location", "[location: 52.52, 13.405]"),
        ("contact", "[contact: Grace Hopper, +4930123456]"),
        ("poll", "[poll: Tea or jam? Options: Tea, Jam]"),
        ("dice", "[dice 🎲: 4]"),
    ],
)
async def test_things_reach_the_model_as_a_line(chat: Talk, town: Town, kind: str, line: str) -> None:
    await chat.send(kind)
    assert await chat.answer() == f"echo: {line}"
    assert words_of(town.asked()[-1]) == [("user", line)]


async def test_a_reply_tells_the_model_what_it_answers(chat: Talk, town: Town) -> None:
    await chat.say("first")
    await chat.answer()
    [answer] = [one for one in chat.chat.messages.values() if one.from_bot]
    await chat.say("why?", reply_to=answer)
    await chat.answer()
    assert words_of(town.asked()[-1])[-1] == ("user", "[In reply to Prowex:]\n> echo: first\nwhy?")


async def test_a_quote_tells_the_model_the_quoted_words(chat: Talk, town: Town) -> None:
    mine = await chat.say("the cat sat on the mat")
    await chat.answer()
    await chat.say("who?", reply_to=mine, quote="the cat")
    await chat.answer()
    assert words_of(town.asked()[-1])[-1] == ("user", "[Quoting Ann:]\n> the cat\nwho?")


async def test_a_quote_from_another_chat_tells_the_model_whose_words_they_are(chat: Talk, town: Town) -> None:
    message = (await chat.say("is that so?")).wire()
    await chat.answer()
    origin = {"type": "user", "date": 1, "sender_user": {"id": 9, "is_bot": False, "first_name": "Grace"}}
    message |= {"message_id": 900, "quote": {"text": "it rains", "position": 0}, "external_reply": {"origin": origin}}
    town.telegram.updates.add("message", message, chat.chat.id)
    await chat.answer()
    assert words_of(town.asked()[-1])[-1] == ("user", "[Quoting Grace:]\n> it rains\nis that so?")


async def test_a_story_is_at_least_named(chat: Talk, town: Town) -> None:
    message = (await chat.say("hi")).wire()
    await chat.answer()
    message |= {"message_id": 900, "text": None, "story": {"id": 1, "chat": chat.chat.wire()}}
    town.telegram.updates.add("message", message, chat.chat.id)
    assert await chat.answer() == "echo: [story]"


async def test_forwards_tell_the_model_who_said_it(chat: Talk, town: Town) -> None:
    grace = town.telegram.person("Grace")
    news = town.telegram.channel("The News", grace)
    for source, name in ((grace, "Grace"), ("Somebody Hidden", "Somebody Hidden"), (news, "The News")):
        await chat.say("It rains.", forward_from=source)
        await chat.answer()
        assert words_of(town.asked()[-1])[-1] == ("user", f"[Forwarded from {name}:]\n> It rains.")


async def test_a_forward_and_the_question_about_it_are_answered_together(chat: Talk, town: Town) -> None:
    await chat.say("What do you think of this?")
    await chat.say("It rains.", forward_from="Grace")
    await town.settled()
    assert "It rains." in words_of(town.asked()[-1])[-1][1]
    assert "What do you think" in str(words_of(town.asked()[-1]))


async def test_a_forwarded_command_is_not_run(chat: Talk, town: Town) -> None:
    await chat.say("/new", forward_from="Mallory")
    assert "new conversation." not in await chat.answer()
    assert len(town.asked()) == 1


async def test_a_forwarded_photo_is_seen_with_who_sent_it(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg", caption="Look", forward_from="Grace")
    await chat.answer()
    assert pictures_of(town.asked()[-1]) == 1
    assert "[Forwarded from Grace:]\n> Look" in words_of(town.asked()[-1])[-1][1]


async def test_a_forwarded_photo_without_words_says_who_sent_it(chat: Talk, town: Town) -> None:
    await chat.send("photo", JPEG, "photo.jpg", "image/jpeg", forward_from="Grace")
    await chat.answer()
    assert "Forwarded from Grace" in words_of(town.asked()[-1])[-1][1]


async def test_what_the_model_is_not_told_of_is_no_message(chat: Talk, town: Town) -> None:
    town.telegram.world.post(chat.chat, chat.who, "service", extra={"pinned_message": None})
    pinned = {"message_id": 900, "date": 1, "chat": chat.chat.wire(), "from": chat.who.wire(), "new_chat_title": "x"}
    town.telegram.updates.add("message", pinned, chat.chat.id)
    assert await chat.answers() == []
    assert town.asked() == []
