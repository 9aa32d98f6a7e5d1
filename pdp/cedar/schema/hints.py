"""How messages show names, and what to say of one that nothing has: which was probably meant, or which there are."""

from collections.abc import Collection
from difflib import get_close_matches
from heapq import nsmallest
from typing import Final

from pdp.cedar.text.lexer import printable
from pdp.cedar.values import brief

_MAX_GUESS: Final = 60
"""Longest word that is compared with the known ones: comparing takes the square of its length."""
MANY: Final = 2_000
"""Most known words that one is compared with, while a schema is read."""
FEW: Final = 40
"""The same while a request is answered: who sends nonsense must not get more of our time than who does not."""
_SHOWN: Final = 8
_LONGEST: Final = 100

_OTHER_WORDS: Final = {
    "Boolean": "Bool",
    "boolean": "Bool",
    "bool": "Bool",
    "Int": "Long",
    "int": "Long",
    "Integer": "Long",
    "integer": "Long",
    "Number": "Long",
    "number": "Long",
    "long": "Long",
    "string": "String",
    "str": "String",
    "Text": "String",
    "IP": "ipaddr",
    "ip": "ipaddr",
    "Decimal": "decimal",
    "Datetime": "datetime",
    "DateTime": "datetime",
    "Date": "datetime",
    "Duration": "duration",
}
"""What types are called elsewhere."""


def cut(name: object) -> str:
    """A name or an entity for a message: a long one is cut, and what is invisible is spelled out."""
    text = str(name)
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def shown(name: object) -> str:
    """The same between backticks."""
    return f"`{cut(name)}`"


def closest(word: str, known: Collection[str], limit: int = MANY) -> str | None:
    """The known word that a writer probably meant, if one is close and at most `limit` words are known."""
    if len(word) > _MAX_GUESS or len(known) > limit:
        return None
    other = _OTHER_WORDS.get(word)
    close = [other] if other in known else get_close_matches(word, known, 1, 0.7)
    return close[0] if close else None


def guess(word: str, known: Collection[str], limit: int = MANY) -> str | None:
    """Help that names the closest known word, if there is one."""
    close = closest(word, known, limit)
    return f"did you mean {shown(close)}?" if close else None


def listed(introduction: str, names: Collection[str]) -> str:
    """Help that says what names there are, in order, and how many more where they are many."""
    return f"{introduction} {_list([shown(name) for name in nsmallest(_SHOWN, names)], len(names))}"


def listed_ids(introduction: str, ids: Collection[str]) -> str:
    """The same for ids, which may be any text."""
    return f"{introduction} {_list([brief(id) for id in nsmallest(_SHOWN, ids)], len(ids))}"


def _list(first: list[str], count: int) -> str:
    more = f" and {count - len(first)} more" if count > len(first) else ""
    return ", ".join(first) + more
