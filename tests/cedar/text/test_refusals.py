"""The words of every refusal, with the place, the carets and the help: golden, in `refusals.txt`.

A block there is a name, a text and what is rendered for it. Whoever changes a message changes it there and reads it.
"""

import re
from pathlib import Path
from typing import Final

import pytest
from rust_policies import accepts_policies

from pdp.cedar.errors import ParseError
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies

_BLOCK: Final = re.compile(r"^=== (.*)\n((?s:.*?))\n---\n((?s:.*?))\n(?=\n===|\Z)", re.MULTILINE)
_FILE: Final = Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8")
CASES: Final = {name: (text, rendered) for name, text, rendered in _BLOCK.findall(_FILE)}


def test_every_block_of_the_file_is_read() -> None:
    assert len(CASES) == _FILE.count("\n---\n") == _FILE.count("=== ") > 70


@pytest.mark.parametrize("name", CASES)
def test_the_message(name: str) -> None:
    text, rendered = CASES[name]
    # Depth is our own limit: the Rust engine goes on until its stack ends.
    assert accepts_policies(text) is (name == "too deep")
    with pytest.raises(ParseError) as caught:
        parse_policies(Source("test.cedar", text))
    assert caught.value.render() == rendered


@pytest.mark.parametrize("name", CASES)
def test_the_message_follows_the_style(name: str) -> None:
    """No capital, no full stop, no name of a Python class; help is a sentence's beginning, too."""
    with pytest.raises(ParseError) as caught:
        parse_policies(Source("test.cedar", CASES[name][0]))
    for words in (caught.value.message, caught.value.help or "x"):
        outside_quotes = re.sub(r"`[^`]*`", "", words)
        assert not outside_quotes[:1].isupper() or outside_quotes.startswith("U+")
        assert not words.endswith(".")
        assert not re.search(r"\b(Token|Kind|Expr|Cursor|None|Literal|ScopeEq|EntityUID)\b", outside_quotes)


def test_every_message_says_what_to_do() -> None:
    """But where something is left open, which says it all."""
    without = [name for name, (_, rendered) in CASES.items() if "\n  help: " not in rendered]
    assert without == ["a missing comma", "an open parenthesis"]
