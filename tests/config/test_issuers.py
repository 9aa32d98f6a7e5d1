"""Issuers in the configuration: one or several, keys in files or at URLs, and who could name whose people."""

from pathlib import Path

import pytest

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config import IdentityConfig, IssuerConfig, PrincipalConfig
from pdp.config.identity import read_identity
from pdp.config.issuers import IntrospectionConfig, KeysUrl
from pdp.config.urls import HttpUrl
from pdp.documents import parse_yaml

BASE = Path("/etc/pdp")
ONE = "issuer: https://a.example\naudience: pdp\nalgorithms: [ES256]\n"


def read(text: str) -> IdentityConfig:
    return read_identity(parse_yaml(Source("pdp.yaml", text)), BASE)


def refused(text: str) -> CedarError:
    with pytest.raises(CedarError) as caught:
        read(text)
    assert caught.value.position is not None
    return caught.value


def issuer(text: str) -> IssuerConfig:
    (found,) = read(text).issuers
    return found


def test_one_issuer_may_stand_in_the_section_itself_or_in_a_list() -> None:
    listed = "issuers:\n- issuer: https://a.example\n  audience: pdp\n  algorithms: [ES256]\n  jwks: k.json\n"
    assert read(ONE + "jwks: k.json").issuers == read(listed).issuers
    assert read(listed).issuers == (IssuerConfig("https://a.example", "pdp", ("ES256",), BASE / "k.json"),)


def test_keys_may_be_at_a_url() -> None:
    url = HttpUrl("https://a.example/keys")
    assert issuer(ONE + "jwks: https://a.example/keys").jwks == KeysUrl(url, None, 900_000, 86_400_000, 5_000)
    told = "jwks: {url: 'https://a.example/keys', ca: ca.pem, refresh: 1m, max_age: 2h, timeout: 3s}"
    assert issuer(ONE + told).jwks == KeysUrl(url, BASE / "ca.pem", 60_000, 7_200_000, 3_000)


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "target"),
    [
        ("https://a.example", True, "a.example", 443, "/"),
        ("https://a.example:8443/k?x=1&y", True, "a.example", 8443, "/k?x=1&y"),
        ("https://192.0.2.1/", True, "192.0.2.1", 443, "/"),
        ("https://[2001:db8::1]:1/k", True, "2001:db8::1", 1, "/k"),
        ("http://127.0.0.1:8080/k", False, "127.0.0.1", 8080, "/k"),
        ("http://127.9.9.9/k", False, "127.9.9.9", 80, "/k"),
        ("http://[::1]/k", False, "::1", 80, "/k"),
        ("http://localhost/k", False, "localhost", 80, "/k"),
    ],
)
def test_urls(url: str, secure: bool, host: str, port: int, target: str) -> None:
    keys = issuer(ONE + f"jwks: '{url}'").jwks
    assert isinstance(keys, KeysUrl)
    found = keys.url
    assert (found.secure, found.host, found.port, found.target) == (secure, host, port, target)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/k", "http://192.0.2.1/k", "http://localhost.evil.example/k", "http://127.0.0.1.example/k"),
        *("https://", "https:///k", "https://user@a.example/k", "https://u:p@a.example/k", "https://a.example/k#f"),
        *("https://a.example:0/k", "https://a.example:99999/k", "https://a.example:/k", "https://a b.example/k"),
        *("https://a.example/a b", "https://a.example/\\u00e9", "https://-a.example/k", "https://[::1/k", "https:a"),
        *("https://[1.2.3.4]/k", "https://a.example/k\\n"),
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    error = refused(ONE + f'jwks: "{url}"')
    assert "is no address" in error.message or "is not encrypted" in error.message


def test_what_only_resembles_a_url_is_a_path() -> None:
    assert issuer(ONE + "jwks: ftp://a.example/k").jwks == BASE / "ftp:/a.example/k"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("refresh: 9s", "must be from"),
        ("refresh: 25h", "must be from"),
        ("max_age: 59s", "must be from"),
        ("max_age: 31d", "must be from"),
        ("timeout: 99ms", "must be from"),
        ("timeout: 61s", "must be from"),
        ("ca: 5", "must be a text"),
        ("redirects: 3", "unknown key"),
        ("refresh: 1h, max_age: 59m", "shorter than"),
    ],
)
def test_bounds_of_keys_at_a_url(told: str, message: str) -> None:
    assert message in refused(ONE + f"jwks: {{url: 'https://a.example/k', {told}}}").message


ASKED = "issuer: https://a.example\naudience: pdp\nintrospection:\n  url: https://a.example/i\n  client_id: me\n"


def test_an_issuer_may_be_asked_instead() -> None:
    found = issuer(ASKED + "  client_secret: secret\n")
    assert (found.jwks, found.algorithms) == (None, ())
    assert found.introspection == IntrospectionConfig(
        HttpUrl("https://a.example/i"), "me", BASE / "secret", None, 1_000, 30_000, 5_000, True
    )
    told = "  client_secret: s\n  ca: ca.pem\n  timeout: 2s\n  max_age: 0ms\n"
    told += "  inactive_age: 1m\n  audience_required: false\n"
    assert issuer(ASKED + told + "algorithms: [ES256]\njwks: k.json\n").introspection == IntrospectionConfig(
        HttpUrl("https://a.example/i"), "me", BASE / "s", BASE / "ca.pem", 2_000, 0, 60_000, False
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("  max_age: 1m\n", "`client_secret` is missing"),
        ("  client_secret: s\n  timeout: 9ms\n", "must be from"),
        ("  client_secret: s\n  timeout: 11s\n", "must be from"),
        ("  client_secret: s\n  max_age: 11m\n", "must be from"),
        ("  client_secret: s\n  inactive_age: 11m\n", "must be from"),
        ("  client_secret: s\n  audience_required: no\n", "must be `true` or `false`"),
        ("  client_secret: s\n  secret: s\n", "unknown key"),
        ("  client_secret: s\nalgorithms: [ES256]\n", "`algorithms` is given without `jwks`"),
        ("  client_secret: s\njwks: k.json\n", "`algorithms` is missing"),
    ],
)
def test_bounds_of_asking(told: str, message: str) -> None:
    assert message in refused(ASKED + told).message


COMMON = "audience: pdp, algorithms: [ES256], jwks: k.json"


def several(*issuers: str, **settings: str) -> str:
    lines = [f"{key}: {value}\n" for key, value in settings.items()]
    for number, more in enumerate(issuers):
        lines.append(f"- {{issuer: 'https://{number}.example', {COMMON}, {more}}}\n")
    return "".join([*lines[: len(settings)], "issuers:\n", *lines[len(settings) :]])


APART: dict[str, tuple[str, ...]] = {
    "types of their own": ("principal: {type: A}", "principal: {type: B}"),
    "a prefix each": ("principal: {id_prefix: a/}", "principal: {id_prefix: b/}"),
    "one with types and one with a prefix": ("principal: {type: A, id_prefix: x}", "principal: {type: B}"),
    "groups of their own": (
        "principal: {type: A, groups_claim: g, groups_type: G}",
        "principal: {type: B, groups_claim: g, groups_type: H}",
    ),
}


@pytest.mark.parametrize("name", APART)
def test_issuers_that_name_only_their_own_people(name: str) -> None:
    assert [found.issuer for found in read(several(*APART[name])).issuers] == ["https://0.example", "https://1.example"]


TOGETHER: dict[str, tuple[str, ...]] = {
    "the same type": ("", ""),
    "the same type among others": ("principal: {type: A, type_claim: k, types: {x: User}}", ""),
    "a prefix of one alone": ("principal: {id_prefix: a/}", ""),
    "a prefix that begins the other one": ("principal: {id_prefix: a}", "principal: {id_prefix: ab}"),
    "the same groups": (
        "principal: {type: A, groups_claim: g}",
        "principal: {type: B, groups_claim: g}",
    ),
    "the same devices": ("principal: {type: A, device_claim: d}", "principal: {type: B, device_claim: d}"),
    "one's groups are the other's people": (
        "principal: {type: A, groups_claim: g, groups_type: B}",
        "principal: {type: B}",
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_issuers_that_could_name_each_others_people_are_refused_unless_that_is_wanted(name: str) -> None:
    error = refused(several(*TOGETHER[name]))
    assert "can both name entities of the type" in error.message
    assert "id_prefix" in (error.help or "")
    assert error.position is not None
    assert error.position.line == 3, "the later one of both"
    assert len(read(several(*TOGETHER[name], shared_principals="true")).issuers) == 2
    refused(several(*TOGETHER[name], shared_principals="false"))


def test_a_list_of_issuers_has_bounds() -> None:
    assert "no issuer is listed" in refused("issuers: []").message
    assert "listed twice" in refused(several("", "").replace("1.example", "0.example")).message
    many = several(*[f"principal: {{type: T{number}}}" for number in range(65)])
    assert "more than 64 issuers" in refused(many).message
    assert "unknown key" in refused(several("") + "issuer: https://a.example\n").message
    assert "unknown key" in refused(several("leeway: 5s")).message


def test_one_issuer_alone_can_be_asked() -> None:
    ask = "introspection: {url: 'https://a.example/i', client_id: me, client_secret: s}"
    assert "another issuer has `introspection`" in refused(several(ask, ask + ", principal: {type: B}")).message


def test_places_of_a_mapping_are_known() -> None:
    found = issuer(ONE + "jwks: k.json\nprincipal:\n  type: A\n  attributes: {x: y}\n").principal
    source, span = found.places["attributes.x"]
    assert source.excerpt(span) == "y"
    assert found == PrincipalConfig(type="A", attributes={"x": "y"}), "places are no part of what is said"
