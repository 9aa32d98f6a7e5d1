"""The index: which policies have a scope that matches a request, found by key and not by looking at every policy.

A trie of three levels (action, principal, resource). At each level a scope is a key: none, the entity of `==`, the
entity of `in`, a type, or a type and the entity of `is .. in`. A request has few keys at a level: its entity, the
entity's ancestors, its type. So the work follows the number of policies that match, not the number there are.

INVARIANT: what `Plan.select` gives is exactly the policies whose scope applies (`pdp.evaluate.authorize.applies`), each
once. Conditions are compiled without their scope and rely on it.
"""

from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar, assert_never, final

from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.values import EntityUID
from pdp.compiler.link import ConditionFunction
from pdp.evaluate.operators import Lookup

Child = TypeVar("Child")
Name = TypeVar("Name")

_NO_UIDS: Final[frozenset[EntityUID]] = frozenset()

_MOST_PLANS: Final = 1024
"""Actions whose plans are kept. Whoever asks chooses the action's id, so there must be a bound."""


class Rule(NamedTuple):
    """A policy as the decision needs it. `condition` is None when there is nothing to evaluate."""

    policy_id: str
    permits: bool
    condition: ConditionFunction | None


@final
class _Below(Generic[Child]):
    """Children by the entity of `in`. `uids` repeats the keys, because two sets meet without hashing anew."""

    __slots__ = ("children", "uids")

    def __init__(self) -> None:
        self.children: Final[dict[EntityUID, Child]] = {}
        self.uids: Final[set[EntityUID]] = set()

    def open(self, uid: EntityUID, make: Callable[[], Child]) -> Child:
        self.uids.add(uid)
        return _open(self.children, uid, make)

    def find(self, uid: EntityUID, ancestors: frozenset[EntityUID], found: list[Child]) -> None:
        children = self.children
        if uid in children:
            found.append(children[uid])
        if not self.uids.isdisjoint(ancestors):
            found.extend([children[ancestor] for ancestor in self.uids & ancestors])


@final
class Level(Generic[Child]):
    """What comes next for each scope of the principal, or of the resource: `any` for `ScopeAny`, `find` for the others.

    `narrow` says that there are others.
    """

    __slots__ = ("_below", "_equal", "_typed", "_types", "any", "narrow")

    def __init__(self) -> None:
        self.any: Child | None = None
        self.narrow = False
        self._equal: dict[EntityUID, Child] | None = None
        self._below: _Below[Child] | None = None
        self._types: dict[str, Child] | None = None
        self._typed: dict[str, _Below[Child]] | None = None

    def open(self, scope: Scope, make: Callable[[], Child]) -> Child:
        """The child of a scope, made if it is new."""
        match scope:
            case ScopeAny():
                if self.any is None:
                    self.any = make()
                return self.any
            case ScopeEq(entity):
                self.narrow = True
                if self._equal is None:
                    self._equal = {}
                return _open(self._equal, _filled(entity), make)
            case ScopeIn(entity):
                self.narrow = True
                if self._below is None:
                    self._below = _Below()
                return self._below.open(_filled(entity), make)
            case ScopeIs(entity_type):
                self.narrow = True
                if self._types is None:
                    self._types = {}
                return _open(self._types, entity_type, make)
            case ScopeIsIn(entity_type, entity):
                self.narrow = True
                if self._typed is None:
                    self._typed = {}
                return _open(self._typed, entity_type, _Below).open(_filled(entity), make)
            case _:
                assert_never(scope)

    def find(self, uid: EntityUID, ancestors: frozenset[EntityUID]) -> list[Child]:
        """The children of the scopes other than `ScopeAny` that an entity with these ancestors matches."""
        found: list[Child] = []
        if (equal := self._equal) is not None and uid in equal:
            found.append(equal[uid])
        if (below := self._below) is not None:
            below.find(uid, ancestors, found)
        if (types := self._types) is not None and (entity_type := uid.type) in types:
            found.append(types[entity_type])
        if (typed := self._typed) is not None and (entity_type := uid.type) in typed:
            typed[entity_type].find(uid, ancestors, found)
        return found


Rules: TypeAlias = list[Rule]
ByResource: TypeAlias = Level[Rules]
ByPrincipal: TypeAlias = Level[ByResource]


@final
class Plan:
    """What to look at for one action with certain ancestors: the first level of the trie resolved.

    `always` are the policies that constrain neither principal nor resource; not to be changed by its readers. `narrow`
    says that there may be more, which `select` finds.
    """

    __slots__ = ("_by_principal", "_by_resource", "always", "ancestors", "narrow")

    def __init__(self, ancestors: frozenset[EntityUID], levels: Iterable[ByPrincipal]) -> None:
        self.ancestors: Final = ancestors
        self.always: Final[Rules] = []
        self._by_principal: list[ByPrincipal] = []
        self._by_resource: list[ByResource] = []
        for level in levels:
            if level.narrow:
                self._by_principal.append(level)
            if level.any is not None:
                self.always.extend(level.any.any or ())
                if level.any.narrow:
                    self._by_resource.append(level.any)
        self.narrow: Final = bool(self._by_principal or self._by_resource)

    def select(
        self,
        principal: EntityUID,
        principal_ancestors: frozenset[EntityUID],
        resource: EntityUID,
        resource_ancestors: frozenset[EntityUID],
    ) -> Rules:
        """Every policy whose scope matches, `always` included, once, in no particular order."""
        selected = self.always.copy()
        for by_resource in self._by_resource:
            for rules in by_resource.find(resource, resource_ancestors):
                selected += rules
        for by_principal in self._by_principal:
            for by_resource in by_principal.find(principal, principal_ancestors):
                if by_resource.any is not None:
                    selected += by_resource.any
                if by_resource.narrow:
                    for rules in by_resource.find(resource, resource_ancestors):
                        selected += rules
        return selected


@final
class Index:
    """All policies of a program by scope."""

    def __init__(self) -> None:
        self._any: ByPrincipal | None = None
        self._equal: dict[EntityUID, ByPrincipal] = {}
        self._lists: dict[tuple[EntityUID, ...], ByPrincipal] = {}
        self._below: _Below[list[ByPrincipal]] = _Below()
        self._plans: dict[EntityUID, Plan] = {}

    def add(self, policy: Policy, condition: ConditionFunction | None, *, permits: bool) -> None:
        """Put a policy in; it must not be a template."""
        self._plans.clear()
        by_resource = self._level(policy.action).open(policy.principal, ByResource)
        by_resource.open(policy.resource, Rules).append(Rule(policy.id, permits, condition))

    def _level(self, scope: ActionScope) -> ByPrincipal:
        match scope:
            case ScopeAny():
                if self._any is None:
                    self._any = ByPrincipal()
                return self._any
            case ScopeEq(entity):
                return _open(self._equal, _filled(entity), ByPrincipal)
            case ActionIn(entities):
                # One level for a whole list: an action under two entities of it must not find a policy twice.
                known = entities in self._lists
                level = _open(self._lists, entities, ByPrincipal)
                if not known:
                    for entity in dict.fromkeys(entities):
                        self._below.open(entity, list).append(level)
                return level
            case _:
                assert_never(scope)

    def plan(self, action: EntityUID, lookup: Lookup) -> Plan:
        """The plan for an action, whose ancestors `lookup` gives."""
        ancestors = _NO_UIDS
        if self._below.uids and (stored := lookup(action)) is not None:
            ancestors = stored.ancestors
        plan = self._plans.get(action)
        if plan is None or (plan.ancestors is not ancestors and plan.ancestors != ancestors):
            plan = self._plan(action, ancestors)
        return plan

    def _plan(self, action: EntityUID, ancestors: frozenset[EntityUID]) -> Plan:
        levels = {} if self._any is None else {self._any: None}
        if action in self._equal:
            levels[self._equal[action]] = None
        under: list[list[ByPrincipal]] = []
        self._below.find(action, ancestors, under)
        levels |= dict.fromkeys(level for each in under for level in each)
        plan = Plan(ancestors, levels)
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[action] = plan
        return plan


def _open(children: dict[Name, Child], name: Name, make: Callable[[], Child]) -> Child:
    child = children.get(name)
    if child is None:
        child = children[name] = make()
    return child


def _filled(entity: EntityUID | Slot) -> EntityUID:
    if isinstance(entity, Slot):
        raise TypeError("a template decides nothing until its slots are filled")
    return entity
