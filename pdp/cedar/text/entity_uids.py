"""Names of entity types and references to entities (language reference, "Entity", "Path"; grammar: Path, Entity).

White space and comments may stand around `::`. No part of a name is a reserved word.
"""

from typing import Final

from pdp.cedar.names import RESERVED
from pdp.cedar.source import Source
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.lexer import Kind, Token, describe
from pdp.cedar.text.strings import decode_string
from pdp.cedar.values import EntityUID

_REFERENCE_HELP: Final = 'an entity is written `Type::"id"`, with double quotes'


def parse_entity_uid(text: str, name: str = "<entity>") -> EntityUID:
    """An entity reference alone, as in `User::"alice"`; `name` is what messages call the text. Raises ParseError."""
    cursor = Cursor(Source(name, text))
    uid = read_reference(cursor)
    cursor.expect_kind(Kind.END)
    return uid


def parse_type_name(text: str, name: str = "<type>") -> str:
    """The name of an entity type alone, as in `Photos::User`, without its white space. Raises ParseError."""
    cursor = Cursor(Source(name, text))
    type_name = read_type_name(cursor)
    cursor.expect_kind(Kind.END)
    return type_name


def read_reference(cursor: Cursor) -> EntityUID:
    """Reads `path::"id"`."""
    path = read_path(cursor, "an entity")
    if isinstance(path, EntityUID):
        return path
    return cursor.fail_expected(f"`::` and the id of an entity of type `{path}`", _REFERENCE_HELP)


def read_type_name(cursor: Cursor) -> str:
    """Reads a path that is no reference."""
    start = cursor.token.start
    path = read_path(cursor, "an entity type")
    if isinstance(path, EntityUID):
        cursor.fail(f"expected an entity type, found the entity `{path}`", cursor.since(start), f"write `{path.type}`")
    return path


def read_path(cursor: Cursor, expected: str) -> str | EntityUID:
    """Reads a path, and its id if it has one; `expected` says in a message what should stand here."""
    parts = [read_name_part(cursor, expected)]
    while cursor.take("::"):
        if cursor.token.kind is Kind.STRING:
            return EntityUID("::".join(parts), decode_string(cursor, cursor.advance()))
        parts.append(read_name_part(cursor, "an identifier or an id in double quotes"))
    return "::".join(parts)


def read_name_part(cursor: Cursor, expected: str) -> str:
    """Reads one identifier that is no reserved word."""
    token = cursor.token
    if token.kind is not Kind.IDENTIFIER:
        cursor.fail_expected(expected, _help_for(token))
    if token.text in RESERVED:
        cursor.fail(f"`{token.text}` is a reserved word and no name", help=f"expected {expected}")
    return cursor.advance().text


def _help_for(token: Token) -> str | None:
    if token.kind is Kind.STRING:
        return f"put the type before the id: `Type::{describe(token).strip('`')}`"
    return _REFERENCE_HELP if token.text == "{" else None
