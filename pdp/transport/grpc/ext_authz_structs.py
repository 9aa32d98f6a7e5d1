"""Bodies and metadata cut to what a schema declares of them, still as JSON.

A text where an entity is declared is the entity's id. In a body every field is the client's, and some servers read
`Amount` as `amount`: a field that is a declared one but for its letters' case is refused always.
"""

from typing import Any, Final, cast

from pdp.cedar.schema.types import RecordType, ReferenceType, SetType, Type
from pdp.cedar.values import brief
from pdp.cedar.wire.strict_json import Json
from pdp.transport.errors import MessageError

_EXACT: Final = 2**53
"""Up to here a double holds every whole number."""


def declared_fields(json: Json, type: Type, what: str, *, strict: bool) -> Json:
    """What of a body is declared. `strict` refuses the rest. Raises MessageError."""
    match type:
        case RecordType() if isinstance(json, dict):
            return _declared(json, type, what, strict=strict)
        case SetType(element) if isinstance(json, list):
            return [declared_fields(member, element, what, strict=strict) for member in json]
        case ReferenceType(entity_type) if isinstance(json, str):
            return {"type": entity_type, "id": json}
        case _:
            return json


def _declared(json: dict[str, Json], type: RecordType, what: str, *, strict: bool) -> Json:
    attributes = type.attributes
    found: dict[str, Json] = {}
    lowered: frozenset[str] | None = None
    for name, value in json.items():
        if name in attributes:
            found[name] = declared_fields(value, attributes[name].type, what, strict=strict)
            continue
        if strict:
            raise MessageError(f"{what} holds {brief(name)}, which the schema does not declare")
        lowered = lowered or frozenset(map(str.casefold, attributes))
        if name.casefold() in lowered:
            raise MessageError(f"{what} holds {brief(name)}, a declared name in other letters")
    return found


def read_struct(struct: Any, type: RecordType, what: str) -> Json:
    """What of a `google.protobuf.Struct` is declared, as JSON. Raises MessageError for what Cedar has no value for."""
    fields = struct.fields
    return {
        name: _read(fields[name], attribute.type, what)
        for name, attribute in type.attributes.items()
        if name in fields  # asking for one that is not there would make it
    }


def _read(value: Any, type: Type, what: str) -> Json:
    match value.WhichOneof("kind"):
        case "bool_value":
            return cast("bool", value.bool_value)
        case "string_value":
            return declared_fields(value.string_value, type, what, strict=True)
        case "number_value" if value.number_value.is_integer() and abs(value.number_value) <= _EXACT:
            return int(value.number_value)
        case "list_value":
            element = type.element if isinstance(type, SetType) else type
            return [_read(member, element, what) for member in value.list_value.values]
        case "struct_value" if isinstance(type, RecordType):
            return read_struct(value.struct_value, type, what)
        case _:
            raise MessageError(f"{what} holds a null, a fraction or an object where the schema declares none")
