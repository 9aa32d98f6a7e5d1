"""The verdict on each policy is the Rust engine's: for named cases, and for random policies over random schemas."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yaml
from fuzzing import rounds
from hypothesis import given
from rust_validator import refused
from strategies import World, worlds
from typed import PolicyMaker, random_schema
from world_schema import world_schema

from pdp.cedar.policy import Link, Policy, PolicySet
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies, parse_policy_set
from pdp.cedar.text.printer import print_policies
from pdp.cedar.validate.findings import Code, Severity
from pdp.cedar.validate.validator import Validator, validate_policies

CASES: Final = Path(__file__).parent / "cases"
AGREED: Final[dict[str, dict[str, str]]] = yaml.safe_load((CASES / "agreed.yaml").read_text(encoding="utf-8"))
WORLD_TEXT: Final = world_schema()
WORLD: Final = Validator(parse_schema(Source("<world>", WORLD_TEXT)))
SETS_PER_SCHEMA: Final = 10
NEVER_RANDOM: Final = {Code.UNKNOWN_FUNCTION, Code.LEVEL}
"""Errors that no policy text can have, and that only a level can give."""


def whole(case: str) -> str:
    if case.startswith(("permit", "forbid")):
        return case
    return f'permit(principal is User, action == Action::"read", resource) when {{ {case} }};'


def errors(policies: PolicySet, schema: Schema) -> list[str]:
    found = validate_policies(policies, schema)
    return [each.render() for each in found if each.severity is Severity.ERROR]


@pytest.mark.parametrize("name", AGREED["accepted"])
def test_passes_what_the_rust_engine_passes(name: str, schema: Schema, schema_text: str) -> None:
    text = whole(AGREED["accepted"][name])
    assert errors(parse_policy_set(Source(name, text)), schema) == []
    assert refused(text, schema_text) == {}


@pytest.mark.parametrize("name", AGREED["refused"])
def test_refuses_what_the_rust_engine_refuses(name: str, schema: Schema, schema_text: str) -> None:
    text = whole(AGREED["refused"][name])
    assert errors(parse_policy_set(Source(name, text)), schema) != []
    assert refused(text, schema_text).keys() == {"policy0"}


def test_random_policies_templates_and_links() -> None:
    """A link to a good template passes if its scope would, filled in, as a policy of its own without conditions."""
    rng = random.Random(7)
    codes: Counter[Code] = Counter()
    verdicts: Counter[tuple[str, bool]] = Counter()
    for number in range(rounds(2_000)):
        if number % SETS_PER_SCHEMA == 0:
            schema, text = random_schema(rng)
            validator = Validator(schema)
            maker = PolicyMaker(rng, schema)
        made = maker.policy_set(rng.choice((1, 2, 3, 4, 6)))
        policies = _reread(made)
        scopes = [_scope_alone(made, link) for link in made.links.values()]
        theirs = refused(print_policies([*policies, *scopes]), text)
        found = validator.findings(PolicySet(policies, made.links.values()))
        findings = [each for each in found if each.severity is Severity.ERROR]
        ours = {each.policy_id for each in findings}
        for position, policy in enumerate([*policies, *scopes]):
            link = made.links.get(policy.id)
            if link is None or link.template_id not in ours:
                passes = f"policy{position}" not in theirs
                assert (policy.id not in ours) == passes, (print_policies([policy]), text, theirs, findings)
                verdicts["policy" if link is None else "link", passes] += 1
        codes.update(each.code for each in findings)
    assert 0.4 < verdicts["policy", True] / (verdicts["policy", True] + verdicts["policy", False]) < 0.7
    assert min(verdicts["link", True], verdicts["link", False]) > 100
    assert codes.keys() == set(Code) - {Code.IMPOSSIBLE, Code.CONFUSABLE} - NEVER_RANDOM


@given(worlds())
def test_policies_of_whole_worlds(world: World) -> None:
    policies = _reread(world.policies)
    theirs = refused(print_policies(policies), WORLD_TEXT)
    found = list(WORLD.findings(PolicySet(policies)))
    assert {each.policy_id for each in found if each.severity is Severity.ERROR} == theirs.keys()


def _scope_alone(policies: PolicySet, link: Link) -> Policy:
    return replace(policies.templates[link.template_id].fill(link.id, link.values), conditions=())


def _reread(policies: PolicySet) -> list[Policy]:
    """The policies and templates as a text has them, in the order of their ids."""
    made = {**policies.static, **policies.templates}
    text = print_policies([made[f"policy{number}"] for number in range(len(made))])
    return list(parse_policies(Source("<random>", text)))
