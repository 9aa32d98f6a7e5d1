"""The key of a cached answer: two requests with equal keys have the same answer in one world at one instant.

It holds all that an answer is made of, and of what is merely passed along nothing:

    as it is      action, principal, resource, the device (named, or bound to the credential), and of a credential its
                  method, groups and times, which bound the answer's `valid_until`
    its value     of each attribute (of context, credential, resource) that a policy for this action can read
    its type      of each other attribute: the schema still refuses one of another type, and has to be asked
    not at all    `request_id`, and `min_revision`, which `caching` looks at itself

Keys are tuples that compare as the values in Cedar do: `true` is not 1, a set has no order, 1.0 and 1.00 are one
decimal. Nothing is joined or printed, so no two requests run into each other. In each place stands what always stands
there; an attribute's name goes before its value, and where one place may hold values of several types, a value that is
not a text, a number or an entity says its type first.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, final

from pdp.cedar.schema.accept import Ids
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.compiler.slices import Slice, Slices
from pdp.engine.decider import CheckRequest
from pdp.engine.snapshot import World
from pdp.identity.subject import Method

Key: TypeAlias = tuple[Any, ...]

_NOTHING: Final[Key] = ()
_NO_GROUPS: Final[frozenset[EntityUID]] = frozenset()
_ASSERTED: Final = Method.ASSERTED


@final
class Keys:
    """Makes keys for one set of policies, one schema and one hierarchy of actions: those of `world`."""

    def __init__(self, world: World) -> None:
        lookup = world.facts.entities.lookup
        entities = {action: lookup(action) for action in world.schema.actions}
        self._groups: Final = {
            action: _NO_GROUPS if entity is None else entity.ancestors for action, entity in entities.items()
        }
        self._slices: Final = Slices(world.policies)
        self._ids: Final = world.schema.ids
        # Only of actions that are declared, so requests cannot make it grow.
        self._by_action: Final[dict[EntityUID, Slice]] = {}

    def of(self, request: CheckRequest) -> Key | None:
        """The key; None for a request that is refused whatever the policies say, or whose values nest too deep."""
        slice = self._by_action.get(request.action)
        if slice is None:
            slice = self._open(request.action)
            if slice is None:
                return None
        subject = request.subject
        device = request.device
        if (bound := subject.device) is not None:
            if device is not None and device != bound:
                return None
            device = bound
        said = request.resource_facts.fields
        try:
            context = _part(fields, slice.context, self._ids) if (fields := request.context.fields) else _NOTHING
            if not said and (subject.method is _ASSERTED or not slice.reads_context("auth")):
                entity = subject.entity
                if (
                    not entity.attrs
                    and not entity.parents
                    and subject.acr is None
                    and not subject.amr
                    and subject.authenticated_at is None
                    and subject.expires_at is None
                ):
                    # Nothing but a name is known of most subjects. The slice stands for the action: it is its own.
                    return slice, entity.uid, request.resource, device, context
            return self._long(request, slice, device, context)
        except RecursionError:
            return None

    def slice(self, action: EntityUID) -> Slice | None:
        """What the policies for an action can read; None if there is no such action."""
        return self._by_action.get(action) or self._open(action)

    def _open(self, action: EntityUID) -> Slice | None:
        groups = self._groups.get(action)
        if groups is None:
            return None
        # Two threads may get here at once, and must leave with the same slice: keys hold it.
        return self._by_action.setdefault(action, self._slices.of(action, groups))

    def _long(self, request: CheckRequest, slice: Slice, device: EntityUID | None, context: Key) -> Key:
        subject = request.subject
        entity = subject.entity
        acr: str | bool | None = subject.acr
        amr: frozenset[str] | bool = subject.amr
        method = subject.method._value_  # `value` is a call
        if not slice.reads_context("auth"):
            # What is left is whether the schema's type for it has to fit.
            method, acr, amr = "", acr is not None, bool(amr)
        return (
            slice,
            entity.uid,
            request.resource,
            device,
            context,
            method,
            acr,
            amr,
            subject.authenticated_at,
            subject.expires_at,
            _part(entity.attrs, slice.attributes, self._ids) if entity.attrs else _NOTHING,
            entity.parents,
            _part(said, slice.attributes, self._ids) if (said := request.resource_facts.fields) else _NOTHING,
        )


def _part(fields: Mapping[str, Value], readable: frozenset[str] | None, ids: Ids) -> Key:
    """Names and values by name; for those that cannot be read, the type in place of the value."""
    part: list[Any] = []
    for name in sorted(fields) if len(fields) > 1 else fields:
        value = fields[name]
        part.append(name)
        part.append(canonical(value) if readable is None or name in readable else type_of(value, ids))
    return tuple(part)


def canonical(value: Value) -> Any:
    """A hashable stand-in: equal exactly for values that are equal in Cedar. Raises RecursionError."""
    kind = type(value)
    if kind is str or kind is int or kind is EntityUID:
        return value
    return _CANONICAL[kind](value)


_CANONICAL: Final[Mapping[type, Callable[[Any], Any]]] = {
    bool: lambda value: (bool, value),
    Decimal: lambda value: (Decimal, value.units),
    Datetime: lambda value: (Datetime, value.milliseconds),
    Duration: lambda value: (Duration, value.milliseconds),
    IPAddr: lambda value: (IPAddr, value.version, value.address, value.prefix),
    Set: lambda value: (Set, frozenset(map(canonical, value.elements))),
    Record: lambda value: (Record, *[(name, canonical(value.fields[name])) for name in sorted(value.fields)]),
}


def type_of(value: Value, ids: Ids) -> Any:
    """A hashable stand-in: where it is equal, a schema accepts both values or neither. Raises RecursionError.

    `ids` are the types of which the schema accepts the declared entities only: of those, the entity counts.
    """
    if isinstance(value, EntityUID):
        return value if value.type in ids else (EntityUID, value.type)
    if isinstance(value, Set):
        return Set, frozenset(type_of(element, ids) for element in value.elements)
    if isinstance(value, Record):
        return Record, *[(name, type_of(value.fields[name], ids)) for name in sorted(value.fields)]
    return type(value)
