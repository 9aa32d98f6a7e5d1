"""Who may ask, cell by cell; and that every built-in policy is needed for that."""

import itertools
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TypeAlias

import pytest

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError, PolicySetError
from pdp.cedar.schema.conform import check_entity
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, IPAddr, Set, Value
from pdp.engine.callers.judging import (
    CallerAction,
    CallerDoor,
    CallerPolicies,
    CallerPolicyError,
    Switches,
    builtin_policies,
    builtin_schema,
    load_caller_policies,
)
from pdp.policies.bundle import InvalidPolicy

A = CallerAction
Cell: TypeAlias = tuple[str, CallerAction, CallerDoor, Switches]

WAYS = ("loopback", "unix", "mtls", "anonymous")
SWITCHES = [Switches(*flags) for flags in itertools.product((False, True), repeat=2)]
CELLS = list(itertools.product(WAYS, CallerAction, CallerDoor, SWITCHES))

LOCAL_ALWAYS = {A.CHECK, A.SEARCH, A.WATCH, A.READ_METRICS}
BELIEVED = {A.ASSERT_SUBJECT, A.EXPLAIN, A.ADMINISTER}
"""What lets a caller decide about others."""


def expected(way: str, action: CallerAction, switches: Switches, *, everybody: bool) -> bool:
    """What the documentation says; `everybody`: an operator permits everything to everybody."""
    if way == "anonymous" and action in BELIEVED:
        return False
    if everybody:
        return True
    if way not in {"loopback", "unix"}:
        return False
    by_switch = {A.ASSERT_SUBJECT: switches.accept_asserted, A.EXPLAIN: switches.explain}
    return by_switch.get(action, action in LOCAL_ALWAYS)


def caller(way: str, **attributes: Value) -> Entity:
    return Entity(EntityUID("Pdp::Caller", way), {"way": way, "dns_names": Set(), **attributes})


def own(text: str, directory: Path) -> CallerPolicies:
    (directory / "own.cedar").write_text(text)
    return load_caller_policies(directory)


EVERYBODY = '@id("callers/everybody") permit (principal, action, resource);'


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> CallerPolicies:
    return own(EVERYBODY, tmp_path_factory.mktemp("callers"))


def test_the_table(everybody: CallerPolicies) -> None:
    built_in = load_caller_policies(None)
    assert len(CELLS) == 4 * 7 * 7 * 4
    for way, action, door, switches in CELLS:
        asked = (caller(way), action, door, switches)
        assert built_in.permits(*asked) is expected(way, action, switches, everybody=False), (way, action, switches)
        assert everybody.permits(*asked) is expected(way, action, switches, everybody=True), (way, action, switches)


@pytest.mark.parametrize("left_out", [policy.id for policy in builtin_policies()])
def test_every_built_in_policy_is_needed(left_out: str) -> None:
    rest = [policy for policy in builtin_policies() if policy.id != left_out]
    all_of_them = [*rest, *parse_policies(Source("own", EVERYBODY))]

    def changed(policies: CallerPolicies, *, everybody: bool) -> Iterator[Cell]:
        for way, action, door, switches in CELLS:
            if policies.permits(caller(way), action, door, switches) is not expected(
                way, action, switches, everybody=everybody
            ):
                yield way, action, door, switches

    schema = builtin_schema()
    assert any(changed(CallerPolicies(rest, schema), everybody=False)) or any(
        changed(CallerPolicies(all_of_them, schema), everybody=True)
    )


def test_an_operators_policies_see_who_a_caller_is(tmp_path: Path) -> None:
    policies = own(
        """
        @id("callers/spiffe") permit (principal, action == Pdp::Action::"check", resource == Pdp::Door::"ext_authz")
        when { principal has trust_domain && principal.trust_domain == "consortium.example" };
        @id("callers/network") permit (principal, action == Pdp::Action::"check", resource == Pdp::Door::"forward_auth")
        when { principal has address && principal.address.isInRange(ip("10.1.0.0/16")) };
        @id("callers/root") permit (principal, action == Pdp::Action::"administer", resource)
        when { principal has user && principal.user == 0 };
        @id("callers/not-behind-this-forwarder") forbid (principal, action, resource)
        when { principal.way == "loopback" };
        """,
        tmp_path,
    )

    def may(entity: Entity, action: CallerAction, door: CallerDoor) -> bool:
        check_entity(builtin_schema(), entity)
        return policies.permits(entity, action, door, Switches(accept_asserted=True, explain=True))

    edge = caller("mtls", trust_domain="consortium.example", spiffe_id="spiffe://consortium.example/edge")
    assert may(edge, A.CHECK, CallerDoor.EXT_AUTHZ)
    assert not may(edge, A.CHECK, CallerDoor.DECISIONS)
    assert may(caller("anonymous", address=IPAddr(4, 0x0A010203, 32)), A.CHECK, CallerDoor.FORWARD_AUTH)
    assert not may(caller("anonymous", address=IPAddr(4, 0x0A020203, 32)), A.CHECK, CallerDoor.FORWARD_AUTH)
    assert may(caller("unix", user=0), A.ADMINISTER, CallerDoor.METRICS)
    assert not may(caller("unix", user=1), A.ADMINISTER, CallerDoor.METRICS)
    assert not may(caller("loopback"), A.CHECK, CallerDoor.DECISIONS)


def test_a_forbid_that_fails_denies(tmp_path: Path) -> None:
    broken = '@id("callers/broken") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };'
    policies = own(broken, tmp_path)
    assert not any(policies.permits(caller(way), *rest) for way, *rest in CELLS)  # type: ignore[arg-type]  # a cell


FAULTS: dict[str, tuple[type[CedarError], str, str]] = {
    "no id": (PolicySetError, "no id of its own", "permit (principal, action, resource);"),
    "a bare id": (PolicySetError, "no id of its own", "@id permit (principal, action, resource);"),
    "an empty id": (PolicySetError, "no id of its own", '@id("callers/") permit (principal, action, resource);'),
    "an id of ours": (
        PolicySetError,
        "no id of its own",
        '@id("pdp/unknown-callers-are-not-believed") permit (principal, action, resource);',
    ),
    "the same id twice": (PolicySetError, "callers/a", '@id("callers/a") permit (principal, action, resource);\n' * 2),
    "a template": (PolicySetError, "no slots", '@id("callers/a") permit (principal == ?principal, action, resource);'),
    "no such attribute": (
        InvalidPolicy,
        "organisation",
        '@id("callers/a") permit (principal, action, resource) when { principal.organisation == "x" };',
    ),
    "an attribute that may be missing": (
        InvalidPolicy,
        "spiffe_id",
        '@id("callers/a") permit (principal, action, resource) when { principal.spiffe_id == "x" };',
    ),
    "no such action": (
        InvalidPolicy,
        "Check",
        '@id("callers/a") permit (principal, action == Pdp::Action::"Check", resource);',
    ),
    "another type": (
        InvalidPolicy,
        "Bool",
        '@id("callers/a") permit (principal, action, resource) when { principal.way };',
    ),
    "no policy": (CedarError, "expected", "permit"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_not_stand_there(fault: str, tmp_path: Path) -> None:
    kind, message, text = FAULTS[fault]
    with pytest.raises(kind, match=message) as caught:
        own(text, tmp_path)
    assert "own.cedar" in caught.value.render()


def test_a_folder_that_is_not_there_or_holds_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallerPolicyError, match="no such folder"):
        load_caller_policies(tmp_path / "callers")
    (tmp_path / "own.ceder").write_text("")
    with pytest.raises(CallerPolicyError, match="not one of the files"):
        load_caller_policies(tmp_path)


def test_the_revision_is_that_of_names_and_texts(tmp_path: Path) -> None:
    seen = [own(text, tmp_path).revision for text in ("", "// a", "// b", "")]
    assert seen[0] == seen[3]
    assert len(set(seen)) == 3
    (tmp_path / "own.cedar").rename(tmp_path / "other.cedar")
    assert load_caller_policies(tmp_path).revision not in seen
    assert load_caller_policies(None).count == 0


def test_the_schema_says_what_the_actions_and_doors_are() -> None:
    schema = builtin_schema()
    assert {uid.id for uid in schema.actions} == {action.value for action in CallerAction}
    shown = resources.files("pdp.engine.callers").joinpath("schema.cedarschema").read_text("utf-8")
    assert all(f'"{door.value}"' in shown for door in CallerDoor)
    assert all(f'"{way}"' in shown for way in WAYS)
