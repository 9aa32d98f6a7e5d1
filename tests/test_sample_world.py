"""The sample world in `policies/`: its cases pass, it is large enough to show something, and the Rust engine agrees."""

import re
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path

import cedarpy
import pytest
from cedarpy_worlds import answer, judge
from command_line import run

from pdp.cedar.policy import Link, Policy, PolicySet
from pdp.cli.offline import build, read_bundle, read_config
from pdp.engine.decider import ReasonClass
from pdp.engine.enrich import Enriched
from pdp.engine.rehearsal import Rehearsal
from pdp.engine.snapshot import World
from pdp.inventory.reading import load_routes
from pdp.policies.cases import Case, load_cases

DIRECTORY = Path(__file__).resolve().parents[1] / "policies"
CASES = load_cases(DIRECTORY / "tests")
CONFIG = read_config(None, DIRECTORY, Path("pdp.yaml"))


@cache
def world(now: int) -> World:
    """The world as it is loaded at this instant."""
    return build(CONFIG, read_bundle(CONFIG), now)


@cache
def rehearsal(now: int) -> Rehearsal:
    """Asks that world."""
    return Rehearsal(world(now), CONFIG.freshness, load_routes(CONFIG.inventory, world(now).schema))


def all_policies() -> list[Policy]:
    policies = world(CASES[0].now).policies
    return [*policies.static.values(), *policies.templates.values()]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_case_passes(case: Case) -> None:
    outcome = rehearsal(case.now).run(case)
    assert outcome.mismatches == (), outcome.verdict.message


def test_it_is_large_enough_to_show_something() -> None:
    assert len(all_policies()) >= 35
    assert len(CASES) >= 60


def test_every_policy_takes_part_in_some_case() -> None:
    """A policy that no case needs would be one that nobody has tried."""
    links = world(CASES[0].now).policies.links
    decided = {links[id].template_id if id in links else id for case in CASES for id in case.expect.policies}
    assert {policy.id for policy in all_policies()} - decided == set()


def test_the_rust_engine_finds_every_policy_strictly_valid() -> None:
    schema = (DIRECTORY / "schema.cedarschema").read_text("utf-8")
    for policy in all_policies():
        assert policy.source is not None
        assert policy.span is not None
        result = cedarpy.validate_policies(policy.source.excerpt(policy.span), schema)
        assert result.validation_passed, (policy.id, result.errors)


def shown_questions() -> list[tuple[str, str]]:
    """The questions of the README and the first line of the answer that it shows to each."""
    readme = (DIRECTORY.parent / "README.md").read_text("utf-8")
    return re.findall(r"^\$ \.venv/bin/pdp check (.*)\n((?:ALLOW|DENY)  .*)$", readme, re.MULTILINE)


def test_the_readme_shows_an_allow_and_a_deny() -> None:
    assert {answer.split()[0] for _, answer in shown_questions()} == {"ALLOW", "DENY"}


@pytest.mark.parametrize(("question", "answer"), shown_questions())
def test_what_the_readme_shows_is_so(question: str, answer: str) -> None:
    result = run("eval", *shlex.split(question), "--policies", DIRECTORY)
    assert result.stdout.splitlines()[0] == answer
    assert result.exit_code == (0 if answer.startswith("ALLOW") else 1)


def positional(policies: PolicySet, left_out: frozenset[str]) -> tuple[PolicySet, dict[str, str]]:
    """The policies under ids that the Rust engine gives or takes, some links left out; and their own ids by those."""
    own = {
        f"policy{place}": policy
        for place, policy in enumerate((*policies.static.values(), *policies.templates.values()))
    }
    theirs = {policy.id: id for id, policy in own.items()}
    links = [link for link in policies.links.values() if link.id not in left_out]
    renamed = [Link(f"link{place}", theirs[link.template_id], link.values) for place, link in enumerate(links)]
    names = {id: policy.id for id, policy in own.items()} | {
        new.id: link.id for new, link in zip(renamed, links, strict=True)
    }
    return PolicySet([replace(policy, id=id) for id, policy in own.items()], renamed), names


def asked() -> list[tuple[Case, Enriched]]:
    """The cases that come to be judged by policies, and what the policies are asked."""
    cases = [case for case in CASES if case.expect.reason != ReasonClass.INVALID_REQUEST.value]
    return [(case, rehearsal(case.now).enriched(case)) for case in cases]


def test_the_rust_engine_gives_every_case_the_same_answer() -> None:
    for case, enriched in asked():
        loaded = world(case.now)
        policies, names = positional(loaded.policies, enriched.not_in_force)
        (theirs,) = judge(policies, enriched.entities, (enriched.request,))
        ours = answer(loaded.program.authorize(enriched.request, enriched.entities, enriched.not_in_force))
        named = replace(
            theirs,
            reasons=frozenset(names[id] for id in theirs.reasons),
            errors=frozenset((names[id], kind) for id, kind in theirs.errors),
        )
        assert ours == named, case.name
