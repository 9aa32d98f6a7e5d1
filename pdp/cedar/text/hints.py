"""What to tell the writer of an expression who was probably thinking of another language, or of an older Cedar.

Refusals live here, not acceptance: nothing in this file makes a text legal.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final, NoReturn

from pdp.cedar.ext import FUNCTIONS, Style
from pdp.cedar.nodes import UnaryOp
from pdp.cedar.source import Span
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.lexer import Kind, Token, describe, printable

CHAIN: Final = "comparisons do not chain: write `(a == b) == c`, or join them with `&&`"
DEPTH: Final = "move a part of it into a `when` clause of its own"
HAS: Final = 'write `x has name`, `x has a.b.c` or `x has "any name"`'
IF: Final = "write `if ... then ... else ...`; all three parts are needed"
INDEX: Final = 'an attribute is read as `x.name` or `x["any name"]`, with the name written out'
LIKE: Final = 'write the pattern in double quotes after `like`, as in `x like "report-*"`'
LONG: Final = "the range is -9223372036854775808 to 9223372036854775807; the minus stands directly before the digits"
RECORD: Final = 'a record is written `{name: value, "any name": value}`'
SLOT: Final = "slots stand in the scope: `principal == ?principal`, `resource in ?resource`"

_FALSE_OPERATORS: Final = {
    "=": "did you mean `==`?",
    "/": "there is no division; a comment starts with `//`",
    "%": "there is no remainder; there are `+`, `-` and `*`",
    "and": "did you mean `&&`?",
    "or": "did you mean `||`?",
    "not": "did you mean `!(...)`?",
    "contains": "did you mean `x.contains(y)`?",
    "matches": 'did you mean `x like "..."`?',
    "startsWith": 'did you mean `x like "prefix*"`?',
    "?": "did you mean `if ... then ... else ...`?",
    ".": "what stands before has no attributes: put parentheses around the comparison",
}

_OPERAND_HELP: Final = {
    "if": "put it in parentheses: `(if ... then ... else ...)`",
    "not": "did you mean `!(...)`?",
    "}": "write a condition between the braces, `true` if there is none",
    "=": "did you mean `==`?",
    "+": "there is no unary `+`",
}

_WORDS: Final = {
    "True": "true",
    "TRUE": "true",
    "False": "false",
    "FALSE": "false",
    "user": "principal",
    "subject": "principal",
    "object": "resource",
    "request": "context",
    "environment": "context",
}

_MAX_GUESS: Final = 40
"""Longest word that is compared with the known ones: comparing takes the square of its length."""


def shown(text: str) -> str:
    """Text of a user in backticks for a message."""
    return f"`{printable(text)}`"


def attribute(token: Token) -> str:
    """How to read an attribute whose name cannot follow a point as it stands."""
    if token.kind is Kind.IDENTIFIER:
        return f'write `x["{token.text}"]`'
    return INDEX


def for_operand(token: Token) -> str | None:
    """Help for a token where an operand should stand."""
    return _OPERAND_HELP.get(token.text)


def refuse_false_operator(cursor: Cursor) -> None:
    """Refuses, with help, what follows an operand and would be an operator elsewhere; no legal token is one of them."""
    help = _FALSE_OPERATORS.get(cursor.token.text)
    if help is not None:
        cursor.fail(f"expected an operator or the end of the expression, found {describe(cursor.token)}", help=help)


def refuse_unknown_method(cursor: Cursor, name: Token, operators: Iterable[str]) -> None:
    """Refuses a name before `(` that is not a method."""
    function = FUNCTIONS.get(name.text)
    methods = [*operators, UnaryOp.IS_EMPTY.value]
    if name.text in methods or (function is not None and function.style is Style.METHOD):
        return
    if function is not None:
        cursor.fail(f"`{name.text}` is a function and no method", name.span, f"write `{name.text}(x)`")
    methods += [known.name for known in FUNCTIONS.values() if known.style is Style.METHOD]
    cursor.fail(f"{shown(name.text)} is not a method", name.span, _guess(name.text, methods, "the methods are"))


def refuse_unknown_function(cursor: Cursor, name: str, span: Span, operators: Iterable[str]) -> NoReturn:
    """Refuses a name before `(` that is not a function."""
    if name in FUNCTIONS or name in operators or name == UnaryOp.IS_EMPTY.value:
        cursor.fail(f"`{name}` is a method and no function", span, f"write `x.{name}(...)`")
    functions = [known.name for known in FUNCTIONS.values() if known.style is Style.FUNCTION]
    cursor.fail(f"{shown(name)} is not a function", span, _guess(name, functions, "the functions are"))


def refuse_unknown_word(cursor: Cursor, word: str, span: Span, variables: Iterable[str]) -> NoReturn:
    """Refuses a bare word, or a bare path, where a value should stand."""
    known = [*variables, "true", "false"]
    if "::" in word:
        cursor.fail(f"{shown(word)} is an entity type and no value", span, f'an entity is written `{word}::"id"`')
    if cursor.at(":"):
        cursor.fail(f"{shown(word)} is not a variable", span, f'an entity is written `{word}::"id"`, with two colons')
    if word in _WORDS:
        cursor.fail(f"{shown(word)} is not a variable", span, f"did you mean `{_WORDS[word]}`?")
    if word in _OPERAND_HELP:
        cursor.fail(f"{shown(word)} is not a variable", span, _OPERAND_HELP[word])
    help = _guess(word, known, 'a string is written in double quotes, an entity as `Type::"id"`; the variables are')
    cursor.fail(f"{shown(word)} is not a variable", span, help)


def _guess(word: str, known: Iterable[str], introduction: str) -> str:
    names = list(known)
    close = get_close_matches(word, names, 1, 0.7) if len(word) <= _MAX_GUESS else []
    if close:
        return f"did you mean `{close[0]}`?"
    return f"{introduction} {', '.join(f'`{name}`' for name in names)}"
