"""Policies as tuples of plain values, and back: at once what every load looks at, and the rest when it is asked for.

Of ten thousand policies, a process ever explains a few. So the scope and the conditions of each stay packed, as the
bytes that `marshal` wrote, until somebody asks for one of them.
"""

import marshal
from typing import Any, Final

from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, Slot
from pdp.cedar.source import Source
from pdp.policies.built.expressions import Packed, pack_expression, pack_span, unpack_expression, unpack_span
from pdp.policies.built.scopes import pack_action_scope, pack_scope, unpack_action_scope, unpack_scope

MARSHAL: Final = 2
"""The version of the format of `marshal`. Not a later one: those write the same value in more than one way, by who else
holds a part of it, and then the same sources would not give the same bytes."""

_EFFECTS: Final = {effect.value: effect for effect in Effect}
_KINDS: Final = {kind.value: kind for kind in ConditionKind}
_SLOTS: Final = (
    frozenset[Slot](),
    frozenset((Slot.PRINCIPAL,)),
    frozenset((Slot.RESOURCE,)),
    frozenset((Slot.PRINCIPAL, Slot.RESOURCE)),
)


def pack_policy(policy: Policy, source: int) -> Packed:
    """A policy whose text is the one of this number."""
    return (
        policy.id,
        policy.effect.value,
        dict(policy.annotations),
        source,
        *pack_span(policy.span),
        _SLOTS.index(policy.slots),
        pack_written(policy),
    )


def pack_written(policy: Policy) -> bytes:
    """The scope and the conditions of a policy."""
    conditions = [
        (condition.kind.value, *pack_span(condition.span), pack_expression(condition.body))
        for condition in policy.conditions
    ]
    principal, resource = pack_scope(policy.principal), pack_scope(policy.resource)
    return marshal.dumps(
        (principal, pack_action_scope(policy.action, places=True), resource, tuple(conditions)), MARSHAL
    )


class BuiltPolicy(Policy):
    """A policy of a built bundle. It is equal to the policy that was built, and reads what `pack_written` has written
    when the first part of it is asked for.
    """

    __slots__ = ("_slots", "_written")

    # None once it was read, and from the beginning in what `dataclasses.replace` makes of one.
    _written: bytes | None
    _slots: frozenset[Slot] | None

    def __new__(cls, *_: object, **__: object) -> "BuiltPolicy":
        """One that has nothing to read."""
        made = object.__new__(cls)
        _SET_WRITTEN(made, None)
        _SET_SLOTS(made, None)
        return made

    @property
    def slots(self) -> frozenset[Slot]:
        """The holes to fill; empty for a static policy."""
        return super().slots if self._slots is None else self._slots

    def read(self) -> None:
        """Read what is still packed. Threads that do so at once all come to the same."""
        written = self._written
        if written is None:
            return
        principal, action, resource, conditions = marshal.loads(written)  # noqa: S302  hashed, as all of the bundle
        _SET["principal"](self, unpack_scope(principal))
        _SET["action"](self, unpack_action_scope(action))
        _SET["resource"](self, unpack_scope(resource))
        _SET["conditions"](
            self,
            tuple(
                [
                    Condition(_KINDS[kind], unpack_expression(body), unpack_span(start, end))
                    for kind, start, end, body in conditions
                ]
            ),
        )
        _SET_WRITTEN(self, None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Policy):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _COMPARED)

    __hash__ = Policy.__hash__


def _lazily(name: str) -> property:
    slot = Policy.__dict__[name]

    def get(policy: BuiltPolicy) -> Any:
        policy.read()
        return slot.__get__(policy)

    return property(get, slot.__set__, doc=f"The policy's {name}, read when it is asked for.")


_SET: Final = {name: Policy.__dict__[name].__set__ for name in Policy.__slots__}
_SET_WRITTEN: Final = BuiltPolicy.__dict__["_written"].__set__
_SET_SLOTS: Final = BuiltPolicy.__dict__["_slots"].__set__
_COMPARED: Final = ("id", "effect", "annotations", "principal", "action", "resource", "conditions")
for _name in ("principal", "action", "resource", "conditions"):
    setattr(BuiltPolicy, _name, _lazily(_name))

_SET_ID, _SET_EFFECT, _SET_ANNOTATIONS = _SET["id"], _SET["effect"], _SET["annotations"]
_SET_SOURCE, _SET_SPAN = _SET["source"], _SET["span"]


def unpack_policy(packed: Packed, sources: list[Source]) -> BuiltPolicy:
    """What `pack_policy` was given, with its source of these. Raises ValueError, TypeError, KeyError or IndexError."""
    id, effect, annotations, source, start, end, slots, written = packed
    policy: BuiltPolicy = object.__new__(BuiltPolicy)
    _SET_ID(policy, id)
    _SET_EFFECT(policy, _EFFECTS[effect])
    _SET_ANNOTATIONS(policy, annotations)
    _SET_SOURCE(policy, None if source < 0 else sources[source])
    _SET_SPAN(policy, unpack_span(start, end))
    _SET_SLOTS(policy, _SLOTS[slots])
    _SET_WRITTEN(policy, written)
    return policy


def lifted_policy(policy: BuiltPolicy, written: bytes) -> BuiltPolicy:
    """The same policy with another scope and other conditions, without slots, still to be read."""
    lifted: BuiltPolicy = object.__new__(BuiltPolicy)
    _SET_ID(lifted, policy.id)
    _SET_EFFECT(lifted, policy.effect)
    _SET_ANNOTATIONS(lifted, policy.annotations)
    _SET_SOURCE(lifted, policy.source)
    _SET_SPAN(lifted, policy.span)
    _SET_SLOTS(lifted, _SLOTS[0])
    _SET_WRITTEN(lifted, written)
    return lifted
