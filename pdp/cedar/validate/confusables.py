"""Warnings about text that people read otherwise than the engine does ("Trojan Source", CVE-2021-42574).

hidden characters    what steers the direction of text, shows as nothing, or ends a line for an editor or a terminal and
                     not for Cedar, or the other way round: anywhere in a policy, comments included
look-alikes          a string or an id that Unicode calls compatible with plainer text, as `\uff41dmin` is with `admin`
mixed scripts        a string or an id with letters of several scripts, as a Cyrillic letter among Latin ones

The reference implementation warns of direction and of mixed scripts, and of ids outside of Unicode's General Security
Profile (UTS 39). That profile and the table of whole-script confusables (all of `\u0440\u0430\u0443` is Cyrillic) are
not in the standard library, and are left out. The script of a letter is taken from its name.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from pdp.cedar.nodes import Expr, GetAttr, HasAttr, Like, Literal, RecordLiteral
from pdp.cedar.policy import Policy
from pdp.cedar.source import Span
from pdp.cedar.validate.findings import Code, Fault, Finding, Severity, finding
from pdp.cedar.validate.names import scope_names
from pdp.cedar.values import EntityUID, brief

_SUSPECT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|[^\x00-\x7f]")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Categories of characters that show as nothing, or move what stands beside them."""
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and symbols that show as nothing; in a comment they do no harm."""
_NO_SCRIPT: Final = frozenset({"MODIFIER", "KATAKANA-HIRAGANA"})
_ONE_WRITING: Final = (
    frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA"}),
    frozenset({"CJK", "IDEOGRAPHIC", "HANGUL"}),
    frozenset({"CJK", "IDEOGRAPHIC", "BOPOMOFO"}),
)
"""Scripts that belong together: those of Japanese, Korean and Chinese."""

_ESCAPE: Final = "take it out, or write it as an escape, as in `\\u{202e}`, so that everybody sees it"
_PLAIN: Final = "write the plain text, or make sure that this is how the other side spells it"
_ONE_SCRIPT: Final = "if this is meant, ignore the warning; if not, somebody wants it to be read as something else"


def hidden_characters(policies: Iterable[Policy]) -> Iterator[Finding]:
    """A warning for the first hidden character of each policy's text, the comments before the policy included."""
    placed = [(policy.source, policy.span, policy) for policy in policies if policy.source and policy.span]
    ends: dict[int, int] = {}
    for source, span, policy in sorted(placed, key=lambda each: each[1].start):
        for match in _SUSPECT.finditer(source.text, ends.get(id(source), 0), span.end):
            char = match[0]
            if unicodedata.category(char) in _HIDDEN:
                fault = Fault(Code.CONFUSABLE, f"the text hides the character {_called(char)}", _ESCAPE)
                yield finding(policy, fault, Span(*match.span()), severity=Severity.WARNING)
                break
        ends[id(source)] = span.end


def confusable_texts(policy: Policy, nodes: Iterable[Expr]) -> Iterator[Finding]:
    """A warning for each string, id and attribute's name that is a look-alike or mixes scripts.

    `nodes` are all of the policy's conditions.
    """
    seen: set[str] = set()
    for text, span in _texts(policy, nodes):
        if not text.isascii() and text not in seen:
            seen.add(text)
            fault = _fault(text)
            if fault is not None:
                yield finding(policy, fault, span, severity=Severity.WARNING)


def _texts(policy: Policy, nodes: Iterable[Expr]) -> Iterator[tuple[str, Span | None]]:
    for scope in (policy.principal, policy.action, policy.resource):
        for name, span in scope_names(scope):
            if isinstance(name, EntityUID):
                yield name.id, span
    for node in nodes:
        match node:
            case Literal(EntityUID(id=text)) | Literal(str(text)) | GetAttr(_, text):
                yield text, node.span
            case HasAttr(_, path):
                yield from ((text, node.span) for text in path)
            case Like(_, pattern):
                yield "".join(part for part in pattern if isinstance(part, str)), node.span
            case RecordLiteral(fields):
                yield from ((text, node.span) for text, _ in fields)
            case _:
                pass


def _fault(text: str) -> Fault | None:
    """Why a text may be misread, if it may be."""
    blank = _BLANK.search(text)
    if blank is not None:
        return Fault(Code.CONFUSABLE, f"{brief(text)} hides the character {_called(blank[0])}", _ESCAPE)
    plain = unicodedata.normalize("NFKC", text)
    if plain != text:
        char = next(char for char, other in zip(text, plain + text, strict=False) if char != other)
        message = f"{brief(text)} looks like {brief(plain)} and is not equal to it; it has {_called(char)}"
        return Fault(Code.CONFUSABLE, message, _PLAIN)
    scripts = {script: char for char in reversed(text) if (script := _script(char))}
    if len(scripts) < 2 or any(scripts.keys() <= together for together in _ONE_WRITING):
        return None
    listed = " and ".join(sorted(script.capitalize() for script in scripts))
    stranger = min(scripts.values(), key=lambda char: (char.isascii(), text.index(char)))
    return Fault(Code.CONFUSABLE, f"{brief(text)} mixes {listed}; it has {_called(stranger)}", _ONE_SCRIPT)


def _script(char: str) -> str | None:
    """The script of a letter, as the first word of its name; None for what is used in all scripts."""
    if not unicodedata.category(char).startswith("L"):
        return None
    script = unicodedata.name(char, "").partition(" ")[0]
    return None if script in _NO_SCRIPT else script


def _called(char: str) -> str:
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X}" + (f" ({name})" if name else "")
