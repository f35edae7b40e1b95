"""What the model is shown of what was said before."""

from hypothesis import given
from hypothesis import strategies as st

from core.envelopes import Attachment, Context
from core.history import Said, as_messages, as_read, join_texts
from core.wire import Kept


def kept(text: str = "", *contexts: Context, name: str = "Ann", files: tuple[Attachment, ...] = ()) -> Kept:
    said = Kept('{"text": "", "name": ""}')
    said.text, said.name, said.contexts, said.attachments = text, name, contexts, files
    return said


def test_words_are_read_as_they_are() -> None:
    assert as_read(kept("hi")) == "hi"


def test_in_a_group_the_speaker_is_named() -> None:
    assert as_read(kept("hi"), group=True) == "Ann: hi"
    assert as_read(kept("hi", name=""), group=True) == "hi"


def test_what_is_replied_to_comes_first_and_each_line_of_it_is_quoted() -> None:
    said = kept("why?", Context("reply", "Bob", "one\ntwo"))
    assert as_read(said) == "[In reply to Bob:]\n> one\n> two\nwhy?"


def test_a_forward_without_a_name_is_somebodys() -> None:
    assert as_read(kept("", Context("forward", "", "news"))) == "[Forwarded from somebody:]\n> news"


def test_files_are_named() -> None:
    files = (Attachment("r", "a.txt", "text/plain"), Attachment("r", "", "image/png"))
    assert as_read(kept("see", files=files)) == "see\n[file: a.txt]\n[file: image/png]"


def test_messages_of_a_burst_are_paragraphs() -> None:
    assert join_texts(["one", "", "two"]) == "one\n\ntwo"
    assert join_texts([]) == ""


def test_a_text_that_was_cut_at_4096_goes_on_without_a_break() -> None:
    assert join_texts(["x" * 4096, "y" * 4096, "z"]) == "x" * 4096 + "y" * 4096 + "z"


def test_a_text_is_measured_as_telegram_measures_it() -> None:
    assert join_texts(["😀" * 2048, "z"]) == "😀" * 2048 + "z"


def test_only_what_fits_is_shown_and_the_latest_goes_first() -> None:
    said = [Said(f"question {number}" + "x" * 90, "answer") for number in range(10)]
    messages = as_messages(said, "now", (), 350)
    assert [message.text[:10] for message in messages] == ["question 7", "answer", "question 8", "answer",
                                                           "question 9", "answer", "now"]  # fmt: skip


def test_the_present_words_are_shown_however_long_they_are() -> None:
    assert [message.text for message in as_messages([Said("a", "b")], "x" * 999, (), 100)] == ["x" * 999]


def test_an_exchange_without_an_answer_is_shown_as_far_as_it_went() -> None:
    messages = as_messages([Said("unanswered", ""), Said("", "unasked")], "now", (), 1000)
    assert [(one.role, one.text) for one in messages] == [
        ("user", "unanswered"),
        ("assistant", "unasked"),
        ("user", "now"),
    ]


def test_a_summary_goes_first_and_is_the_last_to_be_left_out() -> None:
    said = [Said("[Summary …]", summary=True), Said("x" * 50, "y" * 50), Said("latest", "answer")]
    assert [one.text for one in as_messages(said, "now", (), 100)] == ["[Summary …]", "latest", "answer", "now"]
    assert [one.text for one in as_messages(said, "now", (), 20)] == ["[Summary …]", "now"]
    assert [one.text for one in as_messages(said, "now", (), 10)] == ["now"]


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=20), st.integers(0, 300))
def test_history_never_takes_more_than_its_share(pairs: list[tuple[str, str]], characters: int) -> None:
    messages = as_messages([Said(*pair) for pair in pairs], "now", (), characters)
    assert messages[-1].text == "now"
    assert sum(len(message.text) for message in messages[:-1]) <= max(0, characters - 3)
    shown = [message.text for message in messages[:-1]]
    everything = [text for pair in pairs for text in pair if text]
    assert shown == everything[len(everything) - len(shown) :]
