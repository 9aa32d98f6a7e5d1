"""How deep policies read: named cases from the Lean model and RFC 76, and what a level promises.

The promise is tested as it is used: a policy that passes at level n decides the same on the store cut down to what n
steps from the request reach (`Cedar/Spec/Slice.lean`).
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from fuzzing import rounds
from typed import Sample, outcome, samples

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Link, Policy, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies, parse_policy_set
from pdp.cedar.validate.findings import Code, Finding, Severity
from pdp.cedar.validate.validator import Validator, validate_policies
from pdp.cedar.values import EntityUID, Record, Value

SCHEMA: Final = parse_schema(
    Source(
        "<levels>",
        """
        entity User in [User] = {
          admin: Bool, level: Long, name: String, ip: ipaddr, manager: User, teams: Set<User>,
          home: { zip: Long, best: User },
        } tags User;
        entity Doc in [Doc] = { owner: User };
        action any;
        action other in [any];
        action view in [any] appliesTo {
          principal: User, resource: Doc,
          context: { mfa: Bool, ip: ipaddr, user: User, inner: { user: User } },
        };
        """,
    )
)
GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "levels.yaml").read_text(encoding="utf-8")
)
HIGHEST: Final = 6


def cases() -> Iterator[tuple[str, int | None, list[str]]]:
    """Policy, the level that it needs (None: there is none), and what reads too far below that."""
    for group in GROUPS:
        needs = None if group["needs"] == "never" else group["needs"]
        for case in group["policies"]:
            policy, *places = [case] if isinstance(case, str) else case
            yield policy, needs, [] if needs == 0 else places or [policy]


CASES: Final = list(cases())


def exceeding(case: str, level: int | None) -> tuple[Finding, ...]:
    text = case if case.startswith("permit") else f"permit(principal, action, resource) when {{ {case} }};"
    found = validate_policies(parse_policy_set(Source("test.cedar", text)), SCHEMA, level)
    return tuple(each for each in found if each.severity is Severity.ERROR)


def place(finding: Finding) -> str:
    assert finding.source is not None
    assert finding.span is not None
    return finding.source.excerpt(finding.span)


@pytest.mark.parametrize("case, needs, places", CASES, ids=[case[0] for case in CASES])
def test_the_level_that_a_policy_needs(case: str, needs: int | None, places: list[str]) -> None:
    assert exceeding(case, None) == ()
    for level in range(HIGHEST if needs is None else needs):
        assert {each.code for each in exceeding(case, level)} == {Code.LEVEL}
    for level in range(HIGHEST if needs is None else needs, HIGHEST + 1):
        found = exceeding(case, level)
        assert sorted(map(place, found)) == (sorted(places) if needs is None else [])
    if needs:
        assert sorted(map(place, exceeding(case, needs - 1))) == sorted(places)


def test_how_far_is_said_and_what_to_do() -> None:
    [too_far] = exceeding("principal.manager.manager.admin", 1)
    [written] = exceeding('User::"a".admin', 1)
    assert too_far.render() == (
        "test.cedar:1:44: error[level_exceeded] in policy `policy0`: this reads 3 deep in entities, and the level "
        "allows 1\n"
        "  |\n"
        "1 | permit(principal, action, resource) when { principal.manager.manager.admin };\n"
        "  |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  help: read fewer `.`, `has`, `in` and tags in a row, or copy what is read into a nearer entity or the "
        "context; "
        'found for principal `User`, action `Action::"view"`, resource `Doc`'
    )
    assert written.render() == (
        'test.cedar:1:44: error[level_exceeded] in policy `policy0`: `User::"a"` stands in the policy itself, and may '
        "not be read\n"
        "  |\n"
        '1 | permit(principal, action, resource) when { User::"a".admin };\n'
        "  |                                            ^^^^^^^^^\n"
        "  help: start at `principal`, `resource` or `context`; only these and what they refer to are given; "
        'found for principal `User`, action `Action::"view"`, resource `Doc`'
    )


def test_types_come_first() -> None:
    """Of a policy with another error, nothing is said about levels: part of it has no type."""
    text = "permit(principal, action, resource) when { principal.admin } when { principal.nope };"
    assert {each.code for each in exceeding(text, 0)} == {Code.UNKNOWN_ATTRIBUTE}


def test_a_level_cuts_the_store_and_changes_nothing() -> None:
    decided: Counter[tuple[int, bool]] = Counter()
    missed: Counter[int] = Counter()
    for sample in samples(seed=76, count=rounds(250)):
        for policy in sample.policies:
            for level in range(4):
                passes = is_valid(policy, sample, level)
                for request in sample.requests:
                    whole = outcome(policy, request, sample.entities)
                    cut = outcome(policy, request, sliced(sample.entities, request, level))
                    if passes:
                        assert cut == whole
                        decided[level, whole is True] += 1
                    else:
                        missed[level] += cut != whole
    assert min(decided.values()) > 50
    assert len(decided) == 8
    # Where the level is too low, the store that was cut down does decide otherwise.
    assert min(missed[0], missed[1], missed[2]) > 10


def is_valid(policy: Policy, sample: Sample, level: int) -> bool:
    found = Validator(sample.schema, level).policy_findings(policy)
    return not any(each.severity is Severity.ERROR for each in found)


def sliced(entities: Entities, request: Request, level: int) -> Entities:
    """What `level` steps from a request reach; each entity keeps its ancestors, though they be cut off."""
    reached: dict[EntityUID, Entity] = {}
    step = {request.principal, request.action, request.resource, *references(request.context)}
    for _ in range(level):
        found = [entity for uid in step if (entity := entities.get(uid)) is not None]
        reached |= {entity.uid: entity for entity in found}
        step = {
            uid
            for entity in found
            for value in (*entity.attrs.values(), *entity.tags.values())
            for uid in references(value)
        }
    return Entities(
        [Entity(each.uid, each.attrs, each.parents | each.ancestors, each.tags) for each in reached.values()]
    )


def references(value: Value) -> Iterator[EntityUID]:
    """The references in a value that an expression can read from it: those in sets it cannot."""
    match value:
        case EntityUID():
            yield value
        case Record(fields=fields):
            for field in fields.values():
                yield from references(field)
        case _:
            pass


def test_a_template_is_as_deep_as_it_is_written() -> None:
    text = "permit(principal in ?principal, action, resource) when { principal.admin };"
    [template] = parse_policies(Source("test.cedar", text))
    link = Link("link", template.id, {Slot.PRINCIPAL: EntityUID("User", "a")})
    found = validate_policies(PolicySet([template], [link]), SCHEMA, 0)
    assert [(each.policy_id, place(each)) for each in found] == [
        ("policy0", "?principal"),
        ("policy0", "principal.admin"),
    ]
    assert validate_policies(PolicySet([template], [link]), SCHEMA, 1) == ()
