"""JSON to declarations (Cedar schema, "JSON schema format"). Unknown fields are refused everywhere.

    {namespace: {"commonTypes"?: {name: T + annotations}, "entityTypes": {name: E}, "actions": {id: A}, "annotations"?}}

    E = {"memberOfTypes"?: [name], "shape"?: T, "tags"?: T, "annotations"?}  or  {"enum": [id, ..], "annotations"?}
    A = {"memberOf"?: [{"id", "type"?}], "annotations"?,
         "appliesTo"?: {"principalTypes": [name], "resourceTypes": [name], "context"?: T}}
    T = {"type": "Boolean" | "Long" | "String"}
      | {"type": "Set", "element": T}
      | {"type": "Record", "attributes": {name: T + "required"? + annotations}, "additionalAttributes"?: false}
      | {"type": "Entity" | "EntityOrCommon" | "Extension", "name": name}
      | {"type": name of a common type}

The reference implementation also takes an array in place of an object with known fields, by their order; that is an
accident of its decoder and is refused here.
"""

from collections.abc import Mapping
from typing import Final

from pdp.cedar.errors import JsonError
from pdp.cedar.limits import MAX_SCHEMA_TEXT, MAX_TYPE_DEPTH
from pdp.cedar.names import is_identifier
from pdp.cedar.schema.hints import guess, listed
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.syntax import (
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
    is_name,
    is_path,
)
from pdp.cedar.schema.types import Annotations, ExtensionType, PrimitiveType
from pdp.cedar.source import Source
from pdp.cedar.values import brief
from pdp.cedar.wire.strict_json import FormError, Json, Path, located, parse_json
from pdp.cedar.wire.values import describe

_NAMESPACE: Final = ("commonTypes", "entityTypes", "actions", "annotations")
_ENTITY_TYPE: Final = ("memberOfTypes", "shape", "tags", "annotations")
_ENUM: Final = ("enum", "annotations")
_ACTION: Final = ("appliesTo", "memberOf", "attributes", "annotations")
_APPLIES_TO: Final = ("principalTypes", "resourceTypes", "context")
_GROUP: Final = ("id", "type")

TYPE_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Boolean": (),
    "Long": (),
    "String": (),
    "Set": ("element",),
    "Record": ("attributes", "additionalAttributes"),
    "Entity": ("name",),
    "EntityOrCommon": ("name",),
    "Extension": ("name",),
}
"""The words for types, with the fields that each of them has besides `type`. Any other word names a common type."""

PRIMITIVES: Final = {
    "Boolean": PrimitiveType.BOOL,
    "Long": PrimitiveType.LONG,
    "String": PrimitiveType.STRING,
}
_EXTENSIONS: Final = {type.value: type for type in ExtensionType}
_SORTS: Final = {"Entity": Sort.ENTITY, "EntityOrCommon": Sort.ANY}


def parse_json_schema(source: Source) -> Schema:
    """The schema of a JSON text, its names resolved.

    Raises JsonError for a text that is no JSON or has not the documented form, SchemaError for declarations that
    contradict themselves or name nothing; always with a place.
    """
    return resolve(parse_json_fragment(source))


def parse_json_fragment(source: Source) -> Fragment:
    """The declarations of a JSON text as they are written. Raises JsonError with a place."""
    if len(source.text) > MAX_SCHEMA_TEXT:
        raise JsonError(f"the schema has more than {MAX_SCHEMA_TEXT} characters", source=source)
    json = parse_json(source)
    with located(source):
        namespaces = [_namespace(name, inner, (name,)) for name, inner in _map(json, ()).items()]
    return Fragment(tuple(namespace for namespace in namespaces if not namespace.is_nothing()), source)


def _namespace(name: str, json: Json, path: Path) -> Namespace:
    if name and not is_path(name):
        raise FormError(
            f"{brief(name)} is not the name of a namespace", path, help="write identifiers with `::` between"
        )
    fields = _object(json, path, _NAMESPACE, ("entityTypes", "actions"))
    annotations = _annotations(fields, path)
    if annotations and not name:
        raise FormError("the empty namespace has no annotations", (*path, "annotations"), help="remove them")
    common_types = _declared(fields.get("commonTypes", {}), (*path, "commonTypes"))
    entity_types = _declared(fields["entityTypes"], (*path, "entityTypes"))
    actions = _map(fields["actions"], (*path, "actions"))
    return Namespace(
        name,
        tuple(_common_type(name, inner, (*path, "commonTypes", name)) for name, inner in common_types.items()),
        tuple(_entity_type(name, inner, (*path, "entityTypes", name)) for name, inner in entity_types.items()),
        tuple(_action(name, inner, (*path, "actions", name)) for name, inner in actions.items()),
        annotations,
        path,
    )


def _common_type(name: str, json: Json, path: Path) -> CommonTypeDecl:
    fields, type = _type(json, path, 0, ("annotations",))
    return CommonTypeDecl(name, type, _annotations(fields, path), path)


def _entity_type(name: str, json: Json, path: Path) -> EntityTypeDecl | EnumDecl:
    if isinstance(json, dict) and "enum" in json:
        fields = _object(json, path, _ENUM)
        ids = [_string(id, (*path, "enum", index)) for index, id in _list(fields["enum"], (*path, "enum"))]
        if not ids:
            raise FormError("an enumeration has at least one id", (*path, "enum"), help="list its ids")
        return EnumDecl(name, tuple(ids), _annotations(fields, path), path)
    fields = _object(json, path, _ENTITY_TYPE)
    shape = _type(fields["shape"], (*path, "shape"), 0)[1] if "shape" in fields else RecordOf()
    tags = _type(fields["tags"], (*path, "tags"), 0)[1] if "tags" in fields else None
    parents = _entity_type_names(fields.get("memberOfTypes", []), (*path, "memberOfTypes"))
    return EntityTypeDecl(name, parents, shape, tags, _annotations(fields, path), path)


def _action(name: str, json: Json, path: Path) -> ActionDecl:
    fields = _object(json, path, _ACTION)
    # The reference implementation reads `null` as absent here, and only for these fields.
    if fields.get("attributes") is not None:
        raise FormError("actions have no attributes", (*path, "attributes"), help="remove `attributes`")
    groups: tuple[ActionRef, ...] = ()
    if fields.get("memberOf") is not None:
        where = (*path, "memberOf")
        groups = tuple(_group(group, (*where, index)) for index, group in _list(fields["memberOf"], where))
    annotations = _annotations(fields, path)
    if fields.get("appliesTo") is None:
        return ActionDecl(name, groups, annotations=annotations, place=path)
    where = (*path, "appliesTo")
    applies = _object(fields["appliesTo"], where, _APPLIES_TO, ("principalTypes", "resourceTypes"))
    return ActionDecl(
        name,
        groups,
        _entity_type_names(applies["principalTypes"], (*where, "principalTypes")),
        _entity_type_names(applies["resourceTypes"], (*where, "resourceTypes")),
        _type(applies["context"], (*where, "context"), 0)[1] if "context" in applies else RecordOf(),
        annotations,
        path,
    )


def _group(json: Json, path: Path) -> ActionRef:
    fields = _object(json, path, _GROUP, ("id",))
    type = fields.get("type")
    return ActionRef(
        _string(fields["id"], (*path, "id")),
        None if type is None else _path(type, (*path, "type"), "the type of an action"),
        path,
    )


def _entity_type_names(json: Json, path: Path) -> tuple[TypeName, ...]:
    return tuple(
        TypeName(_path(name, (*path, index), "the name of an entity type"), Sort.ENTITY, (*path, index))
        for index, name in _list(json, path)
    )


def _type(json: Json, path: Path, depth: int, more: tuple[str, ...] = ()) -> tuple[dict[str, Json], TypeExpr]:
    """The type that an object stands for, inside `depth` sets and records, and all its fields: `more` are allowed."""
    if not isinstance(json, dict) or "type" not in json:
        found = "an object without `type`" if isinstance(json, dict) else describe(json)
        raise FormError(f"expected a type, found {found}", path, help='a type is written `{"type": ..}`')
    word = _string(json["type"], (*path, "type"))
    names = TYPE_WORDS.get(word, ())
    required = tuple(name for name in names if name != "additionalAttributes")
    fields = _object(json, path, ("type", *names, *more), required)
    if depth >= MAX_TYPE_DEPTH and word in ("Set", "Record"):
        raise FormError(f"this type is nested more than {MAX_TYPE_DEPTH} levels deep", path, help="make it flatter")
    return fields, _type_expr(word, fields, path, depth)


def _type_expr(word: str, fields: dict[str, Json], path: Path, depth: int) -> TypeExpr:
    match word:
        case "Boolean" | "Long" | "String":
            return PRIMITIVES[word]
        case "Set":
            return SetOf(_type(fields["element"], (*path, "element"), depth + 1)[1])
        case "Record":
            return _record(fields, path, depth + 1)
        case "Entity" | "EntityOrCommon":
            where = (*path, "name")
            return TypeName(_path(fields["name"], where, "the name of a type"), _SORTS[word], where)
        case "Extension":
            name = _string(fields["name"], (*path, "name"))
            if name not in _EXTENSIONS:
                help = guess(name, _EXTENSIONS) or listed("the extension types are", _EXTENSIONS)
                raise FormError(f"{brief(name)} is not an extension type", (*path, "name"), help=help)
            return _EXTENSIONS[name]
        case _:
            where = (*path, "type")
            return TypeName(_path(word, where, "the name of a common type"), Sort.COMMON, where)


def _record(fields: dict[str, Json], path: Path, depth: int) -> RecordOf:
    additional = fields.get("additionalAttributes", False)
    if additional is not False:
        where = (*path, "additionalAttributes")
        raise FormError("a record has exactly its declared attributes", where, help="remove `additionalAttributes`")
    where = (*path, "attributes")
    attributes = []
    for name, json in _map(fields["attributes"], where).items():
        inner = (*where, name)
        inner_fields, type = _type(json, inner, depth, ("required", "annotations"))
        required = inner_fields.get("required", True)
        if not isinstance(required, bool):
            raise FormError(f"expected a Boolean, found {describe(required)}", (*inner, "required"))
        attributes.append(AttributeDecl(name, type, required, _annotations(inner_fields, inner)))
    return RecordOf(tuple(attributes))


def _annotations(fields: dict[str, Json], path: Path) -> Annotations:
    where = (*path, "annotations")
    annotations = {}
    for name, value in _map(fields.get("annotations", {}), where).items():
        if not is_identifier(name):
            raise FormError(f"{brief(name)} is not the name of an annotation", (*where, name), help="use an identifier")
        annotations[name] = "" if value is None else _string(value, (*where, name))
    return annotations


def _declared(json: Json, path: Path) -> dict[str, Json]:
    """An object whose keys are declared as names of types."""
    fields = _map(json, path)
    for name in fields:
        if not is_name(name):
            raise FormError(f"{brief(name)} is not a name", (*path, name), help="use an identifier, no reserved word")
    return fields


def _object(json: Json, path: Path, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Json]:
    """An object with known fields."""
    fields = _map(json, path)
    for name in fields:
        if name not in known:
            help = guess(name, known) or listed("the fields here are", known)
            raise FormError(f"unknown field {brief(name)}", (*path, name), help=help)
    for name in required:
        if name not in fields:
            raise FormError(f"the field `{name}` is missing", path, help=listed("the fields here are", known))
    return fields


def _map(json: Json, path: Path) -> dict[str, Json]:
    if not isinstance(json, dict):
        raise FormError(f"expected an object, found {describe(json)}", path)
    return json


def _list(json: Json, path: Path) -> list[tuple[int, Json]]:
    """The elements of an array with their indices."""
    if not isinstance(json, list):
        raise FormError(f"expected an array, found {describe(json)}", path)
    return list(enumerate(json))


def _string(json: Json, path: Path) -> str:
    if not isinstance(json, str):
        raise FormError(f"expected a string, found {describe(json)}", path)
    return json


def _path(json: Json, path: Path, expected: str) -> str:
    name = _string(json, path)
    if not is_path(name):
        raise FormError(f"{brief(name)} is not {expected}", path, help="write identifiers with `::` between")
    return name
