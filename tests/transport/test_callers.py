"""Who asks, by what a connection says of its other end."""

from dataclasses import replace

import pytest
from callers import FAR, LOCAL, UNIX
from certificates import FAR_OFF, LONG_AGO, authority, make_authority
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.schema.conform import check_entity
from pdp.cedar.values import EntityUID, IPAddr, Set
from pdp.engine.callers.judging import builtin_schema
from pdp.transport.callers import NOBODY, Caller, Way, caller_at, caller_of_peer, certified


@pytest.mark.parametrize(
    "peer",
    [
        *(
            "ipv4:127.0.0.1:4711",
            "ipv4:127.8.9.1:1",
            "ipv6:[::1]:4711",
            "ipv6:%5B::1%5D:4711",
            "unix:",
            "unix:/run/pdp",
            "unix:a:b",
            "unix:%2F",
        ),
        "ipv6:%5B::ffff:127.0.0.1%5D:4711",
    ],
)
def test_peers_on_this_machine(peer: str) -> None:
    assert caller_of_peer(peer).way in {Way.LOOPBACK, Way.UNIX}


@pytest.mark.parametrize(
    "peer",
    [
        *(
            "ipv4:10.0.0.1:4711",
            "ipv6:[2001:db8::1]:4711",
            "ipv6:%5B::ffff:10.0.0.1%5D:1",
            "ipv4:0.0.0.0:1",
            "ipv6:[::]:1",
        ),
        *(
            "",
            "127.0.0.1:4711",
            "ipv4:",
            "ipv4:localhost:1",
            "dns:127.0.0.1:1",
            "unknown",
            "ipv4:127.0.0.1",
            "UNIX:",
            "unix",
        ),
    ],
)
def test_all_other_peers_are_not(peer: str) -> None:
    assert caller_of_peer(peer).way is Way.ANONYMOUS


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", Caller(Way.LOOPBACK, IPAddr(4, 0x7F000001, 32))),
        ("::ffff:127.0.0.1", Caller(Way.LOOPBACK, IPAddr(4, 0x7F000001, 32))),
        ("::1", Caller(Way.LOOPBACK, IPAddr(6, 1, 128))),
        ("10.0.0.1", Caller(Way.ANONYMOUS, IPAddr(4, 0x0A000001, 32))),
        ("::ffff:10.0.0.1", Caller(Way.ANONYMOUS, IPAddr(4, 0x0A000001, 32))),
        ("fe80::1%eth0", Caller(Way.ANONYMOUS, IPAddr(6, 0xFE80 << 112 | 1, 128))),
        ("", NOBODY),
        ("localhost", NOBODY),
        ("127.0.0.1:80", NOBODY),
        ("127.1", NOBODY),
    ],
)
def test_a_caller_by_its_address(address: str, expected: Caller) -> None:
    assert caller_at(address) == expected


# Certificates

EDGE = "spiffe://consortium.example/ns/edge/sa/envoy"
FROM = IPAddr(4, 0x0A000001, 32)
issue = authority("clients").issue


def test_what_a_certificate_says() -> None:
    issued = issue("envoy", uris=(EDGE,), dns=("Envoy.Example", "b.example"), ips=("10.0.0.1",))
    caller = certified(issued.der, FROM)
    assert caller == certified(issued.pem, FROM)
    assert caller == Caller(
        Way.MTLS, FROM, spiffe_id=EDGE, dns_names=frozenset({"envoy.example", "b.example"}), subject="CN=envoy"
    )
    entity = caller.entity()
    assert entity.uid == EntityUID("Pdp::Caller", EDGE)
    assert entity.attrs == {
        "way": "mtls",
        "address": FROM,
        "spiffe_id": EDGE,
        "trust_domain": "consortium.example",
        "dns_names": Set(["b.example", "envoy.example"]),
        "subject": "CN=envoy",
    }


def test_a_certificate_without_other_names_is_known_by_its_subject() -> None:
    entity = certified(issue("loopback").der, None).entity()
    assert entity.uid == EntityUID("Pdp::Caller", "x509:CN=loopback")
    assert entity.attrs == {"way": "mtls", "dns_names": Set(), "subject": "CN=loopback"}


@pytest.mark.parametrize(
    "uris",
    [
        (),
        (EDGE, EDGE),
        (EDGE, "https://consortium.example"),
        ("https://consortium.example/envoy",),
        ("SPIFFE://consortium.example/envoy",),
        ("spiffe://Consortium.example/envoy",),
        ("spiffe://consortium.example",),
        ("spiffe://consortium.example/",),
        ("spiffe://consortium.example/a/",),
        ("spiffe://consortium.example/a//b",),
        ("spiffe://consortium.example/a/../b",),
        ("spiffe://consortium.example/./b",),
        ("spiffe://consortium.example/a?b",),
        ("spiffe://consortium.example/a#b",),
        ("spiffe://consortium.example/%61",),
        ("spiffe://user@consortium.example/a",),
        ("spiffe://consortium.example:443/a",),
        ("spiffe:///a",),
        ("spiffe://" + "x" * 256 + "/a",),
        ("spiffe://consortium.example/" + "a" * 2_048,),
    ],
)
def test_what_is_no_spiffe_id_makes_none(uris: tuple[str, ...]) -> None:
    caller = certified(issue("envoy", uris=uris).der, None)
    assert (caller.way, caller.spiffe_id, caller.subject) == (Way.MTLS, "", "CN=envoy")


def test_what_only_looks_like_an_svid_makes_no_spiffe_id() -> None:
    lookalike = make_authority("x")  # its key usage is not stated
    builder = x509.CertificateBuilder(
        lookalike.own.certificate.subject,
        lookalike.own.certificate.subject,
        lookalike.own.private.public_key(),
        1,
        LONG_AGO,
        FAR_OFF,
    )
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(EDGE)])
    made = builder.add_extension(names, critical=False).sign(lookalike.own.private, SHA256())
    caller = certified(made.public_bytes(Encoding.DER), None)
    assert (caller.way, caller.spiffe_id, caller.subject) == (Way.MTLS, "", "CN=x")


@pytest.mark.parametrize("subject", ["a,b", 'a"b', "a\\b", "CN=x", "ü", "x" * 64, " a "])
def test_a_subject_is_written_by_its_rules(subject: str) -> None:
    name = certified(issue(subject).der, None).subject
    assert name.startswith("CN=")
    assert x509.Name.from_rfc4514_string(name).get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == subject


@pytest.mark.parametrize(
    "data", [b"", b"x", b"-----BEGIN CERTIFICATE-----\n", issue("x").der[:-1], issue("x").pem[:80]]
)
def test_a_certificate_that_cannot_be_read_makes_nobody_known(data: bytes) -> None:
    assert certified(data, FROM) == Caller(Way.ANONYMOUS, FROM)


@pytest.mark.filterwarnings("ignore:Parsed a serial number:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.binary(max_size=40), st.integers(0, 400))
def test_a_damaged_certificate_is_read_or_makes_nobody_known(noise: bytes, at: int) -> None:
    damaged = EDGE_DER[:at] + noise + EDGE_DER[at + len(noise) :]
    assert certified(damaged, None).way in {Way.MTLS, Way.ANONYMOUS}


EDGE_DER = issue("envoy", uris=(EDGE,), dns=("envoy.example",)).der


@pytest.mark.parametrize(
    "caller", [NOBODY, FAR, LOCAL, UNIX, replace(UNIX, user=0), certified(EDGE_DER, FROM), certified(EDGE_DER, None)]
)
def test_every_caller_fits_the_schema(caller: Caller) -> None:
    check_entity(builtin_schema(), caller.entity())
    again = replace(caller)
    assert (again, hash(again)) == (caller, hash(caller))
