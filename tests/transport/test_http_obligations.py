"""What policies may have a proxy do, seen when policies are loaded."""

import pytest

from pdp.cedar.errors import PolicySetError
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set
from pdp.transport.http_obligations import (
    NO_NAMES,
    AppendHeader,
    BadDuty,
    Duty,
    PolicyNames,
    RemoveHeader,
    RemoveQuery,
    SetHeader,
    SetQuery,
    SetResponseHeader,
    SetStatus,
    policy_names,
    read_duty,
)


def names(text: str) -> PolicyNames:
    return policy_names(parse_policy_set(Source("p.cedar", text)))


@pytest.mark.parametrize(
    ("kind", "argument", "duty"),
    [
        ("header", "x-scope=own=1; ", SetHeader("x-scope", "own=1; ")),
        ("header", "x-scope=", SetHeader("x-scope", "")),
        ("header-append", "x-scope=a b", AppendHeader("x-scope", "a b")),
        ("header-remove", "authorization", RemoveHeader("authorization")),
        ("query-set", "Page_size=10", SetQuery("Page_size", "10")),
        ("query-set", "a=", SetQuery("a", "")),
        ("query-remove", "debug", RemoveQuery("debug")),
        ("response-header", "cache-control=private, no-store", SetResponseHeader("cache-control", "private, no-store")),
        ("status", "404", SetStatus(404)),
        ("mask", "iban", None),
        ("headers", "x-a=1", None),
        ("step-up", "mfa", None),
    ],
)
def test_duties(kind: str, argument: str, duty: Duty | None) -> None:
    assert read_duty(kind, argument) == duty


@pytest.mark.parametrize("name", ["x-pdp-principal", "authorization", "dpop", "host", "x-forwarded-for", "x-envoy-a"])
@pytest.mark.parametrize("kind", ["header", "header-append"])
def test_a_header_that_policies_may_not_set(kind: str, name: str) -> None:
    with pytest.raises(BadDuty, match="may not set"):
        read_duty(kind, f"{name}=root")


@pytest.mark.parametrize("argument", ["", "200", "401", "407", "302", "500", "0404", "40４", "451", "-404", "404 "])
def test_a_status_that_no_denial_has(argument: str) -> None:
    with pytest.raises(BadDuty, match="none of the statuses"):
        read_duty("status", argument)


def test_the_names_of_a_policy_set_are_those_that_its_policies_set() -> None:
    found = names(
        '@obligation("header:x-a=1;mask:iban;header-append:x-c=1;query-set:tier=gold;response-header:x-d=1")'
        " permit(principal, action, resource);\n"
        '@obligation("header:x-b=1;header-remove:x-e;query-remove:page")'
        " permit(principal == ?principal, action, resource);\n"
        '@obligation("notify:dpo;status:404;response-header:x-f=1") forbid(principal, action, resource);'
    )
    assert found == PolicyNames(frozenset({"x-a", "x-b", "x-c"}), frozenset({"tier"}))
    assert found | NO_NAMES == found
    assert PolicyNames(query=frozenset({"a"})) | found == PolicyNames(found.headers, frozenset({"a", "tier"}))


@pytest.mark.parametrize(
    ("annotation", "effect", "message"),
    [
        ("header:host=evil", "permit", "names a header that policies may not set"),
        ("header-remove:host", "permit", "names a header that policies may not remove"),
        ("response-header:set-cookie=a", "permit", "names a header that policies may not set"),
        ("header-apend:x-a=1", "permit", "is none of the kinds `header`, `header-append`, "),
        ("header-append:x-a=1,2", "permit", "`header-append:<name>=<value>`, with a value that has no comma"),
        ("header-append:x-good=2", "permit", "sets what another policy appends to"),
        ("query-set:a=%20", "permit", "`query-set:<name>=<value>`, of letters, digits"),
        ("query-remove:a=1", "permit", "`query-remove:<name>`, of letters, digits"),
        ("status:404", "permit", "says nothing at a policy that permits"),
        ("status:500", "forbid", "none of the statuses that a denial may have"),
        ("header:x-a=1", "forbid", "says nothing at a policy that forbids"),
        ("header-append:x-a=1", "forbid", "says nothing at a policy that forbids"),
        ("header-remove:x-a", "forbid", "says nothing at a policy that forbids"),
        ("query-set:a=1", "forbid", "says nothing at a policy that forbids"),
        ("query-remove:a", "forbid", "says nothing at a policy that forbids"),
    ],
)
def test_a_bad_obligation_stops_the_load_and_says_where(annotation: str, effect: str, message: str) -> None:
    good = '@obligation("header:x-good=1") permit(principal, action, resource);\n'
    with pytest.raises(PolicySetError) as caught:
        names(f'{good}@obligation("{annotation}")\n{effect}(principal, action, resource);')
    assert message in caught.value.message
    assert caught.value.render().startswith("p.cedar:2:1: ")
