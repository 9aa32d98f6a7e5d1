"""What a server takes for its certificate, key and authorities, and what it goes on with."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from certificates import FAR_OFF, PAST, Issued, authority, server_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from engine_worlds import NOW

from pdp.config import TlsConfig
from pdp.telemetry.metrics import Metrics
from pdp.transport.certificates import Certificates
from pdp.transport.tls import HttpTls, TlsError, read_material

EXPIRES = "pdp_certificate_expires_timestamp_seconds{"


@pytest.fixture
def config(tmp_path: Path) -> TlsConfig:
    certificate, key = server_certificate().write(tmp_path, "server")
    ca = tmp_path / "clients.pem"
    ca.write_bytes(authority("clients").pem)
    return TlsConfig(certificate, key, ca)


def test_what_fits_is_read(config: TlsConfig) -> None:
    material = read_material(config, NOW)
    assert material.chain == server_certificate().pem
    assert material.client_ca == authority("clients").pem
    assert material.expires == int(FAR_OFF.timestamp())


def test_a_chain_begins_with_the_servers_own_certificate(config: TlsConfig) -> None:
    config.certificate.write_bytes(server_certificate().pem + authority("servers").pem)
    assert read_material(config, NOW).expires == int(FAR_OFF.timestamp())
    config.certificate.write_bytes(authority("servers").pem + server_certificate().pem)
    with pytest.raises(TlsError, match="not the key of the certificate"):
        read_material(config, NOW)


def encrypted(config: TlsConfig) -> None:
    locked = BestAvailableEncryption(b"secret")
    config.key.write_bytes(server_certificate().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))


FAULTS: dict[str, tuple[str, Callable[[TlsConfig], object]]] = {
    "no certificate": ("cannot read the file", lambda config: config.certificate.unlink()),
    "no key": ("cannot read the file", lambda config: config.key.unlink()),
    "no authorities": ("cannot read the file", lambda config: (config.client_ca or config.key).unlink()),
    "empty certificate": ("holds no certificates", lambda config: config.certificate.write_bytes(b"")),
    "empty authorities": ("holds no certificates", lambda config: (config.client_ca or config.key).write_bytes(b"")),
    "empty key": ("no private key", lambda config: config.key.write_bytes(b"")),
    "garbage": ("this is not UTF-8", lambda config: config.key.write_bytes(b"\xff\xfe")),
    "half a certificate": (
        "holds no certificates",
        lambda config: config.certificate.write_bytes(server_certificate().pem[:200]),
    ),
    "half a key": ("no private key", lambda config: config.key.write_bytes(server_certificate().key[:60])),
    "an encrypted key": ("no private key", encrypted),
    "a key for a certificate": (
        "holds no certificates",
        lambda config: config.certificate.write_bytes(server_certificate().key),
    ),
    "another key": (
        "not the key of the certificate",
        lambda config: config.key.write_bytes(authority("servers").issue("x").key),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_is_refused_without_showing_it(config: TlsConfig, fault: str) -> None:
    message, damage = FAULTS[fault]
    damage(config)
    with pytest.raises(TlsError, match=message) as caught:
        read_material(config, NOW)
    assert "PRIVATE" not in caught.value.render()
    assert str(config.certificate.parent) in caught.value.render()


@pytest.mark.parametrize("name", ["expired", "not yet valid"])
def test_a_certificate_that_is_not_valid_now_is_refused(config: TlsConfig, tmp_path: Path, name: str) -> None:
    begins = datetime(2039, 1, 1, tzinfo=UTC)
    issued = (
        authority("servers").issue("x", ends=PAST)
        if name == "expired"
        else authority("servers").issue("x", begins=begins)
    )
    issued.write(tmp_path, "server")
    with pytest.raises(TlsError, match="which is not now"):
        read_material(config, NOW)
    then = PAST if name == "expired" else begins
    assert read_material(config, int(then.timestamp()) * 1000).key


def test_a_key_that_is_too_short_is_refused(config: TlsConfig, tmp_path: Path) -> None:
    authority("servers").issue("x", private=rsa.generate_private_key(65_537, 1_024)).write(tmp_path, "server")
    with pytest.raises(TlsError, match="cannot be used for TLS"):
        read_material(config, NOW)


# Replacing


def handshake(server: ssl.SSLContext, client: Issued | None, folder: Path) -> str:
    """The subject of the certificate that the server shows. Raises ssl.SSLError of either side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority("servers").pem.decode())
    if client is not None:
        context.load_cert_chain(*client.write(folder, "client"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        context.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for side in sides:
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    shown: Any = sides[0].getpeercert()
    return str(dict(pair for (pair,) in shown["subject"])["commonName"])


def test_every_connection_is_made_by_what_was_read_last(config: TlsConfig, tmp_path: Path) -> None:
    old, new = (authority(name).issue("envoy") for name in ("clients", "clients of tomorrow"))
    tls = HttpTls(config, NOW)
    assert handshake(tls.context, old, tmp_path) == "pdp.example"
    for refused in (new, None):
        with pytest.raises(ssl.SSLError):
            handshake(tls.context, refused, tmp_path)
    server_certificate("renewed.example").write(tmp_path, "server")
    (tmp_path / "clients.pem").write_bytes(authority("clients of tomorrow").pem)
    tls.reload(NOW)
    assert handshake(tls.context, new, tmp_path) == "renewed.example"
    with pytest.raises(ssl.SSLError):  # what was loaded into a context can only be added to: a removal needs a new one
        handshake(tls.context, old, tmp_path)


def test_a_fault_leaves_what_there_was_and_the_other_server_is_renewed(config: TlsConfig, tmp_path: Path) -> None:
    metrics = Metrics()
    other = TlsConfig(*server_certificate().write(tmp_path / "other", "server"))
    both = Certificates(other, config, lambda: NOW, metrics)
    assert both.http is not None
    assert both.sources == (other.certificate, other.key, config.certificate, config.key, config.client_ca)
    config.key.write_bytes(authority("servers").issue("x").key)
    ends = datetime(2030, 1, 1, tzinfo=UTC)
    authority("servers").issue("y", ends=ends).write(tmp_path / "other", "server")
    with pytest.raises(TlsError, match="not the key"):
        both.reload()
    assert handshake(both.http.context, authority("clients").issue("envoy"), tmp_path) == "pdp.example"
    text = metrics.exposition().decode()
    shown = {
        line.split()[0]: float(line.split()[1]) for line in text.splitlines() if "certificate_expires_t" in line[:30]
    }
    assert shown == {
        'pdp_certificate_expires_timestamp_seconds{server="grpc"}': ends.timestamp(),
        'pdp_certificate_expires_timestamp_seconds{server="http"}': FAR_OFF.timestamp(),
    }
    assert 'pdp_certificate_load_total{outcome="error"} 1.0' in text
    assert 'pdp_certificate_load_total{outcome="ok"} 1.0' in text


def test_old_versions_are_not_spoken(config: TlsConfig) -> None:
    assert HttpTls(config, NOW).context.newest.minimum_version is ssl.TLSVersion.TLSv1_2


def test_no_session_is_taken_up_again(config: TlsConfig) -> None:
    # It would not be verified again: whoever was known by an authority would be so after the authority is gone.
    newest = HttpTls(config, NOW).context.newest
    assert newest.options & ssl.OP_NO_TICKET
    assert newest.num_tickets == 0


def test_ciphers_have_forward_secrecy_and_authentication(config: TlsConfig) -> None:
    for cipher in HttpTls(config, NOW).context.newest.get_ciphers():
        assert cipher["aead"], cipher
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE-"), cipher


def test_a_client_need_not_show_a_certificate_where_that_is_said(config: TlsConfig, tmp_path: Path) -> None:
    tls = HttpTls(replace(config, require_client_certificate=False), NOW)
    assert handshake(tls.context, None, tmp_path) == "pdp.example"
    with pytest.raises(ssl.SSLError):  # one that it shows must be good
        handshake(tls.context, authority("others").issue("envoy"), tmp_path)
