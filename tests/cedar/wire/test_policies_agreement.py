"""JSON policies against the Rust engine: corpora, mutants, whole worlds; and what any input gives."""

import json
import random
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_mutants import json_mutants
from json_policies import LINK, PERMIT, TEMPLATE, UID, parse, policy_set, read, when
from rust_json import accepts_policy_set, decide, policy_set_json, policy_set_text
from rust_policies import read_policies
from shared_data import shared_data
from strategies import World, worlds
from texts import mutants

from pdp.cedar.entities import Entities
from pdp.cedar.errors import CedarError, JsonError
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policies
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.policies import parse_policy_set, write_policy, write_policy_set
from pdp.evaluate.authorize import authorize

# The Rust engine's JSON of texts


def spelt_out(written: dict[str, Any]) -> Any:
    """Our JSON as the Rust engine writes it: `has` of several names as the tests that they stand for."""
    return json.loads(json.dumps(written), object_hook=_spelt_out)


def _spelt_out(fields: dict[str, Any]) -> dict[str, Any]:
    match fields:
        case {"has": {"left": left, "attr": [*names]}} if len(fields) == 1:
            chain: dict[str, Any] | None = None
            for name in names:
                test = {"has": {"left": left, "attr": name}}
                chain = test if chain is None else {"&&": {"left": chain, "right": test}}
                left = {".": {"left": left, "attr": name}}
            assert chain is not None
            return chain
        case _:
            return fields


@cache
def shared_texts() -> tuple[str, ...]:
    """Every policy text of the reference data but the corpus, and a part of the corpus."""
    folders = [shared_data(f"cedar/{name}") for name in ("handwritten", "use-cases", "oopsla", "formatter")]
    texts = [path.read_bytes().decode() for folder in folders for path in sorted(folder.rglob("*.cedar"))]
    assert len(texts) > 100
    return (*texts, *random.Random(1).sample(list(_corpus()), 2_500))


def _corpus() -> Iterator[str]:
    with tarfile.open(shared_data("cedar/corpus-tests-4.10.tar.gz")) as archive:
        for member in archive:
            if member.name.endswith(".cedar") and (file := archive.extractfile(member)) is not None:
                yield file.read().decode()


def test_texts_become_the_json_that_the_rust_engine_writes() -> None:
    for text in shared_texts():
        policies = parse(text)
        written = write_policy_set(policies)
        assert read(written) == policies
        ours = spelt_out(written)
        assert {**ours["staticPolicies"], **ours["templates"]} == read_policies(text)
        theirs = parse_policy_set(Source("theirs.json", policy_set_json(text)))
        # Written again, for the engine sorts the fields of records.
        assert write_policy_set(theirs) == write_policy_set(read(ours))


# Documents that are nearly right

OPERATORS_TEXT: Final = r"""
permit(principal == User::"a", action == Action::"r", resource is File) when {
    if !(principal in [resource, User::"a"]) then 1 + 2 * 3 - -principal.age < 4 else context["a b"] != {a: [], "": 1}
};
forbid(principal in ?principal, action in Action::"g", resource is N::File in ?resource) unless {
    principal is N::User in resource || principal has a.b && principal.name like "x*\*" || [1].contains(2) ||
    [].containsAll([]) || [true].containsAny([]) || [].isEmpty() || principal.hasTag("t") && principal.getTag("t") == 1
};
@id("x") @n
permit(principal, action in [Action::"r", N::Action::"w"], resource in F::"f") when {
    ip("::1").isInRange(ip("::/8")) && datetime("2024-01-01").offset(duration("1d")) >= context.now ||
    decimal("1.0").lessThan(decimal("2.0"))
} when { true };
"""
ONLY_JSON: Final[tuple[Any, ...]] = (
    {"Value": {"a": [1, {"__entity": UID}], "b": {"__extn": {"fn": "ip", "arg": "::1"}}}},
    {"Value": [{"__extn": {"fn": "offset", "args": [1, "a"]}}, {"__entity": {"type": "N::T", "id": ""}}, True]},
    {"has": {"left": {"Value": "a"}, "attr": ["if", "", "b c"]}},
    {"is": {"left": {"Var": "principal"}, "entity_type": "A", "in": None}},
    {"like": {"left": {"Var": "action"}, "pattern": ["Wildcard", "Wildcard", {"Literal": "ab*"}, {"Literal": ""}]}},
    {"&&": {"left": {"Value": True}, "right": {"||": {"left": {"Value": False}, "right": {"Value": 1}}}}},
    {"!": {"arg": {"!": {"arg": {"!": {"arg": {"!": {"arg": {"!": {"arg": {"isIpv4": []}}}}}}}}}}},
    {
        "<": {
            "left": {"<": {"left": {"Var": "context"}, "right": {"Value": -1}}},
            "right": {"neg": {"arg": {"Value": 1}}},
        }
    },
)
WORDS: Final = (
    "op", "entity", "entities", "slot", "entity_type", "in", "All", "all", "==", "is", "effect", "permit", "forbid",
    "principal", "action", "resource", "conditions", "annotations", "kind", "body", "when", "unless", "left", "right",
    "arg", "attr", "pattern", "Wildcard", "Literal", "if", "then", "else", "type", "id", "__entity", "__extn", "__expr",
    "fn", "args", "templateId", "newId", "values", "templates", "staticPolicies", "templateLinks", "?principal",
    "?resource", "User", "Action", "A::B", "Value", "Var", "&&", "||", "!", "neg", ".", "has", "like", "if-then-else",
    "Set", "Record", "contains", "isEmpty", "ip", "decimal", "isIpv4", "offset", "policy0", "p", "l", "t", "a",
)  # fmt: skip

STRICTER: Final = re.compile(
    # What the Rust engine overlooks and `forms`, `scopes`, `expressions` and `policies` say they refuse.
    r"unknown key .* in the (principal|action|resource)'s scope with `[Aa]ll`"
    r"|the (.* of the )?(principal|action|resource)'s scope with .* has both .*"
    r"|unknown key .* in `has`"
    r"|.* must be an object, found an array|expected an entity uid, found an (array|object)"
    r"|.* must be a string, found an object|unknown key \"Wildcard\" in a part of a pattern"
    r"|the policy has no slot and stands under `templates`"
    r"|there is no extension function .*",
    re.DOTALL,
)


def seeds() -> list[Any]:
    whole = json.loads(json.dumps(write_policy_set(parse(OPERATORS_TEXT))))
    both_slots = {**TEMPLATE, "resource": {"op": "in", "slot": "?resource"}}
    values = {"?resource": UID, "?principal": {"__entity": UID}}
    return [
        whole,
        *(policy_set({"p": policy}) for policy in whole["staticPolicies"].values()),
        *(policy_set({"p": when(body)}) for body in ONLY_JSON),
        policy_set({"a": PERMIT}, {"t": TEMPLATE}, [LINK]),
        policy_set({}, {"t": TEMPLATE, "u": both_slots}, [LINK, {"templateId": "u", "newId": "m", "values": values}]),
    ]


def test_mutants_are_read_as_the_rust_engine_reads_them() -> None:
    counts: Counter[str] = Counter()
    for mutant in json_mutants(random.Random(1), seeds(), WORDS, 8_000):
        text = json.dumps(mutant)
        theirs = accepts_policy_set(text)
        policies = read_or_error(text)
        if isinstance(policies, CedarError):
            assert not theirs or STRICTER.fullmatch(policies.message), (policies.message, text)
            counts["stricter" if theirs else "refused"] += 1
            continue
        assert theirs, text
        counts["read"] += 1
        counts["meant the same"] += means_the_same(policies, text)
        written = json.dumps(write_policy_set(policies))
        assert parse_policy_set(Source("written.json", written)) == policies
        assert accepts_policy_set(written), text
    assert counts["read"] > 1_500
    assert counts["refused"] > 3_000
    assert counts["meant the same"] > 1_000
    assert 0 < counts["stricter"] < 400


def read_or_error(text: str) -> PolicySet | CedarError:
    """The policies of a document, or the error, which must have a place and a line to show."""
    try:
        return parse_policy_set(Source("mutant.json", text))
    except CedarError as error:
        refusal = error
    assert refusal.source is not None
    assert refusal.position is not None
    assert refusal.render()
    return refusal


def means_the_same(policies: PolicySet, text: str) -> bool:
    """Checks what was read against what the Rust engine read, through the text that it prints; False if it cannot.

    It prints static policies, and links filled in.
    """
    printed = policy_set_text(text)
    if printed is None:  # it panics over a method without a receiver
        return False
    try:
        theirs = parse_policies(Source("printed.cedar", printed))
    except CedarError:  # `x has a."b c"`, which is no Cedar
        return False
    assert sorted(map(_comparable, theirs)) == sorted(map(_comparable, policies.linked())), text
    return True


def _comparable(policy: Policy) -> str:
    """A policy without its id and without the order of annotations and of a record's fields."""
    return json.dumps(write_policy(policy), sort_keys=True)


def equal(left: Any, right: Any) -> Any:
    return {"==": {"left": left, "right": right}}


NESTED: Final = {"Value": {"if": {"b c": [1, {"__entity": UID}]}}}
HOLDING: Final[tuple[Any, ...]] = (
    equal(NESTED, {"Record": {"if": {"Record": {"b c": {"Set": [{"Var": "principal"}, {"Value": 1}]}}}}}),
    {"has": {"left": NESTED, "attr": ["if", "b c"]}},
    equal({"Value": {"__extn": {"fn": "ip", "arg": "::1"}}}, {"ip": [{"Value": "::1"}]}),
    {"Value": {"__extn": {"fn": "isIpv6", "arg": {"__extn": {"fn": "ip", "args": ["::1"]}}}}},
    {"like": {"left": {"Value": "zab*"}, "pattern": ["Wildcard", "Wildcard", {"Literal": "ab*"}, {"Literal": ""}]}},
    {"is": {"left": {"Var": "principal"}, "entity_type": "User", "in": None}},
    equal({"neg": {"arg": {"Value": -1}}}, {"Value": 1}),
    equal(equal({"Value": 1}, {"Value": 1}), {"Value": True}),
    {"||": {"left": {"&&": {"left": {"Value": True}, "right": {"Value": False}}}, "right": {"Value": True}}},
    {"Value": True},
)


def test_what_only_json_says_has_the_rust_engines_value() -> None:
    negated = [{"!": {"arg": body}} for body in HOLDING]
    document = policy_set({f"p{index}": when(body) for index, body in enumerate((*HOLDING, *negated, *ONLY_JSON))})
    request = Request(EntityUID("User", "a"), EntityUID("Action", "r"), EntityUID("File", "f"))
    ours = authorize(request, read(document), Entities())
    (theirs,) = decide(json.dumps(document), Entities(), [request])
    assert theirs == (ours.decision, ours.reasons, ours.erroring)
    assert ours.reasons == {f"p{index}" for index in range(len(HOLDING))}
    assert len(ours.erroring) > 3


def test_mutants_of_the_text_are_refused_with_a_place() -> None:
    texts = [json.dumps(document) for document in (policy_set(), policy_set({"p": PERMIT}), PERMIT)]
    refused = 0
    for text in mutants(random.Random(2), texts, '{}[]:,"\\ \n\0\u2028e.-+0naft', 4_000):
        if isinstance(read_or_error(text), CedarError):
            refused += 1
        else:
            assert accepts_policy_set(text)
    assert refused > 3_000


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_policies_or_a_refusal(data: bytes) -> None:
    with pytest.raises(JsonError):
        parse_policy_set(Source("noise.json", data.decode("utf-8", "surrogateescape")))


# Whole worlds: what is decided does not change


@settings(max_examples=250)
@given(worlds())
def test_json_decides_as_the_policies_it_was_written_for(world: World) -> None:
    text = json.dumps(write_policy_set(world.policies))
    again = parse_policy_set(Source("world.json", text))
    for request, theirs in zip(world.requests, decide(text, world.entities, world.requests), strict=True):
        before = authorize(request, world.policies, world.entities)
        after = authorize(request, again, world.entities)
        assert after == before
        assert theirs == (after.decision, after.reasons, after.erroring)


@settings(max_examples=150)
@given(worlds())
def test_json_keeps_whatever_text_says(world: World) -> None:
    templates = [*world.policies.static.values(), *world.policies.templates.values()]
    printed = parse_policies(Source("world.cedar", print_policies(templates)))
    policies = PolicySet(
        (replace(policy, id=template.id) for policy, template in zip(printed, templates, strict=True)),
        world.policies.links.values(),
    )
    assert read(write_policy_set(policies)) == policies
