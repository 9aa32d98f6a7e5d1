"""A mapping of claims against a schema: what can never fit is refused at its place in the configuration."""

from pathlib import Path

import pytest

from pdp.cedar.errors import CedarError
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.config import read_config
from pdp.identity.schema_check import MappingError, check_mappings

SCHEMA = """\
type Address = { street: String, code: Long };
entity Group in [Staff];
entity Staff;
entity Robot;
entity Device;
entity Enum enum ["a"];
entity User in [Group] = {
  level?: Long, name: String, active: Bool, roles: Set<String>, home: Address,
  ip?: ipaddr, since?: datetime, price?: decimal, boss?: User, nets?: Set<ipaddr>, bosses?: Set<Set<User>>,
  strange?: { ip: ipaddr }, half?: { name: String, ip?: ipaddr },
};
entity Service = { level?: String, scopes?: Set<String> };
"""

CONFIG = """\
identity:
  issuer: https://issuer.example
  audience: pdp
  algorithms: [ES256]
  jwks: keys.json
  principal:
    {}
policies: {{directory: .}}
context: {{directory: .}}
inventory: {{routes: routes.yaml}}
"""


def check(*principal: str, schema: str = SCHEMA) -> None:
    text = CONFIG.format("\n    ".join(principal))
    config = read_config(Source("pdp.yaml", text), Path())
    check_mappings(config.identity.issuers, parse_schema(Source("schema.cedarschema", schema)))


FITS: dict[str, tuple[str, ...]] = {
    "a type": ("type: User",),
    "attributes of every type that a claim has": (
        "attributes: {level: a, name: b, active: c, roles: d, home: e, half: f}",
    ),
    "groups": ("groups_claim: g", "groups_type: Group"),
    "groups of groups": ("groups_claim: g", "groups_type: Staff"),
    "a device": ("device_claim: d",),
    "several types": ("type_claim: k", "types: {s: Service, r: Robot}", "attributes: {scopes: x, name: n}"),
    "groups that one type of several can be in": (
        "type: Robot",
        "type_claim: k",
        "types: {u: User}",
        "groups_claim: g",
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_what_fits(name: str) -> None:
    check(*FITS[name])


WRONG: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "no such type": (("type: Usr",), "no entity type `Usr`", "type: Usr", "did you mean `User`?"),
    "no such type among several": (
        ("type_claim: k", "types: {s: Bot}"),
        "no entity type `Bot`",
        "s: Bot",
        "",
    ),
    "no such groups": (
        ("groups_claim: g", "groups_type: Team"),
        "no entity type `Team`",
        "groups_type: Team",
        "declare",
    ),
    "no such device": (("device_claim: d", "device_type: Phone"), "no entity type `Phone`", "device_type: Phone", ""),
    "groups that nobody can be in": (
        ("groups_claim: g", "groups_type: Device"),
        "no principal can be a member of `Device`",
        "groups_type: Device",
        "`entity User in [Device]`",
    ),
    "no such attribute": (
        ("attributes: {nam: n}",),
        "no principal has the attribute `nam`",
        "{nam: n",
        "did you mean `name`?",
    ),
    "no attributes at all": (("type: Robot", "attributes: {x: n}"), "no principal has the attribute `x`", "{x: n", ""),
    "an address": (("attributes: {ip: n}",), "of `User` is `ipaddr`, which no claim can fill", "{ip: n", "texts"),
    "a time": (("attributes: {since: n}",), "is `datetime`", "{since: n", ""),
    "a decimal": (("attributes: {price: n}",), "is `decimal`", "{price: n", ""),
    "an entity": (("attributes: {boss: n}",), "is `User`", "{boss: n", ""),
    "a set of addresses": (("attributes: {nets: n}",), "is `Set<ipaddr>`", "{nets: n", "gives no `ipaddr`"),
    "sets of sets of entities": (("attributes: {bosses: n}",), "`Set<Set<User>>`", "{bosses: n", "gives no `User`"),
    "a record that needs an address": (("attributes: {strange: n}",), "a record", "{strange: n", "gives no `ipaddr`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_fit_is_refused_where_it_stands(name: str) -> None:
    principal, message, place, help = WRONG[name]
    with pytest.raises(MappingError) as caught:
        check(*principal)
    error = caught.value
    assert message in error.message
    assert help in (error.help or "")
    assert error.code == "mapping"
    assert error.source is not None
    assert error.span is not None
    text = error.source.text
    value = place.rpartition(" ")[2]
    assert error.source.excerpt(error.span) == value
    assert text[: error.span.start].endswith(place.removesuffix(value))


def test_without_a_mapping_the_issuer_is_the_place() -> None:
    text = CONFIG.replace("  principal:\n    {}\n", "").replace("{{", "{").replace("}}", "}")
    config = read_config(Source("pdp.yaml", text), Path())
    with pytest.raises(CedarError) as caught:
        check_mappings(config.identity.issuers, parse_schema(Source("s", "entity Robot;")))
    assert caught.value.position is not None
    assert caught.value.position.line == 2


def test_a_declared_id_has_no_attributes() -> None:
    with pytest.raises(MappingError, match="no principal has"):
        check("type: Enum", "attributes: {x: n}")
