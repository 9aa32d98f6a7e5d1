"""The checks of a policy as a whole, dead code included: every name is declared (`Cedar/Validation/Validator.lean`).

entity types in references and after `is`, actions, ids of enumerated types: declared
actions in a list of the scope: of one type, as in every set
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias, assert_never, final

from pdp.cedar.names import is_action_type
from pdp.cedar.nodes import Expr, Is, Literal
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Link,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.schema.hints import guess, listed, listed_ids
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Span
from pdp.cedar.text.depth import children
from pdp.cedar.validate.findings import Code, Fault, Finding, Severity, finding
from pdp.cedar.values import EntityUID

Name: TypeAlias = tuple[str | EntityUID | Slot, Span | None]
"""An entity type, an entity or a slot, and the place where it is named, if that is known."""


@final
class Names:
    """What a schema declares, ready to be looked up."""

    def __init__(self, schema: Schema) -> None:
        self._schema: Final = schema
        self._types: Final = frozenset(schema.entity_types) | {uid.type for uid in schema.actions}
        self._actions: Final = sorted(str(uid) for uid in schema.actions)

    def in_scope(self, policy: Policy) -> Iterator[Finding]:
        """A finding for every name of the scope that is not declared, and for a list of actions that do not mix."""
        names = chain(scope_names(policy.principal), scope_names(policy.action), scope_names(policy.resource))
        yield from self._undeclared(policy, names)
        if isinstance(policy.action, ActionIn):
            yield from _mixed_list(policy, policy.action)

    def in_conditions(self, policy: Policy, nodes: Iterable[Expr]) -> Iterator[Finding]:
        """The same of the conditions, given all their nodes."""
        yield from self._undeclared(policy, _expression_names(nodes))

    def _undeclared(self, policy: Policy, names: Iterable[Name]) -> Iterator[Finding]:
        for name, span in names:
            fault = None if isinstance(name, Slot) else self._fault(name)
            if fault is not None:
                yield finding(policy, fault, span)

    def in_slots(self, policy: Policy, template: Policy, link: Link) -> Iterator[Finding]:
        """A finding for everything undeclared that a link fills into its template; `policy` is what it makes of it.

        An undeclared id is no error there, as in the reference implementation: it only matches nothing.
        """
        for slot, span in chain(scope_names(template.principal), scope_names(template.resource)):
            if isinstance(slot, Slot) and (fault := self._fault(link.values[slot])) is not None:
                is_error = fault.code is Code.UNKNOWN_TYPE
                yield finding(policy, fault, span, severity=Severity.ERROR if is_error else Severity.WARNING)

    def _fault(self, name: str | EntityUID) -> Fault | None:
        entity_type = name if isinstance(name, str) else name.type
        ids = self._schema.ids.get(entity_type)
        if isinstance(name, EntityUID) and is_action_type(entity_type):
            if name in self._schema.actions:
                return None
            help = guess(str(name), self._actions) or listed("the schema has the actions", self._actions)
            return Fault(Code.UNKNOWN_ACTION, f"the action `{name}` is not declared", help)
        if entity_type not in self._types:
            help = guess(entity_type, self._types) or listed("the schema has the types", self._types)
            return Fault(Code.UNKNOWN_TYPE, f"the entity type `{entity_type}` is not declared", help)
        if isinstance(name, EntityUID) and ids is not None and name.id not in ids:
            help = listed_ids(f"the ids of `{entity_type}` are", ids)
            return Fault(Code.UNKNOWN_ID, f"`{name}` is not one of its type's ids", help)
        return None


def walk(roots: Sequence[Expr]) -> Iterator[Expr]:
    """All nodes of some expressions, in the order of the text."""
    pending = list(reversed(roots))
    while pending:
        expr = pending.pop()
        yield expr
        pending.extend(reversed(children(expr)))


def scope_names(scope: Scope | ActionScope) -> Iterator[Name]:
    """What a scope names, in the order of the text."""
    names: Sequence[str | EntityUID | Slot]
    match scope:
        case ScopeAny():
            return
        case ScopeEq(entity) | ScopeIn(entity):
            names = (entity,)
        case ScopeIs(entity_type):
            names = (entity_type,)
        case ScopeIsIn(entity_type, entity):
            names = (entity_type, entity)
        case ActionIn(entities):
            names = entities
        case _:
            assert_never(scope)
    for index, name in enumerate(names):
        yield name, scope.spans[index] if index < len(scope.spans) else None


def _expression_names(nodes: Iterable[Expr]) -> Iterator[Name]:
    for node in nodes:
        if isinstance(node, Literal) and isinstance(node.value, EntityUID):
            yield node.value, node.span
        elif isinstance(node, Is):
            yield node.entity_type, node.span


def _mixed_list(policy: Policy, scope: ActionIn) -> Iterator[Finding]:
    first = scope.entities[0].type if scope.entities else ""
    for name, span in scope_names(scope):
        if isinstance(name, EntityUID) and name.type != first:
            message = f"the actions of a list must be of one type: `{first}` and `{name.type}`"
            help = "write a policy for each of them, or make a group in the schema"
            yield finding(policy, Fault(Code.INCOMPATIBLE, message, help), span)
            return
