"""Reading on behind a fault, so that the faults of one schema text are reported together."""

from collections.abc import Callable
from typing import Final, TypeAlias

from pdp.cedar.errors import SchemaError
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.lexer import Kind

Report: TypeAlias = Callable[[SchemaError], None]
"""Takes a fault; what it raises ends the reading."""

_STARTS: Final = frozenset(("entity", "action", "type", "namespace", "@"))
"""What a declaration begins with."""


class EnoughError(Exception):
    """Nothing more is to be read. Never leaves the parser."""


def refuse(fault: SchemaError) -> None:
    """A report for whoever wants the first fault alone: it is raised."""
    raise fault


def each(cursor: Cursor, read: Callable[[], None], report: Report, ended: Callable[[], bool]) -> None:
    """Reads one declaration after another; a fault is reported, and reading goes on behind the next `;`."""
    while not ended():
        start = cursor.token.start
        try:
            read()
        except SchemaError as fault:
            report(fault)
            if cursor.token.text not in _STARTS or cursor.token.start == start:  # else a `;` is missing before it
                _skip(cursor, report)
            if cursor.token.kind is Kind.END:
                return


def _skip(cursor: Cursor, report: Report) -> None:
    """Reads what is left of a declaration with a fault."""
    try:
        while cursor.token.kind is not Kind.END and not cursor.take(";"):
            cursor.advance()
    except SchemaError as fault:
        report(fault)
        raise EnoughError from None
    except StopIteration:  # the fault was a character that is no token
        raise EnoughError from None
