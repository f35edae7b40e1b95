"""The bundled handbook, cut into its sections, and the search for those that fit a question.

Search is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) over words cut to their stems.
A line `<!-- also: … -->` above a section holds words by which people ask for it and which it does not contain itself.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

_SECTION = re.compile(r"(?:<!-- also: (?P<also>.*?) -->\n)?^## (?P<title>.+)$", re.MULTILINE)
_WORD = re.compile(r"[a-z][a-z0-9]+|[0-9]{3,}")
_NEW_LINE = re.compile(r"\s*(?:[-|]|\d+\.)\s|```")
_SUFFIXES = ("ations", "ation", "ings", "ing", "ers", "er", "ed", "es", "ly", "s", "e")
_PLAIN = (
    "a about all am an and any are as at be been but by can could did do does doing for from get give go had has have "
    "he her his how i if in into is it its just let like ll make may me mean more my need no not now of on one or our "
    "out please prowex re s she should so some t tell than that the their them then there these they thing this to up "
    "us use used using ve want was we were what when where which who why will with work "
    "works would yes you your"
)
_STOPWORDS = frozenset(_PLAIN.split())
_K1 = 1.2
_B = 0.5
_COVERED = 0.45


@dataclass(frozen=True, slots=True)
class Section:
    """One section. `text` is Markdown without its heading; `also`: other words that people ask for it with."""

    page: str
    title: str
    text: str
    also: str = ""

    @property
    def name(self) -> str:
        """Where it stands, for a person."""
        return f"{self.page} › {self.title}"


def stems(text: str) -> list[str]:
    """Return the words of `text` that carry meaning, in lower case, cut to their stems."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOPWORDS]


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


class Handbook:
    """All sections, in reading order."""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The sections; read from the package when first asked for."""
        pages = sorted(files("core").joinpath("handbook").iterdir(), key=lambda page: page.name)
        return tuple(
            section
            for page in pages
            if page.name.endswith(".md")
            for section in _sections(page.read_text(encoding="utf-8"))
        )

    def section(self, title: str) -> Section:
        """Return the section with this title."""
        return next(section for section in self.sections if section.title == title)

    def search(self, question: str) -> list[tuple[float, Section]]:
        """Return what fits `question` with scores, best first; nothing if most of it is about other things."""
        counts, idf, lengths = self._index
        wanted = set(stems(question))
        rarest = math.log(len(counts) + 1)
        whole = sum(idf.get(word, rarest) for word in wanted)
        average = sum(lengths) / len(lengths)
        found: list[tuple[float, Section]] = []
        for section, count, length in zip(self.sections, counts, lengths, strict=True):
            common = wanted & count.keys()
            if not common or sum(idf[word] for word in common) < _COVERED * whole:
                continue
            norm = _K1 * (1 - _B + _B * length / average)
            score = sum(idf[word] * count[word] * (_K1 + 1) / (count[word] + norm) for word in common)
            found.append((score, section))
        return sorted(found, key=lambda pair: -pair[0])

    @cached_property
    def _index(self) -> tuple[list[Counter[str]], dict[str, float], list[int]]:
        counts = [_weighted(section) for section in self.sections]
        seen_in = Counter(word for count in counts for word in count)
        idf = {word: math.log(1 + (len(counts) - seen + 0.5) / (seen + 0.5)) for word, seen in seen_in.items()}
        return counts, idf, [sum(count.values()) for count in counts]


def _weighted(section: Section) -> Counter[str]:
    """Count the section's words, those of its title three times, of its page's title and `also` twice."""
    weighted = Counter(stems(section.text))
    for text, weight in ((section.title, 3), (section.page, 2), (section.also, 2)):
        for word in stems(text):
            weighted[word] += weight
    return weighted


def _sections(page: str) -> list[Section]:
    title = page.split("\n", 1)[0].removeprefix("# ").strip()
    heads = list(_SECTION.finditer(page))
    ends = [head.start() for head in heads[1:]] + [len(page)]
    return [
        Section(title, head["title"].strip(), _unwrap(page[head.end() : end].strip()), head["also"] or "")
        for head, end in zip(heads, ends, strict=True)
    ]


def _unwrap(text: str) -> str:
    """Join the lines of each paragraph and list item: some channels show every line break."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip() and lines and lines[-1] and not _NEW_LINE.match(line):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.rstrip())
    return "\n".join(lines)
