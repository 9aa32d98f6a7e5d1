"""Text to declarations (language reference, "Cedar schema grammar").

    schema      = { { annotation } ( "namespace" path "{" { { annotation } declaration } "}" | declaration ) }
    declaration = entity | action | common
    entity      = "entity" names [ "in" types ] [ ["="] record ] [ "tags" type ] ";"
                | "entity" names "enum" "[" string { "," string } "]" ";"
    action      = "action" ids [ "in" groups ] [ "appliesTo" "{" application { "," application } [","] "}" ]
                  [ "attributes" "{" "}" ] ";"
    common      = "type" name "=" type ";"
    application = ("principal" | "resource") ":" types | "context" ":" ( path | record )
    type        = path | "Set" "<" type ">" | record
    record      = "{" [ attribute { "," attribute } [","] ] "}"
    attribute   = { annotation } id ["?"] ":" type
    types       = path | "[" [ path { "," path } ] "]"
    groups      = group | "[" group { "," group } "]"
    group       = id | path "::" string
    names, ids  = name { "," name }, id { "," id }           id = name | string

Trailing commas are allowed only in a record and in `appliesTo`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeVar

from pdp.cedar.errors import SchemaError
from pdp.cedar.limits import MAX_REPORTED_FAULTS, MAX_SCHEMA_TEXT, MAX_TYPE_DEPTH
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.recovery import EnoughError, Report, each, refuse
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.syntax import (
    NOWHERE,
    RESERVED,
    ActionDecl,
    ActionRef,
    AttributeDecl,
    CommonTypeDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    RecordOf,
    SetOf,
    Sort,
    TypeExpr,
    TypeName,
)
from pdp.cedar.schema.types import Annotations
from pdp.cedar.source import Source, Span
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.lexer import Kind, Token, describe
from pdp.cedar.text.strings import decode_string

_T = TypeVar("_T")

_DECLARATION_HELP: Final = "a schema declares `entity`, `action` and `type`, each ended by `;`"
_END_HELP: Final = "end each declaration with `;`"
_AFTER_DECLARATION: Final = frozenset(("entity", "action", "type", "namespace", "@", "}"))
_ANNOTATION_HELP: Final = 'an annotation is written `@name` or `@name("value")`'
_RECORD_HELP: Final = "a record is written `{name: Type, optional?: Type}`"
_APPLICATION_HELP: Final = "write `appliesTo { principal: [Type], resource: [Type], context: {...} }`"
_GROUP_HELP: Final = 'a group is written `name`, `"any name"` or `Namespace::Action::"any name"`'
_DECLARATION_HELPS: Final = {
    "/": "comments start with `//`",
    ";": "one `;` ends a declaration, and none a namespace",
    "permit": "this is a schema; policies stand in a text of their own",
    "forbid": "this is a schema; policies stand in a text of their own",
    "common": "a common type is written `type Name = Type;`",
    "enum": 'an enumeration is written `entity Name enum ["one", "two"];`',
}
_TYPE_HELPS: Final = {
    "[": "a set is written `Set<Type>`",
    "(": "types have no parentheses",
}
_ENUM_HELP: Final = 'the ids of an enumeration are written `enum ["one", "two"]`'


@dataclass
class _Declarations:
    """The declarations of one namespace so far."""

    common_types: list[CommonTypeDecl] = field(default_factory=list)
    entity_types: list[EntityTypeDecl | EnumDecl] = field(default_factory=list)
    actions: list[ActionDecl] = field(default_factory=list)

    def namespace(self, name: str, annotations: Annotations, span: Span) -> Namespace:
        return Namespace(
            name, tuple(self.common_types), tuple(self.entity_types), tuple(self.actions), annotations, span
        )


def parse_schema(source: Source) -> Schema:
    """The schema of a text, its names resolved. Raises SchemaError at the first fault."""
    return resolve(parse_fragment(source))


def parse_fragment(source: Source) -> Fragment:
    """The declarations of a text as they are written. Raises SchemaError at the first fault of grammar."""
    return _fragment(source, refuse)


def parse_fragment_reporting(source: Source) -> tuple[Fragment | None, tuple[SchemaError, ...]]:
    """The declarations of a text, or its faults of grammar, at most MAX_REPORTED_FAULTS.

    Behind a fault, reading goes on with the next declaration. Nothing is read behind a character that is no token.
    """
    faults: list[SchemaError] = []

    def report(fault: SchemaError) -> None:
        faults.append(fault)
        if len(faults) >= MAX_REPORTED_FAULTS:
            raise EnoughError

    try:
        fragment = _fragment(source, report)
    except EnoughError:
        return None, tuple(faults)
    except SchemaError as fault:  # met before the first declaration
        return None, (fault,)
    return (None, tuple(faults)) if faults else (fragment, ())


def _fragment(source: Source, report: Report) -> Fragment:
    cursor = Cursor(source, MAX_SCHEMA_TEXT, SchemaError)
    outside = _Declarations()
    namespaces: list[Namespace] = []

    def read() -> None:
        annotations = _annotations(cursor)
        if cursor.at("namespace"):
            namespaces.append(_namespace(cursor, annotations, report))
        else:
            _declaration(cursor, annotations, outside)

    each(cursor, read, report, lambda: cursor.token.kind is Kind.END)
    first = outside.namespace("", {}, NOWHERE)
    return Fragment(tuple(namespaces) if first.is_nothing() else (first, *namespaces), source)


def _namespace(cursor: Cursor, annotations: Annotations, report: Report) -> Namespace:
    cursor.expect("namespace")
    name, span = _path(cursor, "the name of a namespace")
    cursor.expect("{")
    declarations = _Declarations()

    def read() -> None:
        inner = _annotations(cursor)
        if cursor.at("namespace"):
            cursor.fail("namespaces do not nest", help=f"write `namespace {name}::...` after this one")
        _declaration(cursor, inner, declarations)

    each(cursor, read, report, lambda: cursor.take("}"))
    if cursor.at(";"):
        cursor.fail_expected("a declaration", "a namespace ends without `;`")
    return declarations.namespace(name, annotations, span)


def _annotations(cursor: Cursor) -> Annotations:
    annotations: dict[str, str] = {}
    while cursor.take("@"):
        name = cursor.expect_kind(Kind.IDENTIFIER, _ANNOTATION_HELP)
        value = ""
        if cursor.take("("):
            value = _string(cursor, _ANNOTATION_HELP)
            cursor.expect(")", _ANNOTATION_HELP)
        if name.text in annotations:
            cursor.fail(f"the annotation {describe(name)} stands here twice", name.span, "keep one of them")
        annotations[name.text] = value
    return annotations


def _declaration(cursor: Cursor, annotations: Annotations, declarations: _Declarations) -> None:
    match cursor.token.text:
        case "entity":
            declarations.entity_types += _entity_types(cursor, annotations)
        case "action":
            declarations.actions += _actions(cursor, annotations)
        case "type":
            declarations.common_types.append(_common_type(cursor, annotations))
        case word:
            cursor.fail_expected("`entity`, `action` or `type`", _DECLARATION_HELPS.get(word, _DECLARATION_HELP))


def _common_type(cursor: Cursor, annotations: Annotations) -> CommonTypeDecl:
    cursor.expect("type")
    name = _identifier(cursor, "a name")
    cursor.expect("=", "a common type is written `type Name = Type;`")
    type = _type(cursor)
    _end(cursor, _END_HELP)
    return CommonTypeDecl(name.text, type, annotations, name.span)


def _entity_types(cursor: Cursor, annotations: Annotations) -> list[EntityTypeDecl | EnumDecl]:
    cursor.expect("entity")
    names = _separated(cursor, lambda cursor: _identifier(cursor, "the name of an entity type"))
    if cursor.take("enum"):
        cursor.expect("[", _ENUM_HELP)
        ids = tuple(_separated(cursor, lambda cursor: _string(cursor, _ENUM_HELP)))
        cursor.expect("]", _ENUM_HELP)
        _end(cursor, "an enumeration has no attributes, no tags and no parents")
        return [EnumDecl(name.text, ids, annotations, name.span) for name in names]
    parents = _entity_type_names(cursor) if cursor.take("in") else ()
    shape = _shape(cursor)
    tags = _type(cursor) if cursor.take("tags") else None
    _end(cursor, "the parts of an entity type are, in this order: `in [...]`, `= {...}`, `tags ...`")
    return [EntityTypeDecl(name.text, parents, shape, tags, annotations, name.span) for name in names]


def _shape(cursor: Cursor) -> RecordOf:
    if cursor.take("=") and not cursor.at("{"):
        cursor.fail_expected("`{`", "the attributes of an entity type are written out, not named")
    return _record(cursor, 1) if cursor.at("{") else RecordOf()


def _actions(cursor: Cursor, annotations: Annotations) -> list[ActionDecl]:
    cursor.expect("action")
    names = _separated(cursor, lambda cursor: _id(cursor, "the name of an action"))
    groups = _groups(cursor) if cursor.take("in") else ()
    principals, resources, context = _applies_to(cursor) if cursor.take("appliesTo") else ((), (), RecordOf())
    if cursor.take("attributes"):
        cursor.expect("{")
        cursor.expect("}", "actions have no attributes")
    _end(cursor, "the parts of an action are, in this order: `in [...]`, `appliesTo {...}`")
    return [ActionDecl(name, groups, principals, resources, context, annotations, span) for name, span in names]


def _groups(cursor: Cursor) -> tuple[ActionRef, ...]:
    if not cursor.take("["):
        return (_group(cursor),)
    groups = tuple(_separated(cursor, _group))
    cursor.expect("]")
    return groups


def _group(cursor: Cursor) -> ActionRef:
    first = cursor.token
    if first.kind is Kind.STRING:
        return ActionRef(_string(cursor), place=first.span)
    parts = [_identifier(cursor, "an action", _GROUP_HELP).text]
    while cursor.take("::"):
        if cursor.token.kind is Kind.STRING:
            id = _string(cursor)
            return ActionRef(id, "::".join(parts), cursor.since(first.start))
        parts.append(_identifier(cursor, "an identifier or an id in double quotes", _GROUP_HELP).text)
    if len(parts) > 1:
        cursor.fail_expected("`::` and the id of an action", _GROUP_HELP)
    return ActionRef(parts[0], place=first.span)


def _applies_to(cursor: Cursor) -> tuple[tuple[TypeName, ...], tuple[TypeName, ...], TypeExpr]:
    start = cursor.end
    cursor.expect("{", _APPLICATION_HELP)
    types: dict[str, tuple[TypeName, ...]] = {}
    context: TypeExpr | None = None
    while True:
        word = cursor.token
        if word.text not in ("principal", "resource", "context"):
            cursor.fail_expected("`principal`, `resource` or `context`", _APPLICATION_HELP)
        if word.text in types or (word.text == "context" and context is not None):
            cursor.fail(f"{describe(word)} stands here twice", help="keep one of them; it may list several types")
        cursor.advance()
        cursor.expect(":", _APPLICATION_HELP)
        if word.text == "context":
            context = _context(cursor)
        else:
            types[word.text] = _applicable(cursor, word)
        if not cursor.take(",") or cursor.at("}"):
            break
    cursor.expect("}", _APPLICATION_HELP)
    for variable in ("principal", "resource"):
        if variable not in types:
            message = f"`appliesTo` does not say which types the {variable} may have"
            cursor.fail(message, Span(start - len("appliesTo"), start), _APPLICATION_HELP)
    return types["principal"], types["resource"], RecordOf() if context is None else context


def _applicable(cursor: Cursor, variable: Token) -> tuple[TypeName, ...]:
    start = cursor.token.start
    types = _entity_type_names(cursor)
    if not types:
        message = f"the list of {variable.text} types is empty"
        cursor.fail(message, cursor.since(start), "leave out `appliesTo` for an action that is only a group")
    return types


def _context(cursor: Cursor) -> TypeExpr:
    if cursor.at("{"):
        return _record(cursor, 1)
    path, span = _path(cursor, "a record or the name of a common type")
    return TypeName(path, Sort.COMMON, span)


def _entity_type_names(cursor: Cursor) -> tuple[TypeName, ...]:
    if not cursor.take("["):
        return (_entity_type_name(cursor),)
    if cursor.take("]"):
        return ()
    types = tuple(_separated(cursor, _entity_type_name))
    cursor.expect("]")
    return types


def _entity_type_name(cursor: Cursor) -> TypeName:
    path, span = _path(cursor, "an entity type")
    return TypeName(path, Sort.ENTITY, span)


def _type(cursor: Cursor, depth: int = 0) -> TypeExpr:
    """Reads a type that stands inside `depth` sets and records."""
    if cursor.at("{"):
        return _record(cursor, depth + 1)
    start = cursor.token.start
    path, span = _path(cursor, "a type", _TYPE_HELPS.get(cursor.token.text))
    if path != "Set" or not cursor.at("<"):
        return TypeName(path, place=span)
    if depth >= MAX_TYPE_DEPTH:
        _fail_deep(cursor, start)
    cursor.advance()
    element = _type(cursor, depth + 1)
    cursor.expect(">", "a set is written `Set<Type>`")
    return SetOf(element)


def _record(cursor: Cursor, depth: int) -> RecordOf:
    """Reads a record that is the `depth`th of the sets and records around its attributes."""
    if depth > MAX_TYPE_DEPTH:
        _fail_deep(cursor, cursor.token.start)
    cursor.expect("{")
    attributes: dict[str, AttributeDecl] = {}
    while not cursor.take("}"):
        annotations = _annotations(cursor)
        name, _ = _id(cursor, "the name of an attribute", _RECORD_HELP)
        required = not cursor.take("?")
        cursor.expect(":", _RECORD_HELP)
        # The last declaration counts, as in the reference implementation.
        attributes[name] = AttributeDecl(name, _type(cursor, depth), required, annotations)
        if not cursor.at("}") and not cursor.take(","):
            cursor.fail_expected("`,` or `}`", _RECORD_HELP)
    return RecordOf(tuple(attributes.values()))


def _fail_deep(cursor: Cursor, start: int) -> NoReturn:
    cursor.fail(
        f"this type is nested more than {MAX_TYPE_DEPTH} levels deep",
        Span(start, cursor.token.end),
        "give its inner part a name with `type`, and make that one flatter",
    )


def _separated(cursor: Cursor, read: Callable[[Cursor], _T]) -> list[_T]:
    """Reads one or more things with commas between them."""
    found = [read(cursor)]
    while cursor.take(","):
        if cursor.token.kind is Kind.PUNCTUATION:
            cursor.fail_expected("another one after the comma", "a trailing comma is not allowed here")
        found.append(read(cursor))
    return found


def _path(cursor: Cursor, expected: str, help: str | None = None) -> tuple[str, Span]:
    """Reads `name::name`."""
    start = cursor.token.start
    parts = [_identifier(cursor, expected, help).text]
    while cursor.take("::"):
        parts.append(_identifier(cursor, "an identifier").text)
    return "::".join(parts), cursor.since(start)


def _id(cursor: Cursor, expected: str, help: str | None = None) -> tuple[str, Span]:
    """Reads a name, or any text in quotes."""
    start = cursor.token.start
    if cursor.token.kind is Kind.STRING:
        return _string(cursor), cursor.since(start)
    return _identifier(cursor, expected, help).text, cursor.since(start)


def _string(cursor: Cursor, help: str | None = None) -> str:
    return decode_string(cursor, cursor.expect_kind(Kind.STRING, help))


def _identifier(cursor: Cursor, expected: str, help: str | None = None) -> Token:
    """Reads one identifier that is no reserved word."""
    token = cursor.token
    if token.kind is not Kind.IDENTIFIER:
        cursor.fail_expected(expected, help)
    if token.text in RESERVED:
        cursor.fail(f"`{token.text}` is a reserved word and no name", help=f"expected {expected}")
    return cursor.advance()


def _end(cursor: Cursor, help: str) -> None:
    """Reads the `;` of a declaration; the place of a missing one is the end of what was read, often a line above."""
    if not cursor.take(";"):
        if cursor.token.kind is Kind.END or cursor.token.text in _AFTER_DECLARATION:
            help = _END_HELP
        cursor.fail(f"expected `;`, found {describe(cursor.token)}", Span(cursor.end, cursor.end + 1), help)
