"""One bounded request, against real servers that answer well, badly, slowly, or not at all."""

import socket
import ssl
import threading
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from time import monotonic, sleep

import pytest
from http_service import Answering, Asked, ok, raw, server_tls, service, trusted

from pdp.cedar.errors import CedarError
from pdp.config.urls import HttpUrl
from pdp.identity.fetching import (
    FetchError,
    FetchFault,
    HttpAnswer,
    HttpRequest,
    TrustError,
    expect_ok,
    fetch,
    load_trust,
)

MOST = 1_000


def ask(url: HttpUrl, timeout: int = 5_000, trust: ssl.SSLContext | None = None) -> HttpAnswer:
    return fetch(HttpRequest(url), trust, timeout, MOST)


def fault(url: HttpUrl, timeout: int = 5_000, trust: ssl.SSLContext | None = None) -> FetchFault:
    with pytest.raises(FetchError) as caught:
        ask(url, timeout, trust)
    assert caught.value.message[0].islower()
    assert caught.value.message[-1] != "."
    return caught.value.fault


def test_an_answer_is_given_back() -> None:
    with service(ok(b"body", ETag='"1"')) as running:
        answer = ask(running.url("/a?b=c"))
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"body", '"1"')
    (asked,) = running.asked
    assert asked.line == "GET /a?b=c HTTP/1.1"
    assert asked.headers["host"] == f"127.0.0.1:{running.port}"
    assert asked.headers["accept-encoding"] == "identity"


def test_a_body_is_posted() -> None:
    with service(ok(b"")) as running:
        fetch(HttpRequest(running.url(), {"Authorization": "Basic x"}, b"token=1"), None, 5_000, MOST)
    (asked,) = running.asked
    assert (asked.line, asked.body) == ("POST /keys HTTP/1.1", b"token=1")
    assert asked.headers["authorization"] == "Basic x"


def test_of_two_headers_of_one_name_the_first_counts() -> None:
    with service(raw(b"HTTP/1.1 200 OK\r\nETag: 1\r\nETag: 2\r\nContent-Length: 0\r\n\r\n")) as running:
        assert ask(running.url()).headers["etag"] == "1"


@pytest.mark.parametrize("length", [MOST - 1, MOST])
def test_a_body_may_have_its_full_length(length: int) -> None:
    with service(ok(b"x" * length)) as running:
        assert len(ask(running.url()).body) == length


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> Answering:
    body = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end)


def test_a_body_may_come_in_chunks_or_to_the_end_of_the_connection() -> None:
    with service(chunked(b"ab", b"c")) as running:
        assert ask(running.url()).body == b"abc"
        running.answer = raw(b"HTTP/1.0 200 OK\r\n\r\nabc")
        assert ask(running.url()).body == b"abc"


def endless(connection: socket.socket, _: Asked) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for part in repeat(b"x" * 65536):
        connection.sendall(part)


BAD: dict[str, tuple[Answering, FetchFault]] = {
    "a body that is longer than announced bounds": (ok(b"x" * (MOST + 1)), FetchFault.TOO_LONG),
    "an endless body": (endless, FetchFault.TOO_LONG),
    "endless chunks": (chunked(*[b"x" * 100] * 11, end=b""), FetchFault.TOO_LONG),
    "a body that is cut off": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), FetchFault.HTTP),
    "a chunk that is cut off": (chunked(b"abc", end=b"9\r\nab"), FetchFault.HTTP),
    "chunks without an end": (chunked(b"abc", end=b""), FetchFault.HTTP),
    "a compressed body": (ok(b"x", Content_Encoding="gzip"), FetchFault.HTTP),
    "nothing": (raw(b""), FetchFault.HTTP),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH\r\n"), FetchFault.HTTP),
    "a long status line": (raw(b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n"), FetchFault.HTTP),
    "a long header": (raw(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n"), FetchFault.HTTP),
    "many headers": (raw(b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 200 + b"\r\n"), FetchFault.HTTP),
    "a moved service": (ok(b"", "301 Moved", Location="http://127.0.0.1:1/"), FetchFault.REDIRECT),
    "a service elsewhere for now": (ok(b"", "302 Found", Location="/other"), FetchFault.REDIRECT),
    "a service elsewhere, and the method kept": (ok(b"", "307 Temporary Redirect", Location="/"), FetchFault.REDIRECT),
    "a service elsewhere, for good": (ok(b"", "308 Permanent Redirect", Location="/"), FetchFault.REDIRECT),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_none(name: str) -> None:
    answer, expected = BAD[name]
    with service(answer) as running:
        assert fault(running.url()) is expected
        assert len(running.asked) == 1, "whatever was answered, nothing else is asked"


def drip(head: bytes, part: bytes) -> Answering:
    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head)
        for one in repeat(part, 400):
            sleep(0.05)
            connection.sendall(one)

    return answer


SLOW: dict[str, Callable[[], Answering]] = {
    "never answers": lambda: drip(b"", b""),
    "sends its status byte by byte": lambda: drip(b"HTTP/1.1 200 ", b"x"),
    "sends one header after the other": lambda: drip(b"HTTP/1.1 200 OK\r\n", b"A: 1\r\n"),
    "sends its body byte by byte": lambda: drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
    "sends chunk by chunk": lambda: drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_the_deadline_is_one_for_everything(name: str, secure: bool, tmp_path: Path) -> None:
    with service(SLOW[name](), server_tls(tmp_path) if secure else None) as running:
        started = monotonic()
        assert fault(running.url(), 300, load_trust(trusted(tmp_path))) is FetchFault.TIMEOUT
        assert monotonic() - started < 10  # of 20 s that the server would go on for


def test_who_does_not_speak_tls_is_waited_for_no_longer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = HttpUrl(f"https://127.0.0.1:{silent.getsockname()[1]}/")
        assert fault(url, 200, load_trust(None)) is FetchFault.TIMEOUT


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert fault(HttpUrl(f"http://127.0.0.1:{port}/")) is FetchFault.CONNECTION
    assert fault(HttpUrl("http://" + "a" * 70 + ".invalid/")) is FetchFault.CONNECTION


def test_a_server_with_a_certificate_of_ours_is_believed(tmp_path: Path) -> None:
    with service(ok(b"x"), server_tls(tmp_path)) as running:
        assert ask(running.url(), trust=load_trust(trusted(tmp_path))).body == b"x"


def test_a_server_with_a_certificate_for_another_name_is_not(tmp_path: Path) -> None:
    with service(ok(b"x"), server_tls(tmp_path, "other.example")) as running:
        assert fault(running.url(), trust=load_trust(trusted(tmp_path))) is FetchFault.TLS
        assert running.asked == []


def test_a_server_with_a_certificate_of_a_stranger_is_not(tmp_path: Path) -> None:
    with service(ok(b"x"), server_tls(tmp_path)) as running:
        assert fault(running.url(), trust=load_trust(None)) is FetchFault.TLS
        assert fault(running.url(), trust=None) is FetchFault.TLS
        assert running.asked == []


def test_a_server_that_does_not_speak_tls(tmp_path: Path) -> None:
    def greet(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as mail:
        greeting = threading.Thread(target=greet, args=(mail,))
        greeting.start()
        url = HttpUrl(f"https://127.0.0.1:{mail.getsockname()[1]}/")
        assert fault(url, trust=load_trust(trusted(tmp_path))) is FetchFault.TLS
        greeting.join(20)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with service(ok(b"x")) as running:
        assert ask(running.url()).body == b"x"


@pytest.mark.parametrize(("status", "expected"), [(200, None), (204, "status"), (404, "status"), (401, "status")])
def test_what_is_no_answer_but_a_status(status: int, expected: str | None) -> None:
    if expected is None:
        expect_ok(HttpAnswer(status, {}, b""))
        return
    with pytest.raises(FetchError) as caught:
        expect_ok(HttpAnswer(status, {}, b""))
    assert caught.value.fault.value == expected


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_a_server_that_says_that_it_cannot_is_unavailable(status: int) -> None:
    with pytest.raises(FetchError) as caught:
        expect_ok(HttpAnswer(status, {}, b""))
    assert caught.value.fault is FetchFault.UNAVAILABLE


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_certificates_that_are_none_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(TrustError, match="no certificates"):
        load_trust(path)


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(CedarError) as caught:
        load_trust(tmp_path / "ca.pem")
    assert caught.value.render().startswith(str(tmp_path))
