"""What `from pdp.cedar import ...` offers: all of it is there, its examples hold, and it costs nothing unless used."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pdp.cedar
from pdp.cedar import (
    CedarError,
    Decision,
    EntityUID,
    Request,
    Severity,
    authorize,
    compile_policies,
    format_policies,
    parse_context,
    parse_entities,
    parse_json_policies,
    parse_json_schema,
    parse_policies,
    parse_schema,
    policies_to_json,
    policies_to_text,
    schema_to_json,
    schema_to_text,
    validate_policies,
)
from pdp.cedar.values import IPAddr

SCHEMA = """
entity Group;
entity User in [Group] { name: String };
entity File { secret: Bool };
action read appliesTo { principal: User, resource: File, context: { ip?: ipaddr } };
"""
POLICIES = """
@id("staff")
permit(principal in Group::"staff", action == Action::"read", resource) unless { resource.secret };
@id("office")
forbid(principal, action, resource) unless { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };
"""
ENTITIES = """[
    {"uid": {"type": "User", "id": "ana"}, "attrs": {"name": "Ana"}, "parents": [{"type": "Group", "id": "staff"}]},
    {"uid": {"type": "File", "id": "plan"}, "attrs": {"secret": false}, "parents": []}
]"""
ANA, READ, PLAN = EntityUID("User", "ana"), EntityUID("Action", "read"), EntityUID("File", "plan")


def test_every_name_is_where_it_is_said_to_be() -> None:
    assert sorted(pdp.cedar.__all__) == dir(pdp.cedar)
    for home, names in pdp.cedar._HOMES.items():
        for name in names:
            assert getattr(pdp.cedar, name) is getattr(importlib.import_module(home), name)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'parse_policy'"):
        _ = pdp.cedar.parse_policy  # type: ignore[attr-defined]  # that it is not there is the test


def test_one_module_of_the_language_does_not_bring_the_others() -> None:
    code = "import sys, pdp.cedar.values; sys.exit(len([m for m in sys.modules if m.startswith('pdp.')]) - 2)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_examples_hold() -> None:
    results = doctest.testmod(importlib.import_module("pdp.cedar.api"))
    assert results.attempted >= 10
    assert results.failed == 0


def test_the_readmes_example_holds() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    examples = "\n".join(re.findall(r"```pycon\n(.*?)```", readme, re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    assert len(parsed.examples) >= 5
    assert doctest.DocTestRunner().run(parsed).failed == 0


def test_from_text_to_decision() -> None:
    schema = parse_schema(SCHEMA)
    policies = parse_policies(POLICIES, id_annotation="id")
    assert validate_policies(policies, schema) == ()
    entities = parse_entities(ENTITIES, schema)
    context = parse_context('{"ip": "10.1.2.3"}', schema, READ)
    assert context.fields == {"ip": IPAddr(4, 0x0A010203, 32)}
    program = compile_policies(policies)
    for request, decision, reason in (
        (Request(ANA, READ, PLAN, context), Decision.ALLOW, "staff"),
        (Request(ANA, READ, PLAN), Decision.DENY, "office"),
    ):
        for response in (authorize(request, policies, entities), program.authorize(request, entities)):
            assert response.decision is decision
            assert response.reasons == {reason}


def test_ids_are_positional_unless_an_annotation_gives_them() -> None:
    assert list(parse_policies(POLICIES).static) == ["policy0", "policy1"]
    with pytest.raises(CedarError, match="duplicate policy id"):
        parse_policies('@id("a") permit(principal,action,resource);' * 2, id_annotation="id")


def test_formats_translate_without_loss() -> None:
    policies = parse_policies(POLICIES)
    assert parse_json_policies(policies_to_json(policies)) == policies
    assert parse_policies(policies_to_text(policies)) == policies
    assert parse_policies(format_policies(POLICIES)) == policies
    as_json = schema_to_json(SCHEMA)
    assert parse_json_schema(as_json) == parse_schema(SCHEMA) == parse_schema(schema_to_text(as_json))


def test_a_finding_tells_what_to_do() -> None:
    [found] = validate_policies(
        parse_policies("permit(principal, action, resource) when { principal.nam == 1 };"), parse_schema(SCHEMA)
    )
    assert found.severity is Severity.ERROR
    assert "did you mean `name`?" in found.render()


def test_context_without_a_schema_is_read_by_its_escapes() -> None:
    assert parse_context('{"n": 1}').fields == {"n": 1}
    with pytest.raises(CedarError, match="expected a record, found an array"):
        parse_context("[]")
