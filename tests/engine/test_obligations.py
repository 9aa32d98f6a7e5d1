"""The `@obligation` convention."""

import pytest

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import Policy
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.engine.obligations import read_obligations


def policy(annotation: str) -> Policy:
    (only,) = parse_policies(Source("p.cedar", f"{annotation}\npermit(principal, action, resource);"))
    return only


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("", []),
        ('@obligation("mask:iban")', [("mask", "iban")]),
        ('@obligation("mask:iban; notify:dpo")', [("mask", "iban"), ("notify", "dpo")]),
        ('@obligation("notify")', [("notify", "")]),
        ('@obligation("header:x-data-class=a:b")', [("header", "x-data-class=a:b")]),
    ],
)
def test_forms(annotation: str, expected: list[tuple[str, str]]) -> None:
    assert [(found.kind, found.argument) for found in read_obligations(policy(annotation))] == expected


@pytest.mark.parametrize(
    "annotation", ["@obligation", '@obligation("")', '@obligation("Mask:x")', '@obligation("a:b;")']
)
def test_other_forms_are_refused_with_a_place(annotation: str) -> None:
    with pytest.raises(PolicySetError, match="has no kind") as caught:
        read_obligations(policy(annotation))
    assert caught.value.position is not None
    assert caught.value.help
