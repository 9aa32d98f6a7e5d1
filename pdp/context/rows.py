"""What is believed of one thing, as a row of text that holds all of it. Reading is total and exact.

The text is JSON in the project's own store; values are written as in Cedar's JSON format.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from typing import Final, assert_never

from immutables import Map

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError, JsonError
from pdp.cedar.values import EntityUID, Value
from pdp.cedar.wire.strict_json import Json
from pdp.cedar.wire.values import read_value, write_value
from pdp.context.changes import EntityKey, GrantKey, Key, Origin, PostureKey
from pdp.context.facts import Grant, Posture
from pdp.context.state import Believed, BelievedEntity, BelievedGrant, BelievedPosture

_SEPARATORS: Final = (",", ":")

_decode: Final = json.JSONDecoder().raw_decode
"""`json.loads` without its search for white space, which no row has around it."""


class RowError(CedarError):
    """A row that was not written by `write_row`."""

    code = "row"


def write_key(key: Key) -> str:
    """A key as text; no two keys have the same."""
    match key:
        case EntityKey(uid):
            return _text(["entity", *uid])
        case PostureKey(subject):
            return _text(["posture", *subject])
        case GrantKey(id):
            return _text(["grant", id])
        case _:
            assert_never(key)


def write_row(believed: Believed) -> str:
    """The row of what is believed. Raises JsonError for a record that JSON has no form for (`write_value`)."""
    match believed:
        case BelievedEntity(entity, origin, alone):
            return _text(
                [
                    "entity",
                    *_origin(origin),
                    *entity.uid,
                    _values(entity.attrs),
                    [[*parent] for parent in sorted(entity.parents)],
                    _values(entity.tags),
                    {name: _origin(of) for name, of in alone.items()},
                ]
            )
        case BelievedPosture(posture, origin):
            facts = _values(posture.facts)
            return _text(["posture", *_origin(origin), *posture.subject, posture.source, posture.observed_at, facts])
        case BelievedGrant(grant, origin):
            return _text(
                [
                    "grant",
                    *_origin(origin),
                    grant.id,
                    grant.template_id,
                    *grant.principal,
                    *grant.resource,
                    grant.owner,
                    grant.reason,
                    grant.not_before,
                    grant.expires_at,
                ]
            )
        case _:
            assert_never(believed)


def read_row(text: str) -> Believed:
    """What a row says. Raises RowError."""
    try:
        row, end = _decode(text)
        if end != len(text):
            raise ValueError
        match row:
            case ["entity", source, observed, recorded, revision, type, id, attrs, parents, tags, alone]:
                return BelievedEntity(
                    Entity(
                        _uid(type, id),
                        _read_values(attrs),
                        frozenset([_uid(*parent) for parent in parents]),
                        _read_values(tags),
                    ),
                    _read_origin(source, observed, recorded, revision),
                    Map({str(name): _read_origin(*of) for name, of in alone.items()}),
                )
            case ["posture", source, observed, recorded, revision, type, id, reporter, observed_at, facts]:
                posture = Posture(_uid(type, id), _str(reporter), _int(observed_at), _read_values(facts))
                return BelievedPosture(posture, _read_origin(source, observed, recorded, revision))
            case ["grant", source, observed, recorded, revision, id, template, *rest]:
                type, name, target_type, target, owner, reason, start, end = rest
                return BelievedGrant(
                    Grant(
                        _str(id),
                        intern(_str(template)),
                        _uid(type, name),
                        _uid(target_type, target),
                        intern(_str(owner)),
                        intern(_str(reason)),
                        _int(start),
                        _int(end),
                    ),
                    _read_origin(source, observed, recorded, revision),
                )
    except (ValueError, TypeError, AttributeError, RecursionError, JsonError) as error:
        raise RowError("the row is damaged", help="restore the store from a copy") from error
    raise RowError("the row is of no kind that is known", help="was the store written by a newer version?")


def _text(json_value: Json) -> str:
    return json.dumps(json_value, separators=_SEPARATORS)


def _origin(origin: Origin) -> list[Json]:
    return [origin.source, origin.observed_at, origin.recorded_at, origin.revision]


@lru_cache(maxsize=4096)
def _read_origin(source: object, observed: object, recorded: object, revision: object) -> Origin:
    """The origin; rows of one write share it."""
    return Origin(_str(source), _int(observed), _int(recorded), _int(revision))


def _values(values: Mapping[str, Value]) -> dict[str, Json]:
    return {name: write_value(value) for name, value in values.items()}


def _read_values(json_values: Mapping[str, Json]) -> dict[str, Value]:
    # Names are few, and rows with them many. Most values are what JSON makes of them.
    return {
        intern(name): value if type(value) is str or value is True or value is False else read_value(value)
        for name, value in json_values.items()
    }


def _uid(type: object, id: object) -> EntityUID:
    return EntityUID(intern(_str(type)), _str(id))


def _str(found: object) -> str:
    if isinstance(found, str):
        return found
    raise TypeError


def _int(found: object) -> int:
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise TypeError
