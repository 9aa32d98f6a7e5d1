"""Policies, templates, links and sets of them (`Cedar/Spec/{Policy,Template}.lean`).

A `Policy` with a slot in its scope is a template and decides nothing until it is linked; a `Link` fills the slots.
`PolicySet.linked()` gives what is evaluated: every static policy and every filled-in link.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from typing import TypeAlias, final

from pdp.cedar.errors import PolicySetError
from pdp.cedar.nodes import Expr
from pdp.cedar.source import Source, Span
from pdp.cedar.values import EntityUID


@unique
class Effect(Enum):
    """What a satisfied policy does."""

    PERMIT = "permit"
    FORBID = "forbid"


@unique
class Slot(Enum):
    """The holes of a template."""

    PRINCIPAL = "?principal"
    RESOURCE = "?resource"


EntityOrSlot: TypeAlias = EntityUID | Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A scope that names something. `spans` has the place of each name, in order; it is empty if there is no text."""

    spans: tuple[Span, ...] = field(default=(), compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class ScopeAny:
    """`principal` alone: no constraint."""


@final
@dataclass(frozen=True, slots=True)
class ScopeEq(_Named):
    """`principal == E`."""

    entity: EntityOrSlot


@final
@dataclass(frozen=True, slots=True)
class ScopeIn(_Named):
    """`principal in E`."""

    entity: EntityOrSlot


@final
@dataclass(frozen=True, slots=True)
class ScopeIs(_Named):
    """`principal is T`."""

    entity_type: str


@final
@dataclass(frozen=True, slots=True)
class ScopeIsIn(_Named):
    """`principal is T in E`."""

    entity_type: str
    entity: EntityOrSlot


@final
@dataclass(frozen=True, slots=True)
class ActionIn(_Named):
    """`action in E` or `action in [E, ...]`; the list may be empty (then nothing matches)."""

    entities: tuple[EntityUID, ...]


Scope: TypeAlias = ScopeAny | ScopeEq | ScopeIn | ScopeIs | ScopeIsIn
ActionScope: TypeAlias = ScopeAny | ScopeEq | ActionIn
"""The action's scope; its `ScopeEq` never holds a slot."""


@unique
class ConditionKind(Enum):
    """`when` keeps, `unless` negates."""

    WHEN = "when"
    UNLESS = "unless"


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """One `when { body }` or `unless { body }`."""

    kind: ConditionKind
    body: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """A static policy or a template. An annotation without a value (`@name`) holds None and reads as "".

    Not final for one reason: a policy of a built bundle (`pdp.policies.built`) reads its scope and its conditions when
    they are asked for. It is equal to the policy that was parsed, and nothing else may be told from it.
    """

    id: str
    effect: Effect
    principal: Scope
    action: ActionScope
    resource: Scope
    conditions: tuple[Condition, ...] = ()
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    source: Source | None = field(default=None, compare=False, repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def slots(self) -> frozenset[Slot]:
        """The holes to fill; empty for a static policy."""
        return frozenset(slot for slot in map(scope_entity, (self.principal, self.resource)) if isinstance(slot, Slot))

    @property
    def is_template(self) -> bool:
        """Whether there is a hole to fill."""
        return bool(self.slots)

    def fill(self, link_id: str, values: Mapping[Slot, EntityUID]) -> "Policy":
        """The policy that a link stands for. Raises PolicySetError unless `values` fills exactly the slots."""
        if values.keys() != self.slots:
            wanted = ", ".join(sorted(slot.value for slot in self.slots)) or "no slot"
            given = ", ".join(sorted(slot.value for slot in values)) or "none"
            raise PolicySetError(
                f"link `{link_id}` does not fit template `{self.id}`: it gives {given}",
                help=f"fill exactly {wanted}",
            )
        return replace(
            self,
            id=link_id,
            principal=_fill(self.principal, values),
            resource=_fill(self.resource, values),
        )


def scope_entity(scope: Scope) -> EntityOrSlot | None:
    """The entity or slot that a scope names, if any."""
    return None if isinstance(scope, ScopeAny | ScopeIs) else scope.entity


def _fill(scope: Scope, values: Mapping[Slot, EntityUID]) -> Scope:
    if isinstance(scope, ScopeAny | ScopeIs) or not isinstance(scope.entity, Slot):
        return scope
    return replace(scope, entity=values[scope.entity])


@final
@dataclass(frozen=True, slots=True)
class Link:
    """A template's use: its own id and a value for each slot."""

    id: str
    template_id: str
    values: Mapping[Slot, EntityUID]


@final
class PolicySet:
    """Static policies, templates and links under one space of ids. Immutable."""

    __slots__ = ("links", "static", "templates")

    def __init__(self, policies: Iterable[Policy] = (), links: Iterable[Link] = ()) -> None:
        """Raises PolicySetError for a duplicate id, an unknown template, or values that do not fit."""
        self.static: dict[str, Policy] = {}
        self.templates: dict[str, Policy] = {}
        self.links: Mapping[str, Link] = {}
        for policy in policies:
            self._refuse_duplicate(policy)
            (self.templates if policy.is_template else self.static)[policy.id] = policy
        given: dict[str, Link] = {}
        for link in links:
            if link.id in given:
                raise _duplicate_link(link)
            self.check_link(link)
            given[link.id] = link
        self.links = given

    @classmethod
    def of(cls, static: dict[str, Policy], templates: dict[str, Policy]) -> "PolicySet":
        """Policies that are known to be one set already, static ones and templates by id."""
        made = cls()
        made.static, made.templates = static, templates
        return made

    def with_links(self, links: Mapping[str, Link]) -> "PolicySet":
        """The same policies with these links by their ids, each of which `check_link` has accepted."""
        made = PolicySet.of(self.static, self.templates)
        made.links = links
        return made

    def _refuse_duplicate(self, policy: Policy) -> None:
        first = self.static.get(policy.id) or self.templates.get(policy.id)
        if first is None:
            return
        where = ""
        if first.source is not None and first.span is not None:
            where = f"; it is first used at {first.source.name}:{first.source.position(first.span.start).line}"
        raise PolicySetError(
            f"duplicate policy id `{policy.id}`",
            span=policy.span,
            source=policy.source,
            help=f"give each policy its own id{where}",
        )

    def check_link(self, link: Link) -> None:
        """Returns if a link could be one of this set. Raises PolicySetError for an unknown template or a taken id."""
        if link.id in self.static or link.id in self.templates:
            raise _duplicate_link(link)
        template = self.templates.get(link.template_id)
        if template is None:
            known = "a policy without slots" if link.template_id in self.static else "not in the policy set"
            raise PolicySetError(
                f"link `{link.id}` names the template `{link.template_id}`, which is {known}",
                help="link a policy whose scope has `?principal` or `?resource`",
            )
        template.fill(link.id, link.values)

    def linked(self) -> Iterator[Policy]:
        """Every policy that takes part in a decision: the static ones, then the links filled in."""
        yield from self.static.values()
        for link in self.links.values():
            yield self.templates[link.template_id].fill(link.id, link.values)

    def __len__(self) -> int:
        return len(self.static) + len(self.templates) + len(self.links)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PolicySet)
            and self.static == other.static
            and self.templates == other.templates
            and self.links == other.links
        )

    __hash__ = None  # type: ignore[assignment]  # equality is structural and the parts are dicts


def _duplicate_link(link: Link) -> PolicySetError:
    return PolicySetError(f"duplicate policy id `{link.id}`", help="give each link an id of its own")
