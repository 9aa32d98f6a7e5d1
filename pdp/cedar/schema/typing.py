"""Reads entities and contexts whose types are known (Cedar JSON format, "implicit forms").

Where a type says entity, `{"type": .., "id": ..}` is one; where it says an extension type, so are its bare text and
`{"fn": .., "arg": ..}`, whose arguments may be implicit in turn. What has not the form of its type is read by its
escapes: `conform` sees what came out, and refuses it with a better message than a reader could.
"""

from typing import Final, NamedTuple, assert_never, final

from pdp.cedar.ext import FUNCTIONS
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import (
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
)
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.cedar.wire.strict_json import FormError, Json, Path
from pdp.cedar.wire.values import call_function, describe, read_entity_uid, read_value

_CONSTRUCTORS: Final = {
    ExtensionType.DECIMAL: "decimal",
    ExtensionType.IPADDR: "ip",
    ExtensionType.DATETIME: "datetime",
    ExtensionType.DURATION: "duration",
}
_EXTENSIONS: Final = frozenset(type.value for type in ExtensionType)


@final
class SchemaTyping:
    """An `EntityTyping`: the attributes and tags of declared entity types are read by their types, all else untyped."""

    __slots__ = ("_schema",)

    def __init__(self, schema: Schema) -> None:
        self._schema: Final = schema

    def attribute(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:
        """The value of an attribute. Raises FormError."""
        declared = self._schema.entity_types.get(uid.type)
        attribute = None if declared is None else declared.attributes.attributes.get(name)
        return read_value(json, path) if attribute is None else read_typed(json, attribute.type, path)

    def tag(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:  # noqa: ARG002  the protocol's
        """The value of a tag. Raises FormError."""
        declared = self._schema.entity_types.get(uid.type)
        tags = None if declared is None else declared.tags
        return read_value(json, path) if tags is None else read_typed(json, tags, path)


def read_typed(json: Json, type: Type, path: Path = ()) -> Value:
    """The value that JSON stands for where a type is expected; it need not be of that type.

    Raises FormError: what `read_value` refuses, and what cannot be an entity or an extension value where one is
    expected.
    """
    match type:
        case ReferenceType():
            return read_entity_uid(json, path)
        case ExtensionType():
            return _read_extension(json, type, path)
        case SetType(element) if isinstance(json, list):
            return Set([read_typed(member, element, (*path, index)) for index, member in enumerate(json)])
        case RecordType() if isinstance(json, dict):
            return read_fields(json, type, path)
        case PrimitiveType() | SetType() | RecordType():
            return read_value(json, path)
        case _:
            assert_never(type)


def read_fields(json: dict[str, Json], type: RecordType, path: Path = ()) -> Record:
    """The record of an object's fields; no object is an escape here. Raises FormError as `read_typed` does."""
    fields: dict[str, Value] = {}
    for name, value in json.items():
        attribute = type.attributes.get(name)
        inner = (*path, name)
        fields[name] = read_value(value, inner) if attribute is None else read_typed(value, attribute.type, inner)
    return Record(fields)


def _read_extension(json: Json, type: ExtensionType, path: Path) -> Value:
    constructor = _CONSTRUCTORS[type]
    if isinstance(json, str):
        return call_function(constructor, [json], path)
    if isinstance(json, dict) and not isinstance(json.get("__expr"), str):
        call = _call(json.get("__extn"), (*path, "__extn")) or _call(json, path)
        if call is not None:
            return _apply(call)
    raise FormError(
        f"expected {type.value}, found {describe(json)}",
        path,
        help=f'write the text that `{constructor}` takes, or `{{"fn": "{constructor}", "arg": ".."}}`',
    )


class _Call(NamedTuple):
    """A call of an extension function at a path, its arguments not yet read."""

    function: str
    arguments: list[tuple[Json, Path]]
    path: Path


def _call(json: Json, path: Path) -> _Call | None:
    """The call that JSON has the shape of, if it has."""
    if not isinstance(json, dict) or not isinstance(function := json.get("fn"), str):
        return None
    # When both are given, `arg` counts, as in the reference implementation.
    if "arg" in json:
        return _Call(function, [(json["arg"], (*path, "arg"))], path)
    arguments = json.get("args")
    if not isinstance(arguments, list):
        return None
    return _Call(function, [(json, (*path, "args", index)) for index, json in enumerate(arguments)], path)


def _apply(call: _Call) -> Value:
    function = FUNCTIONS.get(call.function)
    parameters = () if function is None else function.parameters
    arguments = []
    for index, (json, path) in enumerate(call.arguments):
        parameter = parameters[index] if index < len(parameters) else ""
        is_extension = parameter in _EXTENSIONS
        arguments.append(
            _read_extension(json, ExtensionType(parameter), path) if is_extension else read_value(json, path)
        )
    return call_function(call.function, arguments, call.path)
