"""The metadata: from the configuration alone, and only what is served."""

import json

import pytest

from pdp.transport.http.authzen.metadata import (
    EVALUATION,
    EVALUATIONS,
    SEARCH_ACTION,
    SEARCH_RESOURCE,
    SEARCH_SUBJECT,
    base_path,
    metadata,
    metadata_path,
)


@pytest.mark.parametrize(
    ("url", "base", "well_known"),
    [
        ("https://pdp.example", "", "/.well-known/authzen-configuration"),
        ("https://pdp.example:8443/tenant1", "/tenant1", "/.well-known/authzen-configuration/tenant1"),
        ("https://pdp.example/a/b", "/a/b", "/.well-known/authzen-configuration/a/b"),
    ],
)
def test_where_things_are(url: str, base: str, well_known: str) -> None:
    assert (base_path(url), metadata_path(url)) == (base, well_known)


def test_the_document() -> None:
    reply = metadata("https://pdp.example/t", (EVALUATION, EVALUATIONS, SEARCH_SUBJECT, SEARCH_RESOURCE, SEARCH_ACTION))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert json.loads(reply.body) == {
        "policy_decision_point": "https://pdp.example/t",
        "access_evaluation_endpoint": "https://pdp.example/t/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.example/t/access/v1/evaluations",
        "search_subject_endpoint": "https://pdp.example/t/access/v1/search/subject",
        "search_resource_endpoint": "https://pdp.example/t/access/v1/search/resource",
        "search_action_endpoint": "https://pdp.example/t/access/v1/search/action",
    }


def test_what_is_not_served_is_not_named() -> None:
    assert set(json.loads(metadata("https://pdp.example", (EVALUATION,)).body)) == {
        "policy_decision_point",
        "access_evaluation_endpoint",
    }
