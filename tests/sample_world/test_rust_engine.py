"""The Rust engine (`cedarpy`) reads the sample world's files, finds them strictly valid and decides its cases alike.

It gets the text of the files and not what we read in them, and the schema with every question: it checks the entities
and the request against it, too.
"""

import json
from functools import cache
from pathlib import Path

import cedarpy
import pytest
from consortium import DIRECTORY, consortium

from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import write_entities
from pdp.cedar.wire.values import write_value
from pdp.engine.decider import ReasonClass

FILES = sorted(DIRECTORY.glob("*/**/*.cedar"))
SCHEMA = (DIRECTORY / "schema.cedarschema").read_text("utf-8")


def texts() -> str:
    return "\n".join(path.read_text("utf-8") for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(DIRECTORY)) for path in FILES])
def test_a_file_is_strictly_valid(path: Path) -> None:
    result = cedarpy.validate_policies(path.read_text("utf-8"), SCHEMA)
    assert result.validation_passed, result.errors


def test_all_files_together_are_strictly_valid_and_a_mistake_in_them_is_not() -> None:
    assert cedarpy.validate_policies(texts(), SCHEMA).validation_passed
    assert not cedarpy.validate_policies(texts().replace("principal has risk && ", ""), SCHEMA).validation_passed


@cache
def schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str(SCHEMA)


@cache
def policy_set(left_out: frozenset[str]) -> cedarpy.PolicySet:
    """The policies of the files by their `@id`s, and a link for every grant but these."""
    document = json.loads(cedarpy.policies_to_json_str(texts()))
    for part in ("staticPolicies", "templates"):
        document[part] = {policy["annotations"]["id"]: policy for policy in document[part].values()}
    document["templateLinks"] = [
        {
            "templateId": grant.template_id,
            "newId": grant.id,
            "values": {"?principal": entity(grant.principal), "?resource": entity(grant.resource)},
        }
        for grant in consortium().facts.grants.values()
        if grant.id not in left_out
    ]
    assert len(document["staticPolicies"]) + len(document["templates"]) == len(consortium().policies)
    return cedarpy.PolicySet.from_json_str(json.dumps(document))


@cache
def entities(text: str) -> cedarpy.Entities:
    return cedarpy.Entities.from_json_str(text, schema())


def entity(uid: EntityUID) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}


def test_the_cases_are_decided_alike() -> None:
    world = consortium()
    rehearsal = world.rehearsal(world.world())
    asked = [case for case in world.cases if case.expect.reason != ReasonClass.INVALID_REQUEST.value]
    assert len(asked) >= 60
    for case in asked:
        enriched = rehearsal.enriched(case)
        request = enriched.request
        theirs = cedarpy.is_authorized(
            {
                "principal": entity(request.principal),
                "action": entity(request.action),
                "resource": entity(request.resource),
                "context": write_value(request.context),
            },
            policy_set(enriched.not_in_force),
            entities(json.dumps(write_entities(enriched.entities))),
            schema(),
        )
        assert theirs.diagnostics.errors == [], case.name
        assert (theirs.decision is cedarpy.Decision.Allow) is (case.expect.decision is Decision.ALLOW), case.name
        assert frozenset(theirs.diagnostics.reasons) == case.expect.policies, case.name
