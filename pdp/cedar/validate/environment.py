"""Environments: the kinds of request that a schema allows (`Cedar/Validation/Validator.lean`: environments).

A policy is checked for each of them; where its scope cannot match, there is nothing to check. Nor is there where the
policy reads nothing that it has not read before: of the environments that differ in other things, one will do. That is
what keeps a schema of a thousand actions cheap, since most of them are declared alike.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from pdp.cedar.nodes import Expr, Literal, Var, Variable
from pdp.cedar.policy import ActionIn, ActionScope, Policy, Scope, ScopeAny, ScopeEq, ScopeIn, ScopeIs, ScopeIsIn, Slot
from pdp.cedar.schema.model import Action, Schema
from pdp.cedar.schema.types import RecordType
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.values import EntityUID


@final
@dataclass(frozen=True, slots=True)
class Environment:
    """Requests by principals of one type for one action on resources of one type."""

    principal: str
    action: Action
    resource: str

    def __str__(self) -> str:
        return f"principal `{self.principal}`, action `{self.action.uid}`, resource `{self.resource}`"


class _Kind(NamedTuple):
    """What an action is declared for; actions of one kind differ in their names alone."""

    principals: tuple[str, ...]
    resources: tuple[str, ...]
    context: int
    """A number: equal types have equal numbers."""


@final
class Environments:
    """The environments of one schema."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self._hierarchy: Final = hierarchy
        actions = hierarchy.actions
        numbers = _numbers([action.context for action in actions])
        self._kinds: Final[Mapping[EntityUID, _Kind]] = {
            action.uid: _Kind(tuple(sorted(action.principal_types)), tuple(sorted(action.resource_types)), number)
            for action, number in zip(actions, numbers, strict=True)
        }
        first: dict[_Kind, Action] = {}
        for action in actions:
            first.setdefault(self._kinds[action.uid], action)
        self._one_of_each_kind: Final = tuple(first.values())

    def matching(self, policy: Policy, reads: Set[Var] = frozenset(Var)) -> Iterator[Environment]:
        """Those that a policy's scope, slots filled in whatever way, can match, in the order of their names.

        Of several that are the same in what the policy's conditions read, it is the first.
        """
        done: set[tuple[_Kind, EntityUID | None]] = set()
        seen: set[tuple[str | None, str | None, int | None, EntityUID | None]] = set()
        for action in self._actions(policy.action, reads):
            kind = self._kinds[action.uid]
            name = action.uid if Var.ACTION in reads else None
            if (kind, name) in done:
                continue
            done.add((kind, name))
            context = kind.context if Var.CONTEXT in reads else None
            resources = self._types(policy.resource, kind.resources, Var.RESOURCE in reads)
            for principal in self._types(policy.principal, kind.principals, Var.PRINCIPAL in reads):
                for resource in resources:
                    read = (
                        principal if Var.PRINCIPAL in reads else None,
                        resource if Var.RESOURCE in reads else None,
                        context,
                        name,
                    )
                    if read not in seen:
                        seen.add(read)
                        yield Environment(principal, action, resource)

    def _actions(self, scope: ActionScope, reads: Set[Var]) -> Sequence[Action]:
        match scope:
            case ScopeAny():
                return self._hierarchy.actions if Var.ACTION in reads else self._one_of_each_kind
            case ScopeEq(EntityUID() as uid):
                return self._hierarchy.named(uid)
            case ActionIn(groups):
                return self._hierarchy.members(groups)
            case _:
                raise AssertionError(scope)

    def _types(self, scope: Scope, types: Sequence[str], is_read: bool) -> Sequence[str]:
        found = [name for name in types if self._may_match(scope, name)]
        return found if is_read else found[:1]

    def _may_match(self, scope: Scope, entity_type: str) -> bool:
        match scope:
            case ScopeAny() | ScopeEq(Slot()) | ScopeIn(Slot()):
                return True
            case ScopeEq(EntityUID(type=named)) | ScopeIs(named) | ScopeIsIn(named, Slot()):
                return named == entity_type
            case ScopeIn(EntityUID(type=above)):
                return self._hierarchy.may_be_in(entity_type, above)
            case ScopeIsIn(named, EntityUID(type=above)):
                return named == entity_type and self._hierarchy.may_be_in(entity_type, above)
            case _:
                raise AssertionError(scope)


def reads(nodes: Iterable[Expr], schema: Schema) -> Set[Var]:
    """What of a request is read by expressions, given all their nodes; their types depend on nothing else of it.

    Who names an action reads it, too: what may be read of the named one depends on whether it is the request's.
    """
    found: set[Var] = set()
    for node in nodes:
        if isinstance(node, Variable):
            found.add(node.name)
        elif isinstance(node, Literal) and isinstance(node.value, EntityUID) and node.value in schema.actions:
            found.add(Var.ACTION)
    return found


def _numbers(contexts: Sequence[RecordType]) -> Iterator[int]:
    """A number for each type; equal types have equal numbers."""
    alike: defaultdict[frozenset[str], list[tuple[RecordType, int]]] = defaultdict(list)
    for number, context in enumerate(contexts):
        candidates = alike[frozenset(context.attributes)]
        known = next((known for other, known in candidates if other is context or other == context), None)
        if known is None:
            candidates.append((context, known := number))
        yield known
