"""The sample world of `policies/`, for tests that change it: with other policies, or with other facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from pdp.cedar.policy import Policy, PolicySet
from pdp.config import Config, load_config
from pdp.context.facts import Facts
from pdp.context.files import load_facts
from pdp.engine.rehearsal import Rehearsal
from pdp.engine.snapshot import World, build_world
from pdp.inventory.reading import load_routes
from pdp.inventory.routes import RouteTable
from pdp.policies.bundle import Bundle, load_bundle
from pdp.policies.cases import Case, load_cases

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "policies"


@dataclass(frozen=True)
class Consortium:
    """The sample world as it lies in its files. All its cases are of one `now`, and `facts` are those of then."""

    config: Config
    bundle: Bundle
    routes: RouteTable
    facts: Facts
    cases: tuple[Case, ...]

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Static policies and templates, in the order of the files."""
        return (*self.bundle.policies.static.values(), *self.bundle.policies.templates.values())

    def world(self, policies: Iterable[Policy] | None = None, facts: Facts | None = None) -> World:
        """The world, or one with these policies or these facts; grants of a template that is not there are left out."""
        chosen = self.bundle.policies if policies is None else PolicySet(policies)
        known = self.facts if facts is None else facts
        grants = {id: grant for id, grant in known.grants.items() if grant.template_id in chosen.templates}
        return build_world(replace(self.bundle, policies=chosen), replace(known, grants=grants))

    def rehearsal(self, world: World) -> Rehearsal:
        """Asks cases of a world."""
        return Rehearsal(world, self.config.freshness, self.routes)

    def failing(self, policies: Iterable[Policy], concerned: str) -> Iterator[Case]:
        """Cases that fail under other policies; those whose answer names the policy `concerned` are tried first."""
        rehearsal = self.rehearsal(self.world(policies))
        first = {grant.id for grant in self.facts.grants.values() if grant.template_id == concerned} | {concerned}
        for case in sorted(self.cases, key=lambda case: first.isdisjoint(case.expect.policies)):
            if not rehearsal.run(case).passed:
                yield case


@cache
def consortium() -> Consortium:
    """The one that the tests share; nothing in it can be changed."""
    config, cases = load_config(DIRECTORY / "pdp.yaml"), load_cases(DIRECTORY / "tests")
    (now,) = {case.now for case in cases}
    bundle = load_bundle(DIRECTORY)
    facts = load_facts(DIRECTORY / "context", bundle.schema, now, relative_times=True)
    return Consortium(config, bundle, load_routes(config.inventory, bundle.schema), facts, cases)
