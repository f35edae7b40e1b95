"""`.env` is changed where asked and nowhere else, and what is written is what is read."""

import io
import os

from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from bot.env_file import rewritten, update

OLD = """# my notes
export PROWEX_PORT=1 # old

KEEP='multi
line'
# PROWEX_PORT=2
broken line
PROWEX_PORT=3
"""


def read(text: str) -> dict:
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def test_other_lines_and_comments_stay_and_a_name_is_set_once():
    new = rewritten(OLD, {"PROWEX_PORT": "9", "NEW": "x"})
    assert new == "# my notes\nexport PROWEX_PORT=9\n\nKEEP='multi\nline'\n# PROWEX_PORT=2\nbroken line\nNEW=x\n"


def test_a_last_line_without_a_break_is_not_glued_to_the_next():
    assert rewritten("A=1", {"B": "2"}) == "A=1\nB=2\n"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_whatever_is_written_is_read_back(value):
    assert read(rewritten(OLD, {"SECRET": value, "PROWEX_PORT": value}))["SECRET"] == value
    assert read(rewritten(OLD, {"PROWEX_PORT": value}))["PROWEX_PORT"] == value


def test_the_file_is_the_owners_alone_even_if_it_was_not_before(tmp_path):
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o644)
    update(path, {"B": "2"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "A=1\nB=2\n"
    assert os.listdir(tmp_path) == [".env"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("")
    (tmp_path / ".env").symlink_to("real")
    update(tmp_path / ".env", {"B": "2"})
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "real").read_text() == "B=2\n"
