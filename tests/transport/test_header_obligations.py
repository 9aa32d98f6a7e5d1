"""Which headers a policy may set, seen when policies are loaded."""

import pytest

from pdp.cedar.errors import PolicySetError
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set
from pdp.engine.decider import Obligation
from pdp.transport.header_obligations import BadHeader, Header, policy_headers, read_header


def test_a_header() -> None:
    assert read_header(Obligation("header", "x-scope=own=1; ", "p")) == Header("x-scope", "own=1; ")
    assert read_header(Obligation("header", "x-scope=", "p")) == Header("x-scope", "")


def test_a_header_that_policies_may_not_set() -> None:
    with pytest.raises(BadHeader, match="may not set"):
        read_header(Obligation("header", "x-pdp-principal=root", "p"))


def test_the_headers_of_a_policy_set_are_those_of_all_its_policies() -> None:
    policies = parse_policy_set(
        Source(
            "p.cedar",
            '@obligation("header:x-a=1;mask:iban") permit(principal, action, resource);\n'
            '@obligation("header:x-b=1") permit(principal == ?principal, action, resource);\n'
            '@obligation("notify:dpo") forbid(principal, action, resource);',
        )
    )
    assert policy_headers(policies) == {"x-a", "x-b"}


def test_a_bad_header_stops_the_load_and_says_where() -> None:
    text = 'permit(principal, action, resource);\n@obligation("header:host=evil")\npermit(principal, action, resource);'
    with pytest.raises(PolicySetError, match="names a header that policies may not set") as caught:
        policy_headers(parse_policy_set(Source("p.cedar", text)))
    assert caught.value.render().startswith("p.cedar:2:1: ")
