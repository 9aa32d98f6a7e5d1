"""Real policy texts, and texts that are nearly right, read by both: the same verdict and the same trees.

What both read is also printed and read again.
"""

import random
import re
import tarfile
from functools import cache
from typing import Any, Final

from rust_policies import DEEPEST, policy_json, read_policies
from shared_data import shared_data

from pdp.cedar.errors import ParseError
from pdp.cedar.policy import Policy
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policies

_TOKEN: Final = re.compile(
    r'//[^\r\n]*|"(?:[^"\\]|\\.)*"|[_a-zA-Z]\w*|[0-9]+|::|==|!=|<=|>=|&&|\|\||\s+|.', re.DOTALL | re.ASCII
)
_CHARACTERS: Final = (
    "\"\\'`()[]{},;:.<>=+*/%!?-@_aZ09#$&| \t\n\r\v\f\0\x1c\x85\xa0\u1680\u180e\u2003\u200b\u2028\u2029\u202f\u205f"
    "\u3000\ufeff\u00e9\u0661\uff11\u01c5\ufb01\U0001f600"
)
_WORDS: Final = (
    *(
        "true",
        "false",
        "if",
        "then",
        "else",
        "in",
        "is",
        "like",
        "has",
        "__cedar",
        "permit",
        "forbid",
        "when",
        "unless",
    ),
    *("principal", "action", "resource", "context", "?principal", "?resource", "?action", "ip", "decimal", "contains"),
    *("isEmpty", "getTag", "0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551616", "-", "--"),
    *("----", "!", "::", "==", "=", ".a", '["a"]', "( ", "()", " ) ", "[", "](", "{a:1}", ",", ";", "@a", '@if("x")'),
    *('"a"', r'"\x41"', r'"\x80"', r'"\u{41}"', r'"\u{_4}"', r'"\u{d800}"', r'"\*"', '"*"', r'"\0"', 'User::"a"'),
    *('Action::"a"', 'NS :: Action::"a"', "//c\n", "//c\r", "/*c*/"),
)
RICH: Final = """
@id("a") @if @n ( "x" )
permit ( principal == User::"a", action in [Action::"a", NS::Action::"b",], resource is File in Folder::"f", )
when { context.a["b c"].d has e.f && principal has "x" || !!(-1 == context.n) };
forbid(principal is NS :: User in ?principal, action == (Action::"x"), resource in ?resource)
unless { if context.b then 1 else {x: 2, "y": [1,2,],}.x };
permit(principal, action, resource)
when { principal.getTag("x") like "a*\\*\\u{41}b\\"" && resource is A::B in [User::"a", (User::"b")] };
permit(principal, action, resource) when { -context.y - --5 * 3 + !true < 2 } unless { 1 - -9223372036854775808 >= 0 };
permit(principal in (User::"a"), action in ([(Action::"a")]), resource == ((?resource)))
when { context.ip.isInRange(ip("10.0.0.0/8")) && decimal("1.0").lessThan(context.d) && [1].containsAll([]) };
permit(principal, action, resource) when { context.s.isEmpty() && principal.hasTag("a") || (true && false) };
forbid(principal == ?principal, action, resource) when { context.a == "\\x41\\n\\r\\t\\\\\\0\\'\\"" };
"""
MUTANTS: Final = 12_000


@cache
def texts() -> tuple[str, ...]:
    """Every policy text of the reference data."""
    folder = shared_data("cedar")
    found = [path.read_bytes().decode() for path in sorted(folder.rglob("*.cedar"))]
    with tarfile.open(folder / "corpus-tests-4.10.tar.gz") as archive:
        members = (archive.extractfile(member) for member in archive if member.name.endswith(".cedar"))
        found.extend(file.read().decode() for file in members if file is not None)
    return tuple(found)


def both_read(text: str) -> tuple[Policy, ...] | None:
    """The policies of a text, or None if it is refused; fails unless the Rust engine says the same."""
    ours, theirs = _ours(text), _theirs(text)
    if ours is None:
        assert theirs is None, f"only the Rust engine reads {text!r}"
        return None
    assert {policy.id: policy_json(policy) for policy in ours} == theirs, text
    assert parse_policies(Source("printed", print_policies(ours))) == ours, text
    return ours


def _ours(text: str) -> tuple[Policy, ...] | None:
    try:
        return parse_policies(Source("test", text))
    except ParseError as error:
        if error.position is None:
            raise
        return None


def _theirs(text: str) -> dict[str, Any] | None:
    try:
        return read_policies(text)
    except ValueError:
        return None


def test_every_real_text_is_read_the_same_way() -> None:
    assert len(texts()) == 7_945
    assert sum(len(both_read(text) or ()) for text in texts()) > 8_000


def test_nearly_right_texts_get_the_same_verdict() -> None:
    rng = random.Random(20_241_124)
    sample = [*rng.sample(texts(), 300), *[RICH] * 100]
    pieces = [piece for text in sample for piece in re.split(r"(?<=;)\s*\n", text) if 5 < len(piece) < 1_500]
    read = 0
    for _ in range(MUTANTS):
        text = _mutant(rng, pieces)
        # The engine ends the process on deep nesting, and still knows the function `unknown`.
        if sum(map(text.count, "([{")) <= DEEPEST and "unknown" not in text:
            read += both_read(text) is not None
    assert MUTANTS // 10 < read < MUTANTS // 2


def _mutant(rng: random.Random, pieces: list[str]) -> str:
    text = rng.choice(pieces)
    if rng.random() < 0.5:
        tokens = _TOKEN.findall(text)
        for _ in range(rng.choice((1, 1, 1, 2))):
            _change(rng, tokens, _WORDS)
        return "".join(tokens)
    characters = list(text)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _change(rng, characters, _CHARACTERS)
    return "".join(characters)


def _change(rng: random.Random, parts: list[str], others: tuple[str, ...] | str) -> None:
    """One part inserted, removed, replaced, repeated elsewhere, or two exchanged."""
    at, other = rng.randrange(len(parts) + 1), rng.randrange(len(parts) + 1)
    match rng.randrange(5):
        case 0:
            parts.insert(at, rng.choice(others))
        case 1:
            del parts[at : at + 1]
        case 2:
            parts[at : at + 1] = [rng.choice(others)]
        case 3:
            parts[at:at] = parts[other : other + rng.randint(1, 6)]
        case _:
            parts[at : at + 1], parts[other : other + 1] = parts[other : other + 1], parts[at : at + 1]
