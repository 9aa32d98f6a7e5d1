"""Cedar values in JSON (Cedar JSON format, "attribute values"; research: Cedar language, section 5).

    true, 1, "s"                                   Bool, Long, String
    [..], {..}                                     Set, Record
    {"__entity": {"type": T, "id": I}}             entity reference
    {"__extn": {"fn": F, "arg": A}}                what an extension function gives; `"args": [A, ...]` for several

An escape is an object with that one key and a payload of that shape (further keys in the payload are ignored); any
other object is a record, whatever its keys. `null` and `{"__expr": "..."}` are refused.
"""

from sys import intern
from typing import Final, assert_never

from pdp.cedar import ext
from pdp.cedar.errors import EvaluationError, JsonError
from pdp.cedar.ext import datetime, decimal, duration, ipaddr
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_JSON_DEPTH
from pdp.cedar.names import is_type_name
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, Extension, IPAddr, Record, Set, Value, brief
from pdp.cedar.wire.strict_json import FormError, Json, Path, located, parse_json

_DESCRIPTIONS: Final = {
    type(None): "`null`",
    bool: "a Boolean",
    int: "an integer",
    float: "a fraction",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def describe(json: object) -> str:
    """What messages call a piece of JSON: `null`, an array, ..."""
    return _DESCRIPTIONS.get(type(json), "something that is not JSON")


def read_value(json: Json, path: Path = ()) -> Value:
    """The value that JSON stands for without a schema. `path` says where in its document it stands.

    Raises FormError (a JsonError): null, a number outside Long, an escape with a type name that is not normalised or an
    extension function without a value, more than MAX_JSON_DEPTH levels.
    """
    if isinstance(json, str) or json is True or json is False:
        return json
    if isinstance(json, int):
        if LONG_MIN <= json <= LONG_MAX:
            return json
        raise FormError("the number is not a Long", path, help=f"write an integer from {LONG_MIN} to {LONG_MAX}")
    if len(path) > MAX_JSON_DEPTH:
        raise FormError("nested too deeply", path, help=f"at most {MAX_JSON_DEPTH} levels of nesting are read")
    if isinstance(json, list):
        return Set([read_value(element, (*path, index)) for index, element in enumerate(json)])
    if isinstance(json, dict):
        if is_escape(json):
            return _read_escape(json, path)
        return Record({name: read_value(value, (*path, name)) for name, value in json.items()})
    raise FormError(f"{describe(json)} is not a Cedar value", path, help="leave out what is not known")


def is_escape(json: Json) -> bool:
    """Whether JSON is `__entity`, `__extn` or `__expr` alone with a payload of its shape, and so not a record."""
    if not isinstance(json, dict) or len(json) != 1:
        return False
    ((name, payload),) = json.items()
    match name:
        case "__entity":
            return _is_type_and_id(payload)
        case "__extn":
            return is_call(payload)
        case "__expr":
            return isinstance(payload, str)
        case _:
            return False


def _is_type_and_id(json: Json) -> bool:
    return isinstance(json, dict) and isinstance(json.get("type"), str) and isinstance(json.get("id"), str)


def is_call(json: Json) -> bool:
    """Whether JSON has the shape of a call: `{"fn": F, "arg": A}` or `{"fn": F, "args": [A, ...]}`."""
    if not isinstance(json, dict) or not isinstance(json.get("fn"), str):
        return False
    return "arg" in json or isinstance(json.get("args"), list)


def _read_escape(json: dict[str, Json], path: Path) -> Value:
    ((name, payload),) = json.items()
    if name == "__entity":
        return read_entity_uid(payload, (*path, name))
    if name == "__extn":
        return _read_call(payload, (*path, name))
    raise FormError("`__expr` is not read", path, help='write the value itself, or `{"__extn": {"fn": .., "arg": ..}}`')


def _read_call(json: Json, path: Path) -> Value:
    if not isinstance(json, dict) or not isinstance(name := json.get("fn"), str):
        raise FormError("this is not a call", path, help='write `{"fn": "ip", "arg": "10.0.0.1"}`')
    # When both are given, `arg` counts, as in the reference implementation.
    if "arg" in json:
        arguments = [read_value(json["arg"], (*path, "arg"))]
    else:
        given = json.get("args")
        arguments = [
            read_value(argument, (*path, "args", index))
            for index, argument in enumerate(given if isinstance(given, list) else ())
        ]
    return call_function(name, arguments, path)


def call_function(name: str, arguments: list[Value], path: Path) -> Value:
    """What an extension function gives for arguments that a document holds at `path`. Raises FormError."""
    if name not in ext.FUNCTIONS:
        known = ", ".join(f"`{function}`" for function in ext.FUNCTIONS)
        raise FormError(f"there is no extension function {brief(name)}", (*path, "fn"), help=f"use one of {known}")
    try:
        return ext.call(name, arguments)
    except EvaluationError as error:
        raise FormError(error.message, path) from None


def read_entity_uid(json: Json, path: Path = ()) -> EntityUID:
    """An entity's uid as `{"type": T, "id": I}` or `{"__entity": {"type": T, "id": I}}`. Further keys are ignored.

    Raises FormError: another form, or a type name that is not normalised.
    """
    if isinstance(json, dict) and not isinstance(json.get("__expr"), str):
        # When both forms are mixed, the escape counts, as in the reference implementation.
        if _is_type_and_id(escaped := json.get("__entity")):
            json = escaped
            path = (*path, "__entity")
        if isinstance(json, dict):
            entity_type, id = json.get("type"), json.get("id")
            if isinstance(entity_type, str) and isinstance(id, str):
                if not is_type_name(entity_type):
                    raise _bad_type_name(entity_type, (*path, "type"))
                return EntityUID(intern(entity_type), id)  # there are few types, and many entities of each
    raise FormError(
        f"expected an entity uid, found {describe(json)}",
        path,
        help='write `{"type": "User", "id": "alice"}`',
    )


def _bad_type_name(name: str, path: Path) -> FormError:
    return FormError(
        f"{brief(name)} is not an entity type",
        path,
        help="write identifiers separated by `::`, without white space and reserved words",
    )


def read_record(json: Json, path: Path = ()) -> Record:
    """The record that an object stands for, such as a request's context. Raises FormError, also for an escape."""
    if not isinstance(json, dict) or is_escape(json):
        found = "an escape" if isinstance(json, dict) else describe(json)
        raise FormError(f"expected a record, found {found}", path, help="write an object")
    return Record({name: read_value(value, (*path, name)) for name, value in json.items()})


def parse_record(source: Source) -> Record:
    """The record that a JSON text stands for, such as a request's context. Raises JsonError with a place."""
    json = parse_json(source)
    with located(source):
        return read_record(json)


def write_value(value: Value) -> Json:
    """The JSON that `read_value` reads as this value.

    Raises JsonError for a record that would be read as an escape, such as the record of the one attribute `__expr` with
    a string: JSON has no form for it.
    """
    match value:
        case bool() | int() | str():
            return value
        case EntityUID():
            return {"__entity": write_entity_uid(value)}
        case Set():
            return [write_value(element) for element in value.elements]
        case Record():
            fields: dict[str, Json] = {name: write_value(field) for name, field in value.fields.items()}
            if is_escape(fields):
                raise JsonError(
                    f"a record with the one attribute `{next(iter(fields))}` has no form in JSON",
                    help="name the attribute differently",
                )
            return fields
        case _:
            return _write_extension(value)


def write_entity_uid(uid: EntityUID) -> dict[str, Json]:
    """`{"type": T, "id": I}`."""
    return {"type": uid.type, "id": uid.id}


def _write_extension(value: Extension) -> Json:
    match value:
        case Decimal():
            return _call("decimal", decimal.format(value))
        case IPAddr():
            return _call("ip", ipaddr.format(value))
        case Duration():
            return _call("duration", duration.format(value))
        case Datetime():
            if datetime.has_text(value):
                return _call("datetime", datetime.format(value))
            # No text expresses years beyond 0000 to 9999, but an offset from the epoch does.
            since_epoch = _call("duration", duration.format(Duration(value.milliseconds)))
            return {"__extn": {"fn": "offset", "args": [_call("datetime", "1970-01-01"), since_epoch]}}
        case _:
            assert_never(value)


def _call(function: str, text: str) -> Json:
    return {"__extn": {"fn": function, "arg": text}}
