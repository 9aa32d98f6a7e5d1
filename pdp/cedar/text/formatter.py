"""Policy text in the layout of the reference formatter, comments kept (`cedar format`; Rust: `cedar-policy-formatter`).

A text of the same tokens is broken into lines at the same places. Three differences, each about comments, and each
where the reference loses one, moves it, or leaves what a second run would change:

- a comment beside a last comma, as in `[a, // why` with `b, // why not` and `]` below, stays behind its element;
- a comment on a line of its own below a string stays on it, and does not move up behind the string;
- a carriage return alone ends a comment, so what follows it is another comment, on a line of its own.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from pdp.cedar.errors import FormatError, ParseError
from pdp.cedar.limits import MAX_FORMAT_INDENT, MAX_POLICY_TEXT
from pdp.cedar.source import Source
from pdp.cedar.text.comments import (
    Commented,
    CommentedCursor,
    commented_tokens,
    document,
    leading_document,
    token_document,
    trailing_document,
    word,
)
from pdp.cedar.text.expression_layout import read_document, read_path
from pdp.cedar.text.layout import HARD_LINE, LINE, NIL, SPACE, Doc, concat, group, lines, nest
from pdp.cedar.text.policies import parse_policies

_CONDITIONS: Final = frozenset(("when", "unless"))
_CONSTRAINTS: Final = frozenset(("==", "in"))
_HELP: Final = "this is a fault of the formatter and not of the text: please report it"


def format_policies(text: str | Source, width: int = 80, indent: int = 2) -> str:
    """The policies and templates of a text in the same order, laid out anew; formatting the result changes nothing.

    `width` counts columns and is kept where the rules have a place to break a line; `indent`, 0 to MAX_FORMAT_INDENT,
    counts spaces. Every comment is kept. Numbers lose leading zeros and lists a last comma; all else stays.

    Raises ParseError for what is no Cedar, and FormatError for an indent out of range, for a result of more than
    MAX_POLICY_TEXT characters, for a scope with too many parentheses, and should the result not mean the same.
    """
    source = text if isinstance(text, Source) else Source("<policies>", text)
    if not 0 <= indent <= MAX_FORMAT_INDENT:
        raise FormatError(f"the indent is {indent}, the range is 0 to {MAX_FORMAT_INDENT}")
    parse_policies(source)
    written: list[str] = []
    length = 0
    for line in _lines(CommentedCursor(source, indent), width):
        length += len(line) + 1
        if length > MAX_POLICY_TEXT:
            raise FormatError(
                f"the formatted text has more than {MAX_POLICY_TEXT} characters",
                source=source,
                help="split it into several files",
            )
        written.append(f"{line}\n")
    formatted = "".join(written)
    _check(source, Source(source.name, formatted))
    return formatted


def _lines(cursor: CommentedCursor, width: int) -> Iterator[str]:
    if cursor.at_end:
        yield ""
    while not cursor.at_end:
        yield from lines(_policy(cursor), width)
        if not cursor.at_end:
            yield ""
    yield from cursor.next.leading


def _policy(cursor: CommentedCursor) -> Doc:
    parts: list[Doc] = []
    while cursor.text == "@":
        parts.append(_annotation(cursor))
    parts.append(leading_document(cursor.take_leading()))
    effect = document(cursor.take())
    parts += (group(concat(effect, LINE, document(cursor.take()))), _scopes(cursor))
    parts.append(document(cursor.take()))
    while cursor.text in _CONDITIONS:
        parts += (HARD_LINE, _condition(cursor))
    return concat(*parts, document(cursor.take()))


def _annotation(cursor: CommentedCursor) -> Doc:
    parts = [document(cursor.take()), document(cursor.take())]
    if cursor.text == "(":
        parts += (document(cursor.take()), document(cursor.take()), document(cursor.take()))
    return concat(*parts, HARD_LINE)


def _scopes(cursor: CommentedCursor) -> Doc:
    """What stands between the parentheses: on one line if nothing is constrained, and on three otherwise."""
    principal, principal_constrained = _scope(cursor)
    first = cursor.take()
    action, action_constrained = _scope(cursor)
    second = cursor.take()
    resource, resource_constrained = _scope(cursor)
    if principal_constrained or action_constrained or resource_constrained:
        between = concat(document(first), HARD_LINE, action, document(second), HARD_LINE)
        return concat(nest(cursor.indent, concat(HARD_LINE, principal, between, resource)), HARD_LINE)
    between = concat(_with_space(first), action, _with_space(second))
    return nest(cursor.indent, concat(principal, between, resource))


def _with_space(comma: Commented) -> Doc:
    return concat(document(comma), SPACE if comma.trailing is None else NIL)


def _scope(cursor: CommentedCursor) -> tuple[Doc, bool]:
    """A variable with what constrains it, and whether anything does."""
    before = leading_document(cursor.take_leading())
    variable = document(cursor.take())
    of_type = _scope_type(cursor) if cursor.text == "is" else NIL
    if cursor.text not in _CONSTRAINTS:
        return concat(before, variable, of_type), of_type is not NIL
    test = group(concat(variable, of_type, LINE, document(cursor.take())))
    target = nest(cursor.indent, concat(LINE, read_document(cursor)))
    return concat(before, group(concat(test, target))), True


def _scope_type(cursor: CommentedCursor) -> Doc:
    operator = group(concat(LINE, document(cursor.take())))
    return group(nest(cursor.indent, concat(operator, LINE, read_path(cursor))))


def _condition(cursor: CommentedCursor) -> Doc:
    before = leading_document(cursor.take_leading())
    kind = document(cursor.take())
    brace = cursor.take()
    opened = concat(leading_document(brace.leading), token_document(brace.token))
    body = concat(leading_document(cursor.take_leading()), group(read_document(cursor)))
    inner = nest(cursor.indent, concat(trailing_document(brace.trailing), LINE, body))
    return concat(before, group(concat(kind, LINE, opened, group(concat(inner, LINE, document(cursor.take()))))))


def _check(source: Source, result: Source) -> None:
    """INVARIANT: the result is Cedar and has the text's tokens, so it has the same policies, and the same comments at
    the same tokens, so formatting it changes nothing. (Comparing the policies themselves would recurse.)
    """
    try:
        parse_policies(result)
    except ParseError as error:
        raise FormatError("the formatted text is no Cedar", source=source, help=_HELP) from error
    if any(found != wanted for found, wanted in zip_longest(_words(result), _words(source))):
        raise FormatError("the formatted text says something else", source=source, help=_HELP)


def _words(source: Source) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    """The text of each token, with the comments before and behind it."""
    return ((word(item.token), item.leading, item.trailing) for item in commented_tokens(source))
