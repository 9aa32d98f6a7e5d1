"""A small world of types, entities, contexts and requests, as a schema would describe it, with departures from it.

Ids and names hold what breaks careless code: nothing at all, quotes, line ends, words of Python and of Cedar.
"""

from dataclasses import dataclass
from typing import Final

from pdp.cedar import ext
from pdp.cedar.entities import Entities, Entity
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.request import Request
from pdp.cedar.values import EntityUID, Record, Set, Value
from strategies.choices import Choices


@dataclass(frozen=True)
class EntityKind:
    """References to entities of one type."""

    type: str


@dataclass(frozen=True)
class SetKind:
    """Sets of one kind of element."""

    element: "Kind"


@dataclass(frozen=True)
class RecordKind:
    """Records with these fields."""

    fields: "tuple[tuple[str, Kind], ...]"


Kind = str | EntityKind | SetKind | RecordKind
"""`bool long string decimal ipaddr datetime duration`, or one of the three classes."""

USER, GROUP, DOC, FOLDER = EntityKind("User"), EntityKind("Group"), EntityKind("App::Doc"), EntityKind("App::Folder")
ADDRESS: Final = RecordKind((("city", "string"), ("zip", "long"), ("inner", RecordKind((("ok", "bool"),)))))
SHAPES: Final[dict[str, tuple[tuple[str, Kind], ...]]] = {
    "User": (
        ("active", "bool"),
        ("age", "long"),
        ("name", "string"),
        ("manager", USER),
        ("groups", SetKind(GROUP)),
        ("home", ADDRESS),
        ("address", "ipaddr"),
        ("joined", "datetime"),
        ("quota", "duration"),
        ("score", "decimal"),
        ("", "string"),
    ),
    "Group": (("level", "long"), ("owner", USER), ('q"\n', "bool"), ("members", SetKind(USER))),
    "App::Doc": (
        ("public", "bool"),
        ("owner", USER),
        ("size", "long"),
        ("labels", SetKind("string")),
        ("readers", SetKind(USER)),
        ("reader", GROUP),
        ("folder", FOLDER),
        ("created", "datetime"),
        ("import", "long"),
    ),
    "App::Folder": (("owner", USER), ("size", "long"), ("numbers", SetKind("long"))),
}
TAGS: Final[dict[str, Kind]] = {"User": "string", "Group": "long", "App::Doc": SetKind("string"), "App::Folder": "bool"}
TAG_NAMES: Final = ("a", "team", "", "t\u00e9\U0001f600")
CONTEXT: Final = RecordKind(
    (
        ("mfa", "bool"),
        ("n", "long"),
        ("region", "string"),
        ("address", "ipaddr"),
        ("now", "datetime"),
        ("age", "duration"),
        ("risk", "decimal"),
        ("on_behalf_of", USER),
        ("labels", SetKind("string")),
        ("device", RecordKind((("managed", "bool"), ("os", "string"), ("seen", "datetime")))),
    )
)
IDS: Final = ("a", "b", "", 'q"\\\n', "1", "principal", "\u00fc\U0001f600")
TYPES: Final = tuple(SHAPES)
ACTIONS: Final = (*(EntityUID("Action", id) for id in ("read", "write", "share")), EntityUID("App::Action", "read"))
ACTION_GROUPS: Final = (EntityUID("Action", "all"), EntityUID("Action", "changes"))
PARENT_TYPES: Final = {
    "User": ("Group", "App::Folder"),
    "Group": ("Group",),
    "App::Doc": ("App::Folder", "Group"),
    "App::Folder": ("App::Folder",),
}

LONGS: Final = (0, 1, 2, -1, 3, 10, 100, LONG_MAX, LONG_MIN, LONG_MAX - 1)
STRINGS: Final = ("a", "", "eu", "us", "ab", "a*b", 'q"\\\n\0', "None", "\u00fc\U0001f600", "1.0", "10.0.0.1")
TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "decimal": ("1.0", "0.0", "-0.5", "1.0000", "922337203685477.5807", "12.34"),
    "ipaddr": ("10.0.0.1", "10.0.0.0/8", "127.0.0.1", "::1", "224.0.0.1", "ff00::/8", "fe80::1/64", "10.1.2.3/16"),
    "datetime": ("2024-01-01", "1970-01-01", "2024-02-29T23:59:59.999Z", "2024-01-01T00:00:00+0100", "0000-01-01"),
    "duration": ("1h", "0s", "-1500ms", "1d2h3m4s5ms", "9223372036854775807ms", "-9223372036854775808ms"),
}
"""Arguments that the constructors take."""

BAD_TEXTS: Final = ("", "x", "1", "1.", "1.00000", "256.0.0.1", "2023-02-29", "1s1h", "\u0661.0")
CONSTRUCTORS: Final = {"decimal": "decimal", "ipaddr": "ip", "datetime": "datetime", "duration": "duration"}
KINDS: Final[tuple[Kind, ...]] = (
    "bool",
    "long",
    "string",
    USER,
    GROUP,
    DOC,
    FOLDER,
    SetKind("string"),
    SetKind(USER),
    SetKind(GROUP),
    SetKind("long"),
    "decimal",
    "ipaddr",
    "datetime",
    "duration",
    ADDRESS,
    SetKind("bool"),
    SetKind(SetKind("long")),
)


def uid(choices: Choices, entity_type: str) -> EntityUID:
    """An entity of a type; mostly one of the first, which the store is likely to hold."""
    return EntityUID(entity_type, choices.pick(IDS if choices.rarely(8) else IDS[:3]))


def value(choices: Choices, kind: Kind) -> Value:
    """A value of a kind, now and then of another one."""
    if choices.rarely(30):
        kind = choices.pick(KINDS)
    match kind:
        case EntityKind(entity_type):
            return uid(choices, entity_type)
        case SetKind(element):
            return Set([value(choices, element) for _ in range(choices.below(4))])
        case RecordKind(fields):
            return Record(fields_of(choices, fields))
        case "bool":
            return choices.below(2) == 1
        case "long":
            return choices.pick(LONGS)
        case "string":
            return choices.pick(STRINGS)
        case _:
            return ext.call(CONSTRUCTORS[kind], [choices.pick(TEXTS[kind])])


def fields_of(choices: Choices, fields: tuple[tuple[str, Kind], ...]) -> dict[str, Value]:
    """Values for most of the fields: each is missing now and then."""
    return {name: value(choices, kind) for name, kind in fields if not choices.rarely(20)}


def store(choices: Choices) -> Entities:
    """Entities of every type, some of them missing, in an acyclic hierarchy; actions with their groups."""
    uids = [EntityUID(entity_type, id) for entity_type in TYPES for id in IDS[: 3 + choices.below(4)]]
    entities = [_entity(choices, candidate, uids) for candidate in uids if not choices.rarely(16)]
    groups = [Entity(ACTION_GROUPS[0]), Entity(ACTION_GROUPS[1], parents=frozenset(ACTION_GROUPS[:1]))]
    actions = [Entity(action, parents=frozenset(choices.some(ACTION_GROUPS, 2))) for action in ACTIONS]
    return Entities([*entities, *groups, *actions] if not choices.rarely(8) else entities)


def _entity(choices: Choices, candidate: EntityUID, uids: list[EntityUID]) -> Entity:
    # Parents come later in the order or are of a type further up, so that there is no cycle.
    above = [
        other
        for other in uids
        if other.type in PARENT_TYPES[candidate.type] and (other.type != candidate.type or other.id > candidate.id)
    ]
    tags = {name: value(choices, TAGS[candidate.type]) for name in choices.some(TAG_NAMES, 3)}
    attrs = fields_of(choices, SHAPES[candidate.type])
    return Entity(candidate, attrs, frozenset(choices.some(above, 3)), tags)


def request(choices: Choices) -> Request:
    """Mostly a user doing something to a document; any type can stand anywhere.

    Expressions expect just these two types: with others too often, most of them would end in a missing attribute.
    """
    principal = uid(choices, choices.pick((*["User"] * 10, "Group", "App::Doc")))
    resource = uid(choices, choices.pick((*["App::Doc"] * 9, "App::Folder", "App::Folder", "User")))
    context = Record() if choices.rarely(12) else Record(fields_of(choices, CONTEXT.fields))
    return Request(principal, choices.pick(ACTIONS + ACTIONS[:1]), resource, context)
