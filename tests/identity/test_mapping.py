"""Claims as Cedar entities: strictly, by the configuration alone."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, Record, Set, Value, equal
from pdp.cedar.wire.strict_json import Json, parse_json
from pdp.cedar.wire.values import write_value
from pdp.config import PrincipalConfig
from pdp.identity.errors import IdentityError
from pdp.identity.mapping import asserted_subject, token_subject
from pdp.identity.subject import Method, Subject

ONE_CLAIM = PrincipalConfig(attributes={"a": "claim"})


def subject(claims: Mapping[str, Json], config: PrincipalConfig = ONE_CLAIM) -> Subject:
    return token_subject({"sub": "ana", **claims}, config, Method.JWT, authenticated_at=5, expires_at=7)


def attribute(claim: Json) -> Value:
    return subject({"claim": claim}).entity.attrs["a"]


def test_an_asserted_subject_is_its_name_and_nothing_else() -> None:
    asserted = asserted_subject(EntityUID("Tenant::User", 'a"b\n'))
    assert asserted.uid == EntityUID("Tenant::User", 'a"b\n')
    assert asserted.method is Method.ASSERTED
    assert (dict(asserted.entity.attrs), asserted.entity.parents, dict(asserted.entity.tags)) == ({}, frozenset(), {})
    assert (asserted.acr, asserted.amr, asserted.device) == (None, frozenset(), None)
    assert (asserted.authenticated_at, asserted.expires_at) == (None, None)


def test_times_are_taken_over() -> None:
    made = subject({})
    assert (made.method, made.authenticated_at, made.expires_at) == (Method.JWT, 5, 7)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (True, True),
        (False, False),
        (0, 0),
        (1, 1),
        (-(2**63), -(2**63)),
        ("", ""),
        ("1", "1"),
        ("null", "null"),
        ([], Set()),
        ({}, Record()),
        ([1, 1, 2], Set([1, 2])),
        ([1, True, "1"], Set([True, "1", 1])),
        ([["a"], []], Set([Set(["a"]), Set()])),
        ({"b": {"c": [False]}, "d-e": ""}, Record({"b": Record({"c": Set([False])}), "d-e": ""})),
    ],
    ids=str,
)
def test_claims_become_values_of_their_own_type(claim: Json, value: Value) -> None:
    assert equal(attribute(claim), value)


@pytest.mark.parametrize("claim", [None, [None], [[None]], {"b": None}, {"b": [{"c": None}]}], ids=str)
def test_null_is_no_value_at_any_depth(claim: Json) -> None:
    with pytest.raises(IdentityError, match="`claim` holds `null`"):
        subject({"claim": claim})


ESCAPES: list[Json] = [
    {"__entity": {"type": "Group", "id": "admins"}},
    {"__extn": {"fn": "ip", "arg": "10.0.0.1"}},
    {"__extn": {"fn": "decimal", "args": ["1.0"]}},
    {"__expr": 'Group::"admins"'},
]


@pytest.mark.parametrize("escape", ESCAPES, ids=json.dumps)
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"b": {}}}', '[{{"b": [{}]}}]'])
def test_a_token_cannot_speak_of_other_entities(escape: Json, around: str) -> None:
    claim = json.loads(around.format(json.dumps(escape)))
    with pytest.raises(IdentityError, match="`claim` holds an escape"):
        subject({"claim": claim})


@pytest.mark.parametrize("claim", [{"__entity": "x"}, {"type": "Group", "id": "a"}, {"__expr": 1}], ids=json.dumps)
def test_what_only_resembles_an_escape_is_a_record(claim: Json) -> None:
    assert isinstance(attribute(claim), Record)
    assert write_value(attribute(claim)) == claim


PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_a_value_says_what_the_claim_says(claim: Json) -> None:
    def same(json: Json, value: Value) -> bool:
        if isinstance(json, list):
            return isinstance(value, Set) and all(
                any(same(element, found) for found in value.elements) for element in json
            )
        if isinstance(json, dict):
            return (
                isinstance(value, Record)
                and json.keys() == value.fields.keys()
                and all(same(json[name], value.fields[name]) for name in json)
            )
        return type(json) is type(value) and json == value

    read = parse_json(Source("<claims>", json.dumps(claim)))
    assert same(claim, attribute(read))


def test_only_named_claims_are_taken() -> None:
    claims: dict[str, Json] = {"a": "not this", "claim": "this", "groups": 7, "device": None, "kind": [], "other": None}
    made = subject(claims)
    assert made.entity.attrs == {"a": "this"}
    assert (made.uid, made.entity.parents, made.device) == (EntityUID("User", "ana"), frozenset(), None)


def test_one_claim_may_become_two_attributes_and_an_absent_one_none() -> None:
    config = PrincipalConfig(attributes={"one": "claim", "two": "claim", "three": "absent"})
    assert subject({"claim": 1}, config).entity.attrs == {"one": 1, "two": 1}


def test_claims_are_named_whole_and_not_by_a_path() -> None:
    config = PrincipalConfig(attributes={"a": "b.c", "d": "https://issuer.example/d"})
    claims: dict[str, Json] = {"b": {"c": 1}, "b.c": 2, "https://issuer.example/d": 3}
    assert subject(claims, config).entity.attrs == {"a": 2, "d": 3}


def test_the_id_is_taken_from_the_configured_claim() -> None:
    config = PrincipalConfig(id_claim="email", type="Tenant::Person")
    assert subject({"email": "ana@example"}, config).uid == EntityUID("Tenant::Person", "ana@example")
    with pytest.raises(IdentityError, match="no claim `email`"):
        subject({}, config)


@pytest.mark.parametrize("id", [" ", "\n", 'a"b', "::", "😀", "a" * 10_000])
def test_an_id_is_any_text_that_is_not_empty(id: str) -> None:
    assert subject({"sub": id}).uid == EntityUID("User", id)


TYPED = PrincipalConfig(type="User", type_claim="kind", types={"service": "Workload", "person": "User"})


@pytest.mark.parametrize(
    ("claims", "type"), [({}, "User"), ({"kind": "service"}, "Workload"), ({"kind": "person"}, "User")]
)
def test_the_type_is_looked_up(claims: Mapping[str, Json], type: str) -> None:
    assert subject(claims, TYPED).uid == EntityUID(type, "ana")


@pytest.mark.parametrize("kind", ["Workload", "Service", "service ", "", None, 1, ["service"]])
def test_a_type_that_is_not_listed_refuses_the_token(kind: Json) -> None:
    with pytest.raises(IdentityError, match="`kind`"):
        subject({"kind": kind}, TYPED)


GROUPED = PrincipalConfig(groups_claim="roles", groups_type="Tenant::Role", device_claim="did", device_type="Phone")


def test_groups_are_parents() -> None:
    made = subject({"roles": ["b", "a", "b"]}, GROUPED)
    assert made.entity.parents == {EntityUID("Tenant::Role", "a"), EntityUID("Tenant::Role", "b")}
    assert subject({"roles": []}, GROUPED).entity.parents == subject({}, GROUPED).entity.parents == frozenset()


def test_nobody_is_a_member_of_himself() -> None:
    with pytest.raises(IdentityError, match="member of itself"):
        subject({"roles": ["bob", "ana"]}, PrincipalConfig(groups_claim="roles", groups_type="User"))


def test_the_device_is_named() -> None:
    assert subject({"did": "p-1"}, GROUPED).device == EntityUID("Phone", "p-1")
    assert subject({}, GROUPED).device is None


def test_messages_name_the_claim_and_not_what_it_holds() -> None:
    config = PrincipalConfig(attributes={"a": "claim"}, groups_claim="roles", type_claim="kind", types={"x": "User"})
    wrong: list[dict[str, Json]] = [
        {"claim": {"secret": None}},
        {"roles": ["secret", 1]},
        {"kind": "secret"},
        {"sub": ["secret"]},
    ]
    for claims in wrong:
        with pytest.raises(IdentityError) as caught:
            subject(claims, config)
        assert "secret" not in caught.value.render()
        assert next(iter(claims)) in caught.value.message
