"""The index: the rules that name an entity, found by it and not by looking at every rule.

    node --principal--> child --resource--> child --chapter--> rules        and the same with the resource first

A child is one rule, a few of them, or, where they would be more than `_FEW`, a node that asks the next question. Each
side of a request has few keys: its entity and the entity's ancestors. So what a request costs follows what it matches,
not how many rules there are.

Cost model. To ask a node is two look-ups for the entity, and one for each of its ancestors or for each entity that the
node knows by `in`, whichever are fewer. Rules that name only a principal must be found by it, and those that name only
a resource by that. Rules that name both stand under both, and are asked for from the side that costs less for this
request: from the resource when the principal has a thousand ancestors, from the principal when the resource has. With
millions of rules the look-ups themselves are not what costs, but the memory that they touch for the first time: nodes
keep a request from touching rules that it does not match.

One writer at a time. Readers take no lock, and never see anything half-changed: a writer puts a new child in the place
of an old one. What is new or gone meanwhile, a reader tells by the version.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TypeAlias, final

from pdp.cedar.values import EntityUID
from pdp.compiler.bounds import Bounds
from pdp.compiler.rules import Body, Chapter, Rule

_FEW: Final = 3
"""Rules that stand side by side and are looked at one by one."""

_FEW_ANCESTORS: Final = 8
"""Ancestors up to which it is not worth thinking which side to ask."""

_ROOT: Final = EntityUID("", "")

Child: TypeAlias = "Rule | tuple[Rule, ...] | Node | Leaf"


@final
@dataclass(frozen=True, slots=True)
class Side:
    """The principal or the resource of rules: which entity a rule names there, and how."""

    named: Callable[[Rule], EntityUID | None]
    bounds: Callable[[Body], Bounds]


PRINCIPAL: Final = Side(attrgetter("principal"), attrgetter("principal"))
RESOURCE: Final = Side(attrgetter("resource"), attrgetter("resource"))


@final
class Leaf:
    """Many rules of the same entities, by chapter. `uid` is the entity under which it stands."""

    __slots__ = ("_rules", "uid")

    def __init__(self, uid: EntityUID, rules: Sequence[Rule]) -> None:
        self.uid: Final = uid
        self._rules: Final[dict[Chapter, dict[Rule, None]]] = {}
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        """Put a rule in."""
        self._rules.setdefault(rule.body.chapter, {})[rule] = None

    def discard(self, rule: Rule) -> bool:
        """Take a rule out; says whether any is left."""
        chapter = rule.body.chapter
        rules = self._rules[chapter]
        del rules[rule]
        if not rules:
            del self._rules[chapter]
        return bool(self._rules)

    def collect(self, chapters: frozenset[Chapter], found: list[Rule]) -> None:
        """Add the rules of some chapters to a list."""
        for chapter in chapters if len(chapters) < len(self._rules) else chapters & self._rules.keys():
            found += self._rules.get(chapter, ())


@final
class Node:
    """Rules by the entity that they name on one side; those of one entity are told apart by the next side, if any.

    `equal` has those that name it by `==`, `above` those by `in`. `uid` is the entity under which the node stands; no
    entity for a root.
    """

    __slots__ = ("_sides", "above", "equal", "uid")

    def __init__(self, sides: tuple[Side, ...], uid: EntityUID = _ROOT, rules: Sequence[Rule] = ()) -> None:
        self._sides: Final = sides
        self.uid: Final = uid
        # None until there are any: millions of nodes have one of the two.
        self.equal: dict[EntityUID, Child] | None = None
        self.above: dict[EntityUID, Child] | None = None
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> EntityUID:
        """Put a rule in. Gives the entity that it names here, as the object that the rules before it have."""
        uid, exact = self._named(rule)
        children = self._children(exact=exact)
        child = children.get(uid)
        if child is None:
            children[uid] = rule
            return uid
        if isinstance(child, Rule | tuple):
            uid, _ = self._named(child if isinstance(child, Rule) else child[0])
            rules = (child, rule) if isinstance(child, Rule) else (*child, rule)
            children[uid] = rules if len(rules) <= _FEW else self._deeper(uid, rules)
            return uid
        child.add(rule)
        return child.uid

    def _children(self, *, exact: bool) -> dict[EntityUID, Child]:
        if exact:
            self.equal = children = {} if self.equal is None else self.equal
        else:
            self.above = children = {} if self.above is None else self.above
        return children

    def _deeper(self, uid: EntityUID, rules: Sequence[Rule]) -> "Node | Leaf":
        sides = self._sides[1:]
        return Node(sides, uid, rules) if sides else Leaf(uid, rules)

    def discard(self, rule: Rule) -> bool:
        """Take a rule out; says whether any is left."""
        uid, exact = self._named(rule)
        children = self._children(exact=exact)
        child = children[uid]
        if isinstance(child, tuple) and len(child) > 1:
            children[uid] = tuple([other for other in child if other is not rule])
        elif not isinstance(child, Node | Leaf) or not child.discard(rule):
            del children[uid]
        return bool(self.equal or self.above)

    def _named(self, rule: Rule) -> tuple[EntityUID, bool]:
        side = self._sides[0]
        uid = side.named(rule)
        if uid is None:
            raise AssertionError(rule.policy_id)
        return uid, side.bounds(rule.body).exact

    def collect(
        self,
        uid: EntityUID,
        ancestors: frozenset[EntityUID],
        other: EntityUID,
        other_ancestors: frozenset[EntityUID],
        chapters: frozenset[Chapter],
        found: list[Rule],
    ) -> list[Rule]:
        """The rules that name an entity on this side; of those that stand under a node, `found` gets the ones that name
        the other entity on the next side. Written out in full: it is where a decision with many rules spends its time.
        """
        hits: list[Child] = []
        if (equal := self.equal) and (child := equal.get(uid)) is not None:
            hits.append(child)
        if above := self.above:
            if (child := above.get(uid)) is not None:
                hits.append(child)
            for ancestor in ancestors if len(ancestors) <= _FEW_ANCESTORS else _both(above, ancestors):
                if (child := above.get(ancestor)) is not None:
                    hits.append(child)  # noqa: PERF401  # a comprehension is a call, and there are few
        few: list[Rule] = []
        for child in hits:
            if type(child) is Rule:
                few.append(child)
            elif type(child) is tuple:
                few += child
            elif type(child) is Leaf:
                child.collect(chapters, few)
            elif type(child) is Node:
                found += child.collect(other, other_ancestors, uid, ancestors, chapters, found)
        return few


def _both(above: dict[EntityUID, Child], ancestors: frozenset[EntityUID]) -> Set[EntityUID]:
    """The keys that are in both, found by looking up the fewer in the more."""
    return ancestors.intersection(above) if len(above) < len(ancestors) else above.keys() & ancestors


@final
class Index:
    """All rules that name an entity."""

    __slots__ = ("_by_principal", "_by_resource", "_pairs", "_pairs_by_resource")

    def __init__(self) -> None:
        self._by_principal: Final = Node((PRINCIPAL,))
        self._by_resource: Final = Node((RESOURCE,))
        self._pairs: Final = Node((PRINCIPAL, RESOURCE))
        self._pairs_by_resource: Final = Node((RESOURCE, PRINCIPAL))

    def add(self, rule: Rule) -> None:
        """Put in a rule that names an entity on at least one side."""
        if rule.resource is None:
            rule.principal = self._by_principal.add(rule)
        elif rule.principal is None:
            rule.resource = self._by_resource.add(rule)
        else:
            rule.principal = self._pairs.add(rule)
            rule.resource = self._pairs_by_resource.add(rule)

    def discard(self, rule: Rule) -> None:
        """Take out a rule that is in."""
        if rule.resource is None:
            self._by_principal.discard(rule)
        elif rule.principal is None:
            self._by_resource.discard(rule)
        else:
            self._pairs.discard(rule)
            self._pairs_by_resource.discard(rule)

    def select(
        self,
        chapters: frozenset[Chapter],
        version: int,
        principal: EntityUID,
        principal_ancestors: frozenset[EntityUID],
        resource: EntityUID,
        resource_ancestors: frozenset[EntityUID],
    ) -> list[Rule]:
        """The rules of these chapters in force at a version whose scope matches, each once, in no particular order."""
        found: list[Rule] = []
        if (root := self._by_principal).equal or root.above:
            found += root.collect(principal, principal_ancestors, resource, resource_ancestors, chapters, found)
        if (root := self._by_resource).equal or root.above:
            found += root.collect(resource, resource_ancestors, principal, principal_ancestors, chapters, found)
        if (root := self._pairs).equal or root.above:
            across = self._pairs_by_resource
            if _is_cheaper(across, resource_ancestors, root, principal_ancestors):
                few = across.collect(resource, resource_ancestors, principal, principal_ancestors, chapters, found)
                for rule in few:
                    uid = rule.principal
                    if uid == principal or (uid in principal_ancestors and not rule.body.principal.exact):
                        found.append(rule)
            else:
                few = root.collect(principal, principal_ancestors, resource, resource_ancestors, chapters, found)
                for rule in few:
                    uid = rule.resource
                    if uid == resource or (uid in resource_ancestors and not rule.body.resource.exact):
                        found.append(rule)
        matching: list[Rule] = []
        for rule in found:
            body = rule.body
            if (
                rule.since <= version < rule.until
                and body.chapter in chapters
                and (body.is_untyped or _fits(body, principal.type, resource.type))
            ):
                matching.append(rule)
        return matching


def _is_cheaper(
    node: Node, ancestors: frozenset[EntityUID], other: Node, other_ancestors: frozenset[EntityUID]
) -> bool:
    """Whether to ask one node about an entity costs less than to ask the other about another."""
    if len(ancestors) <= _FEW_ANCESTORS:
        return True
    costs = min(len(node.above or ()), len(ancestors)), min(len(other.above or ()), len(other_ancestors))
    return costs[0] <= costs[1]


def _fits(body: Body, principal_type: str, resource_type: str) -> bool:
    """Whether principal and resource are of the types that the scope asks for."""
    wanted = body.principal.entity_type, body.resource.entity_type
    return wanted[0] in {None, principal_type} and wanted[1] in {None, resource_type}
