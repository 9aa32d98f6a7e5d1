"""Certificates in URL-encoded PEM, and the header that proxies forward them in."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import pytest
from certificates import Issued, authority
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.values import Datetime, Record, Set
from pdp.transport.errors import MessageError
from pdp.transport.peer_certificates import (
    CERTIFICATE_FIELDS,
    MAX_CERTIFICATE,
    MAX_FORWARDED,
    certificate_facts,
    read_certificate,
    read_forwarded,
)

NOT_BEFORE: Final = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOT_AFTER: Final = datetime(2027, 3, 2, 10, tzinfo=UTC)
NAMED: Final = authority("Arbor CA").issue(
    'shop, "7"', uris=("spiffe://a/shop",), dns=("shop.example",), begins=NOT_BEFORE, ends=NOT_AFTER
)
PLAIN: Final = authority("Arbor CA").issue("plain")


def encoded(issued: Issued) -> str:
    return quote(issued.pem, safe="")


def test_a_certificate_and_what_is_known_of_it() -> None:
    assert read_certificate(encoded(NAMED)) == NAMED.der
    facts = certificate_facts(NAMED.der)
    assert facts == Record(
        {
            "subject": 'CN=shop\\, \\"7\\"',
            "issuer": "CN=Arbor CA",
            "serial": f"{NAMED.certificate.serial_number:x}",
            "fingerprint": sha256(NAMED.der).hexdigest(),
            "uris": Set(["spiffe://a/shop"]),
            "dns_names": Set(["shop.example"]),
            "not_before": Datetime(int(NOT_BEFORE.timestamp()) * 1000),
            "not_after": Datetime(int(NOT_AFTER.timestamp()) * 1000),
        }
    )
    assert facts.fields.keys() == CERTIFICATE_FIELDS.keys()
    assert certificate_facts(PLAIN.der).fields["uris"] == Set()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "%",
            "%ff",
            "é",
            encoded(NAMED) + encoded(PLAIN),
            encoded(NAMED)[:-80],
            "a" * (MAX_CERTIFICATE + 1),
        ),
        "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----%0A",
    ],
)
def test_what_is_not_one_certificate(text: str) -> None:
    with pytest.raises(MessageError, match="a certificate"):
        read_certificate(text)


def test_facts_of_what_is_no_certificate() -> None:
    with pytest.raises(MessageError, match="cannot be read"):
        certificate_facts(b"\x30\x00")


HASH: Final = sha256(NAMED.der).hexdigest()


@pytest.mark.parametrize(
    ("text", "principal", "certificate"),
    [
        (
            f'By=spiffe://e;Hash={HASH};Cert="{encoded(NAMED)}";Subject="CN=a,O=b";URI=spiffe://a;DNS=d',
            "spiffe://a",
            True,
        ),
        (f"cert={encoded(NAMED)};hash={HASH.upper()};DNS=a.example;DNS=b.example", "a.example", True),
        ('Subject="CN=a;b,\\"c\\"";URI=', 'CN=a;b,"c"', False),
        ("URI=spiffe://first;URI=spiffe://second;By=a;By=b", "spiffe://first", False),
        ("Hash=00", "", False),
        ('URI="spiffe://a"', "spiffe://a", False),
    ],
)
def test_forwarded_clients(text: str, principal: str, certificate: bool) -> None:
    client = read_forwarded(text)
    assert (client.principal, client.certificate) == (principal, NAMED.der if certificate else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("URI=spiffe://a,URI=spiffe://b", "several clients"),
        ('Subject="CN=a",URI=b', "several clients"),
        (f"Hash={'0' * 64};Cert={encoded(NAMED)}", "another certificate's"),
        *((text, "malformed") for text in ("", "URI", "URI=a;", "=a", "URI=a b;;", 'URI="a', 'URI="a"b', "What=a")),
        *((text, "malformed") for text in ("Hash=a;Hash=b", "Subject=a;SUBJECT=b", "URI=a; DNS=b")),
        ("URI=a\x00", "control character"),
        ("Cert=AAAA", "cannot be read"),
        ("URI=" + "a" * MAX_FORWARDED, "too long"),
    ],
)
def test_forwarded_clients_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        read_forwarded(text)


@given(st.text(alphabet=st.sampled_from('UCRIertSubjcthas=;,"\\ %A0\n'), max_size=60) | st.text(max_size=60))
def test_any_header_gives_a_client_or_the_own_error(text: str) -> None:
    try:
        client = read_forwarded(text)
    except MessageError:
        return
    assert client.principal.isprintable()


# cryptography warns of a serial number that is not positive, and will refuse it one day: here it may do either.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.text(max_size=60) | st.just(encoded(NAMED)), st.integers(0, 700), st.sampled_from("A%-\n0="))
def test_any_text_gives_a_certificate_or_the_own_error(text: str, place: int, char: str) -> None:
    try:
        found = read_certificate(text[:place] + char + text[place + 1 :])
        certificate_facts(found)
    except MessageError:
        return
    assert found.startswith(b"\x30")
