"""The section `ext_authz`: what is read, what is the default, and every refusal with its place."""

from typing import Final

import pytest

from pdp.cedar.source import Source
from pdp.config.ext_authz import ContextSource, ExtAuthzConfig, Kind, read_ext_authz
from pdp.documents import DocumentError, parse_yaml


def read(text: str) -> ExtAuthzConfig:
    return read_ext_authz(parse_yaml(Source("pdp.yaml", text)))


def test_without_the_section() -> None:
    assert read_ext_authz(None) == ExtAuthzConfig()
    assert {name: str(source) for name, source in ExtAuthzConfig().context.items()} == {
        "region": "extension:region",
        "ip": "source:address",
    }
    assert read("denial_body: brief").context == ExtAuthzConfig().context


SOURCES: Final = {
    **{kind.value: (kind, "") for kind in (Kind.METHOD, Kind.HOST, Kind.PATH, Kind.SCHEME, Kind.PROTOCOL, Kind.SNI)},
    "header:x-tenant": (Kind.HEADER, "x-tenant"),
    "query:Page.size": (Kind.QUERY, "Page.size"),
    "body:json": (Kind.BODY, "json"),
    "body:text": (Kind.BODY, "text"),
    "body:partial": (Kind.BODY, "partial"),
    **{
        f"{kind.value}:{part}": (kind, part)
        for kind in (Kind.SOURCE, Kind.DESTINATION)
        for part in ("address", "principal", "certificate")
    },
    "client:principal": (Kind.CLIENT, "principal"),
    "client:certificate": (Kind.CLIENT, "certificate"),
    "extension:tier": (Kind.EXTENSION, "tier"),
    "metadata:envoy.filters.http.jwt_authn": (Kind.METADATA, "envoy.filters.http.jwt_authn"),
    "route_metadata:a:b": (Kind.ROUTE_METADATA, "a:b"),
}


def test_every_kind_of_source_is_here() -> None:
    assert {kind for kind, _ in SOURCES.values()} == set(Kind)


@pytest.mark.parametrize("text", SOURCES)
def test_a_source(text: str) -> None:
    found = read(f"context: {{a: '{text}'}}").context
    assert found == {"a": ContextSource(*SOURCES[text])}
    assert str(found["a"]) == text


def test_everything_else() -> None:
    found = read(
        "context: {order: body:json, cut: body:partial}\n"
        "body: {max_bytes: 1000, partial: absent, unknown_fields: ignore}\n"
        "forwarders: [spiffe://a/proxy]\n"
        "certificate_subjects: true\n"
        "denial_body: empty\n"
    )
    assert (found.body.max_bytes, found.body.partial, found.body.unknown_fields) == (1000, "absent", "ignore")
    assert (found.forwarders, found.denial_body) == (("spiffe://a/proxy",), "empty")
    assert (found.certificate_subjects, ExtAuthzConfig().certificate_subjects) == (True, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((f"context: {{a: '{source}'}}", "names no") for source in ("headers", "Method", "header", "header:")),
        *((f"context: {{a: '{source}'}}", "names no") for source in ("header:X-A", "header:a b", "query:", "method:x")),
        *(
            (f"context: {{a: '{source}'}}", "names no")
            for source in ("body", "body:xml", "source:port", "client:address")
        ),
        *((f"context: {{a: '{source}'}}", "names no") for source in ("method:", "extension:", "metadata:")),
        ("context: {a: 7}", "must be a text"),
        ("context: {a: ''}", "must be a text"),
        ("context: {a-b: method}", "is no name of an attribute"),
        ("context: []", "must be a mapping"),
        ("body: {max_bytes: 10}", "`context` names no body"),
        ("context: {a: body:text}\nbody: {max_bytes: 0}", "from 1 to 1048576"),
        ("context: {a: body:text}\nbody: {max_bytes: 1048577}", "from 1 to 1048576"),
        ("context: {a: body:text}\nbody: {partial: absent}", "no policy could see"),
        ("context: {a: body:text}\nbody: {partial: keep}", "cannot be"),
        ("context: {a: body:text}\nbody: {unknown_fields: keep}", "cannot be"),
        ("context: {a: body:text}\nbody: {bytes: 1}", "unknown key"),
        ("forwarders: spiffe://a", "must be a list"),
        ("forwarders: ['']", "must be a text"),
        ("denial_body: none", "cannot be"),
        ("certificate_subjects: 1", "must be `true` or `false`"),
        ("denials: brief", "unknown key"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert message in caught.value.message
    assert caught.value.render().startswith("pdp.yaml:")
