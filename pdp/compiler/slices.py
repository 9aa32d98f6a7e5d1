"""Slices: what the policies for an action can read of a request, found in their text without evaluating anything.

Whatever a slice leaves out may be different, and every policy comes out the same. It is of names, and holds too many
rather than too few: an attribute that is read anywhere of anything may be one of the principal's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.nodes import Expr, GetAttr, HasAttr, Var, Variable
from pdp.cedar.policy import ActionIn, ActionScope, Policy, PolicySet, ScopeAny, ScopeEq
from pdp.cedar.text.depth import children
from pdp.cedar.values import EntityUID

_NO_NAMES: Final[frozenset[str]] = frozenset()


@final
@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """What can be read. `context` are attributes of the context, None where it may be read as a whole; `attributes` are
    those of entities.
    """

    context: frozenset[str] | None = _NO_NAMES
    attributes: frozenset[str] = _NO_NAMES

    def reads_context(self, name: str) -> bool:
        """Whether an attribute of the context can be read."""
        return self.context is None or name in self.context


@final
class Slices:
    """The slices of a set of policies. Templates count, linked or not: so links may come and go."""

    def __init__(self, policies: PolicySet) -> None:
        self._by_scope: Final = _by_scope((*policies.static.values(), *policies.templates.values()))

    def of(self, action: EntityUID, groups: frozenset[EntityUID]) -> Slice:
        """For an action that is in these groups."""
        return _united(slice for scope, slice in self._by_scope.items() if _matches(scope, action, groups))


def _by_scope(policies: Iterable[Policy]) -> Mapping[ActionScope, Slice]:
    slices: dict[ActionScope, list[Slice]] = {}
    for policy in policies:
        slices.setdefault(policy.action, []).extend(_read(condition.body) for condition in policy.conditions)
    return {scope: _united(found) for scope, found in slices.items()}


def _matches(scope: ActionScope, action: EntityUID, groups: frozenset[EntityUID]) -> bool:
    match scope:
        case ScopeAny():
            return True
        case ScopeEq(entity):
            return action == entity
        case ActionIn(entities):
            return action in entities or not groups.isdisjoint(entities)


def _united(slices: Iterable[Slice]) -> Slice:
    """All that one of them holds."""
    context: frozenset[str] | None = _NO_NAMES
    attributes = _NO_NAMES
    for slice in slices:
        context = None if context is None or slice.context is None else context | slice.context
        attributes |= slice.attributes
    return Slice(context, attributes)


def _read(root: Expr) -> Slice:
    names: set[str] = set()
    attributes: set[str] = set()
    whole = False
    pending = [root]
    while pending:
        match pending.pop():
            case GetAttr(Variable(Var.CONTEXT), name):
                names.add(name)
            case HasAttr(Variable(Var.CONTEXT), (name, *rest)):
                names.add(name)
                attributes.update(rest)
            case Variable(Var.CONTEXT):
                whole = True
            case GetAttr(operand, name):
                attributes.add(name)
                pending.append(operand)
            case HasAttr(operand, path):
                attributes.update(path)
                pending.append(operand)
            case expr:
                pending.extend(children(expr))
    return Slice(None if whole else frozenset(names), frozenset(attributes))
