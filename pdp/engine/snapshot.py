"""A world: one policy bundle, compiled, and one state of the facts. Immutable, swapped whole, read without a lock."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import final

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID
from pdp.compiler.program import Program, compile_policies
from pdp.context.facts import Grant
from pdp.context.store import Facts
from pdp.engine.obligations import read_obligations
from pdp.policies.bundle import Bundle


@final
@dataclass(frozen=True, slots=True)
class World:
    """Everything that a decision is made from.

    INVARIANT: nothing in here changes after construction, so that one decision sees one policy revision and one
    context revision from its first read to its last.
    """

    policy_revision: str
    context_revision: int
    schema: Schema
    policies: PolicySet
    program: Program
    facts: Facts
    grants: Mapping[EntityUID, tuple[Grant, ...]]

    def at(self, context_revision: int) -> "World":
        """The same world under the revision that the store gave to its facts."""
        return replace(self, context_revision=context_revision)


def build_world(bundle: Bundle, facts: Facts) -> World:
    """Compile, at context revision 0. Raises PolicySetError for a grant without its template or a bad obligation."""
    policies = _with_grants(bundle.policies, facts.grants)
    for policy in (*policies.static.values(), *policies.templates.values()):
        read_obligations(policy)
    return World(
        policy_revision=bundle.revision,
        context_revision=0,
        schema=bundle.schema,
        policies=policies,
        program=compile_policies(policies),
        facts=facts,
        grants=_by_principal(facts.grants),
    )


def _with_grants(policies: PolicySet, grants: tuple[Grant, ...]) -> PolicySet:
    """The bundle's policies with a link for each grant, in force or not: time decides at each evaluation.

    A grant fills both slots always. A template without one of them would grant more than the grant says, and
    `PolicySet` refuses the link.
    """
    for grant in grants:
        if grant.template_id not in policies.templates:
            known = ", ".join(f"`{template}`" for template in sorted(policies.templates)) or "none at all"
            raise PolicySetError(
                f"the grant `{grant.id}` is of the template `{grant.template_id}`, which the bundle does not have",
                help=f"its templates are {known}",
            )
    links = [
        Link(grant.id, grant.template_id, {Slot.PRINCIPAL: grant.principal, Slot.RESOURCE: grant.resource})
        for grant in grants
    ]
    return PolicySet((*policies.static.values(), *policies.templates.values()), (*policies.links.values(), *links))


def _by_principal(grants: Iterable[Grant]) -> Mapping[EntityUID, tuple[Grant, ...]]:
    index: defaultdict[EntityUID, list[Grant]] = defaultdict(list)
    for grant in grants:
        index[grant.principal].append(grant)
    return {principal: tuple(held) for principal, held in index.items()}


@final
class CurrentWorld:
    """The one mutable place of the engine: which world answers now. None until the first is published.

    Replacing an attribute is atomic in CPython, so readers need no lock: they take `world` once per decision.
    """

    __slots__ = ("world",)

    def __init__(self) -> None:
        self.world: World | None = None
