"""The chat's page as a person reads it: its messages, their buttons, files and forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = {"input", "img", "br", "hr", "meta", "link", "path", "progress"}
_UNREAD = {"about", "unseen", "choices-rows", "files", "mark"}
"""Classes of what is not part of a message's words."""


@dataclass
class Article:
    """One message.

    Args:
        commands: what each button sends, by its label.
        values: what the form's fields hold, by their name; `form` is empty if there is none to fill in.
    """

    id: str
    who: str
    words: list[str] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    form: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Page(HTMLParser):
    """Reads a page into its `articles`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.articles: list[Article] = []
        self._open: list[tuple[str, bool]] = []
        self._button = self._field = ""
        self._is_area = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attributes}
        if tag == "article" and "data-id" in has:
            self.articles.append(Article(has["data-id"], has["class"].removeprefix("message ")))
        if self.articles:
            self._take(tag, has)
        if tag not in _EMPTY:
            unread = "hidden" in has or bool(_UNREAD & set(has.get("class", "").split())) or tag == "svg"
            self._open.append((tag, unread))

    def _take(self, tag: str, has: dict[str, str]) -> None:
        article = self.articles[-1]
        name = has.get("name", "").removeprefix("value:")
        if tag == "form" and "data-form" in has:
            article.form = has["data-form"]
        elif tag == "button" and "data-command" in has:
            self._button = has["data-command"]
        elif tag == "a" and "download" in has:
            article.files.append(has["download"])
        elif tag in ("input", "textarea", "select") and has.get("name", "").startswith("value:"):
            self._field = name
            if tag != "input" or has.get("type") != "radio" or "checked" in has:
                article.values[name] = has.get("value", "")
            article.values.setdefault(name, "")
            self._is_area = tag == "textarea"
        elif tag == "option" and "selected" in has:
            article.values[self._field] = has.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass
        self._button = "" if tag == "button" else self._button
        self._is_area = self._is_area and tag != "textarea"

    def handle_data(self, data: str) -> None:
        if not self.articles:
            return
        article = self.articles[-1]
        if self._is_area:
            article.values[self._field] += data.removeprefix("\n")
        elif self._button and data.strip():
            article.commands[data.strip()] = self._button
        elif any(tag == "article" for tag, _ in self._open) and not any(unread for _, unread in self._open):
            article.words.append(data.strip())
