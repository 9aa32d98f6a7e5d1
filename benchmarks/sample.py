"""The sample world's test cases as a workload: the Cedar questions that its gateways ask, facts joined."""

from dataclasses import replace
from pathlib import Path

from benchmarks.workload import Workload
from pdp.cedar.policy import Link, PolicySet
from pdp.cedar.text.printer import print_policies
from pdp.cli.offline import build, read_bundle, read_config
from pdp.config import Config
from pdp.engine.rehearsal import Rehearsal
from pdp.engine.snapshot import World
from pdp.evaluate.authorize import authorize
from pdp.inventory.reading import load_routes
from pdp.policies.cases import Case, load_cases


def workload(directory: Path) -> Workload:
    """Every case whose question the schema admits and whose principal is as stored; answers are the interpreter's.

    A case whose credential says something of its principal is left out: it changes the entities, and the Rust engine
    would have to be given all of them anew for that one question.
    """
    config = read_config(None, directory, Path("pdp.yaml"))
    cases = [case for case in load_cases(directory / "tests") if case.claims is None]
    world = _world(config, cases[0])
    policies = _positional(world.policies)
    rehearsal = Rehearsal(world, config.freshness, load_routes(config.inventory, world.schema))
    requests = [rehearsal.enriched(case).request for case in cases if case.expect.reason != "invalid_request"]
    answers = [authorize(request, policies, world.facts.entities) for request in requests]
    return Workload(
        name="sample world",
        seed=None,
        text=print_policies((*policies.static.values(), *policies.templates.values())),
        policies=policies,
        entities=world.facts.entities,
        requests=requests,
        expected=[(answer.decision.value, answer.reasons) for answer in answers],
        schema=world.schema,
    )


def _world(config: Config, case: Case) -> World:
    return build(config, read_bundle(config), case.now)


def _positional(policies: PolicySet) -> PolicySet:
    """The same policies under the ids that the Rust engine gives them by their place in a text."""
    ordered = (*policies.static.values(), *policies.templates.values())
    ids = {policy.id: f"policy{place}" for place, policy in enumerate(ordered)}
    links = [Link(link.id, ids[link.template_id], link.values) for link in policies.links.values()]
    return PolicySet([replace(policy, id=ids[policy.id]) for policy in ordered], links)
