"""A schema for the worlds of `strategies`: their types, with every third attribute optional.

Of two actions called `read` only one can be declared (RFC 70): `App::Action::"read"` is not.
"""

from strategies import universe
from strategies.universe import EntityKind, Kind, RecordKind, SetKind

from pdp.cedar.values import quote

_WORDS = {"bool": "Bool", "long": "Long", "string": "String"}
_GROUPS = 'in [Action::"all"]'


def world_schema() -> str:
    """The schema's text."""
    types = {name: _entity_type(name) for name in universe.SHAPES}
    inside = [text for name, text in types.items() if name.startswith("App::")]
    outside = [text for name, text in types.items() if not name.startswith("App::")]
    context = _type(universe.CONTEXT)
    narrow = f"appliesTo {{ principal: User, resource: App::Doc, context: {context} }}"
    wide = f"appliesTo {{ principal: [User, Group], resource: [App::Doc, App::Folder], context: {context} }}"
    return f"""
    {" ".join(outside)}
    action all;
    action changes {_GROUPS};
    action read, write {narrow};
    action share in [Action::"changes"] {wide};
    namespace App {{ {" ".join(inside)} }}
    """


def _entity_type(name: str) -> str:
    parents = ", ".join(universe.PARENT_TYPES[name])
    shape, tags = _record(universe.SHAPES[name]), _type(universe.TAGS[name])
    return f"entity {name.removeprefix('App::')} in [{parents}] = {shape} tags {tags};"


def _record(fields: tuple[tuple[str, Kind], ...]) -> str:
    written = (f"{quote(name)}{'?' * (index % 3 == 2)}: {_type(kind)}" for index, (name, kind) in enumerate(fields))
    return "{ " + ", ".join(written) + " }"


def _type(kind: Kind) -> str:
    match kind:
        case EntityKind(type):
            return type
        case SetKind(element):
            return f"Set<{_type(element)}>"
        case RecordKind(fields):
            return _record(fields)
        case _:
            return _WORDS.get(kind, kind)
