"""A world: one policy bundle, compiled, and one state of the facts. Immutable, swapped whole, read without a lock."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeAlias, final

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import PolicySet
from pdp.cedar.schema.model import Schema
from pdp.compiler.link import Linker
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook
from pdp.context.facts import Facts, Grant
from pdp.engine.changes import Change
from pdp.engine.grants import GrantIndex, GrantLinks, index_grants, link_of
from pdp.engine.obligations import read_obligations
from pdp.policies.bundle import Bundle
from pdp.policies.steps import Steps, finish


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
    book: Rulebook
    program: Program
    facts: Facts
    grants: GrantIndex

    def at(self, context_revision: int) -> "World":
        """The same world under the revision that the store gave to its facts."""
        return replace(self, context_revision=context_revision)


def build_world(bundle: Bundle, facts: Facts) -> World:
    """Compile, at context revision 0. Raises PolicySetError for a grant without its template or a bad obligation."""
    return finish(building_world(bundle, facts))


def building_world(bundle: Bundle, facts: Facts, linker: Linker | None = None) -> Steps[World]:
    """As `build_world`, a little at each step. What a `linker` has made code for needs none made again."""
    for grant in facts.grants.values():
        refuse_unlinkable(bundle.policies, grant)
        yield
    policies = bundle.policies.with_links(GrantLinks(facts.grants))
    for policy in (*policies.static.values(), *policies.templates.values()):
        read_obligations(policy)
        yield
    book = yield from _compiling(bundle, policies, linker)
    return World(
        policy_revision=bundle.revision,
        context_revision=0,
        schema=bundle.schema,
        policies=policies,
        book=book,
        program=Program(book),
        facts=facts,
        grants=index_grants(facts.grants.values()),
    )


def _compiling(bundle: Bundle, policies: PolicySet, linker: Linker | None) -> Steps[Rulebook]:
    # INVARIANT: facts are checked against the schema as they come in, and each request is (`enrich`). So code need not
    # test what the schema rules out.
    book = Rulebook(schema=bundle.schema, linker=linker)
    if bundle.compiled is not None:
        for compiled in bundle.compiled:
            kind = policies.templates if compiled.is_template else policies.static
            if kind.get(compiled.policy.id) is not compiled.policy:
                raise ValueError(compiled.policy.id)  # the code would not be that of the policy that is shown
            book.take(compiled)
            yield
    else:
        for policy in (*policies.static.values(), *policies.templates.values()):
            book.add(policy)
            yield
    for link in policies.links.values():
        book.link(link)
        yield
    return book


def refuse_unlinkable(policies: PolicySet, grant: Grant) -> None:
    """Returns if a grant can be a link of these policies. Raises PolicySetError.

    A grant fills both slots always. A template without one of them would grant more than the grant says, and is
    refused.
    """
    if grant.template_id not in policies.templates:
        known = ", ".join(f"`{template}`" for template in sorted(policies.templates)) or "none at all"
        raise PolicySetError(
            f"the grant `{grant.id}` is of the template `{grant.template_id}`, which the bundle does not have",
            help=f"its templates are {known}",
        )
    policies.check_link(link_of(grant))


Listener: TypeAlias = Callable[[World, Change], None]
"""Told of a world that answers from now on, and of what changed. Must not raise."""


@final
class CurrentWorld:
    """The one mutable place of the engine: which world answers now. None until the first is published.

    Replacing an attribute is atomic in CPython, so readers need no lock: they take `world` once per decision.
    """

    __slots__ = ("_listeners", "_lock", "world")

    def __init__(self) -> None:
        self.world: World | None = None
        self._listeners: tuple[Listener, ...] = ()
        self._lock = Lock()

    def listen(self, listener: Listener) -> None:
        """Have `listener` told of every world that is published from now on, after those who listen already."""
        self._listeners = (*self._listeners, listener)

    def publish(self, world: World, change: Change) -> None:
        """Let a world answer. `change` is what it changes of the one before. Returns when all listeners were told.

        INVARIANT: whoever acknowledges a change does so after this has returned. Then nothing that was kept from the
        world before and is not true in this one can be had any more.
        """
        with self._lock:
            self.world = world
            for listener in self._listeners:
                listener(world, change)
