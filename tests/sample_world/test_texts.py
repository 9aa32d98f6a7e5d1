"""The sample world is there to be read: each policy says who it is, why it decides, and what principle it serves."""

import re
from typing import Final

import pytest
from consortium import consortium

from pdp.cedar.policy import Policy

POLICIES = consortium().policies

TENETS: Final = tuple(f"NIST SP 800-207 tenet {number}" for number in range(1, 8))
PILLARS: Final = ("Identity", "Devices", "Networks", "Applications and Workloads", "Data")
ACROSS: Final = ("Visibility and Analytics", "Automation and Orchestration", "Governance")
"""The capabilities that lie across CISA's pillars (Zero Trust Maturity Model, version 2.0)."""

_NAMED: Final = re.compile(
    r"NIST SP 800-207 tenet [1-7]\b"
    rf"|CISA ZTMM[:,] (?:{'|'.join(PILLARS)}) pillar"
    rf"|CISA ZTMM[:,] (?:{'|'.join(ACROSS)})\b"
)


def comment(policy: Policy) -> str:
    """The lines of comment directly above a policy, as one line."""
    assert policy.source is not None
    assert policy.span is not None
    lines = policy.source.text[: policy.span.start].splitlines()
    first = next((place for place in range(len(lines), 0, -1) if not lines[place - 1].startswith("//")), 0)
    return " ".join(line.removeprefix("//").strip() for line in lines[first:])


def words(policy: Policy, annotation: str) -> str:
    return policy.annotations.get(annotation) or ""


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.id for policy in POLICIES])
class TestEveryPolicy:
    def test_it_says_why_it_decides(self, policy: Policy) -> None:
        """For a person, and in one line: it comes into a header, a log and a console."""
        reason = words(policy, "reason")
        assert len(reason.split()) >= 3
        assert reason.isprintable()
        assert reason[0].isupper()
        assert not reason.endswith(".")

    def test_it_names_the_principle_that_it_serves(self, policy: Policy) -> None:
        assert _NAMED.search(comment(policy)), comment(policy)


def test_a_reason_is_given_once() -> None:
    reasons = [words(policy, "reason") for policy in POLICIES]
    assert [reason for reason in reasons if reasons.count(reason) > 1] == []


@pytest.mark.parametrize("principle", [*TENETS, *(f"{pillar} pillar" for pillar in PILLARS), *ACROSS])
def test_every_principle_is_served(principle: str) -> None:
    texts = {policy.source.text for policy in POLICIES if policy.source is not None}
    assert any(principle in " ".join(text.replace("//", " ").split()) for text in texts)


def test_there_is_enough_to_learn_from() -> None:
    assert len(POLICIES) >= 35
    assert len(consortium().cases) >= 60
