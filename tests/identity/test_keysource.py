"""Keys of files and of URLs: what a request gets, how long it waits, and what a server can do to it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import pytest
from http_service import Answering, Service, held, ok, raw, server_tls, service, trusted
from issuer import Signer
from prometheus_client import CollectorRegistry

from pdp.cedar.errors import CedarError
from pdp.config import IssuerConfig
from pdp.config.issuers import KeysUrl
from pdp.identity.errors import IdentityError
from pdp.identity.keyset import KeySetError
from pdp.identity.keysource import MAX_KEY_SET, MAX_WAITING, UNKNOWN_WAIT, FileKeys, RemoteKeys
from pdp.identity.rotation import UNKNOWN_SPACING
from pdp.identity.service import monotonic_ms
from pdp.telemetry.identity import IdentityMetrics

NOW = 1_772_445_600_000
ONE, TWO, RSA = Signer("ES256", "one"), Signer("ES256", "two", 1), Signer("RS256", "rsa")
DAY = 86_400_000


def config(jwks: Path | KeysUrl | None = None) -> IssuerConfig:
    return IssuerConfig("https://issuer.example", "pdp", ("ES256",), jwks)


def keys_of(*jwks: Mapping[str, object], **headers: str) -> Answering:
    return ok(json.dumps({"keys": jwks}).encode(), **headers)


@dataclass
class Remote:
    """Keys at a URL, what was told and counted of them, and clocks: `ahead` (ms) is added to the monotonic one."""

    keys: RemoteKeys
    registry: CollectorRegistry
    told: list[CedarError]
    ahead: list[int] = field(default_factory=lambda: [0])

    def has(self, kid: str) -> bool:
        """Whether the keys that are believed now hold this one."""
        return self.keys.current(NOW).find(kid) is not None

    def counted(self, outcome: str) -> float:
        """Fetches with this outcome."""
        labels = {"issuer": "https://issuer.example", "outcome": outcome}
        return self.registry.get_sample_value("pdp_key_fetches_total", labels) or 0

    def confirmed(self) -> float | None:
        """When the keys were last confirmed, in seconds since 1970."""
        name = "pdp_keys_confirmed_timestamp_seconds"
        return self.registry.get_sample_value(name, {"issuer": "https://issuer.example"})

    def pass_time(self, milliseconds: int) -> None:
        """Let the monotonic clock jump; whoever waits for it sees that when it is told to fetch."""
        self.ahead[0] += milliseconds

    def fetch(self, outcome: str) -> None:
        """Have the keys fetched, and wait until that had this outcome."""
        before = self.counted(outcome)
        self.keys.refresh()
        eventually(lambda: self.counted(outcome) == before + 1)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.002)


@contextmanager
def remote(running: Service, start: bool = True, **settings: object) -> Iterator[Remote]:
    """Keys at the service, fetched once."""
    url = KeysUrl(running.url(), **settings)  # type: ignore[arg-type]  # settings of a test
    registry, told, ahead = CollectorRegistry(), list[CedarError](), [0]
    keys = RemoteKeys(
        config(url),
        url,
        metrics=IdentityMetrics(registry),
        report=lambda _, error: told.append(error),
        clock=lambda: NOW,
        tick=lambda: monotonic_ms() + ahead[0],
        chance=lambda: 0.5,
    )
    keys.load()()
    if start:
        keys.start()
        keys.wait_for_first(20_000)
    try:
        yield Remote(keys, registry, told, ahead)
    finally:
        keys.stop()


def test_keys_are_fetched_at_the_start() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        assert made.has("one")
        assert running.asked[0].headers["accept"] == "application/jwk-set+json, application/json"
        assert made.counted("ok") == 1
        assert made.confirmed() == NOW / 1000


def stale(made: Remote, now: int = NOW) -> None:
    with pytest.raises(IdentityError) as caught:
        made.keys.current(now)
    assert caught.value.code == "keys_stale"


def test_before_the_first_fetch_and_after_a_failed_one_there_are_none() -> None:
    with service(ok(b"", "503 Unavailable")) as running, remote(running, start=False) as made:
        stale(made)
        made.keys.start()
        made.keys.wait_for_first(20_000)
        stale(made)
        assert made.counted("unavailable") == 1
        assert [error.message for error in made.told] == ["the server answers with status 503"]
        running.answer = keys_of(ONE.jwk())
        made.fetch("ok")
        assert made.has("one")


def test_keys_rotate() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        running.answer = keys_of(ONE.jwk(), TWO.jwk())
        made.fetch("ok")
        assert (made.has("one"), made.has("two")) == (True, True)
        running.answer = keys_of(TWO.jwk())
        made.fetch("ok")
        assert (made.has("one"), made.has("two")) == (False, True)


def test_keys_are_fetched_anew_in_time_without_anybody_asking() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running, refresh=10_000) as made:
        running.answer = raw(b"")
        made.fetch("http")  # the next one is due in a second at most
        running.answer = keys_of(TWO.jwk())
        eventually(lambda: made.has("two"))


def test_the_server_may_say_that_nothing_has_changed() -> None:
    with service(keys_of(ONE.jwk(), ETag='"v1"')) as running, remote(running) as made:
        before = made.keys.current(NOW)
        running.answer = ok(b"", "304 Not Modified", ETag='"v1"')
        made.fetch("unchanged")
        assert made.keys.current(NOW) is before
        assert "if-none-match" not in running.asked[0].headers
        assert running.asked[1].headers["if-none-match"] == '"v1"'


def test_nothing_has_changed_is_no_answer_to_who_did_not_ask() -> None:
    with service(ok(b"", "304 Not Modified")) as running, remote(running) as made:
        stale(made)
        assert made.counted("status") == 1


def test_the_same_keys_in_another_text_stay_the_same_object() -> None:
    with service(keys_of(ONE.jwk(), TWO.jwk())) as running, remote(running) as made:
        before = made.keys.current(NOW)
        running.answer = keys_of(TWO.jwk(note=1), ONE.jwk())
        made.fetch("ok")
        assert made.keys.current(NOW) is before


HUGE = json.dumps({"keys": [ONE.jwk()], "padding": "x" * MAX_KEY_SET}).encode()
USELESS: dict[str, tuple[Answering, str]] = {
    "an empty set": (keys_of(), "content"),
    "no set": (ok(b"[]"), "content"),
    "no JSON": (ok(b"<html>"), "content"),
    "no text": (ok(b"\xff\xfe"), "content"),
    "nothing": (ok(b""), "content"),
    "a key twice": (keys_of(ONE.jwk(), TWO.jwk(kid="one")), "content"),
    "a secret": (keys_of(ONE.jwk(d="AAAA")), "content"),
    "a shared secret": (keys_of(ONE.jwk(), {"kty": "oct", "k": "AAAA", "kid": "s"}), "content"),
    "keys for encryption alone": (keys_of(ONE.jwk(use="enc")), "content"),
    "keys of an algorithm that is not accepted": (keys_of(RSA.jwk()), "content"),
    "a weak key": (keys_of(ONE.jwk(), RSA.jwk(n="AQAB", kid="weak")), "content"),
    "a huge set": (ok(HUGE), "too_long"),
    "a redirect": (ok(b"", "302 Found", Location="/elsewhere"), "redirect"),
    "overloaded": (ok(b"", "429 Too Many Requests"), "unavailable"),
    "cut off": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"), "http"),
}
USELESS["not found"] = (ok(json.dumps({"keys": [TWO.jwk()]}).encode(), "404 Not Found"), "status")


@pytest.mark.parametrize("name", USELESS)
def test_an_answer_that_is_of_no_use_changes_no_key(name: str) -> None:
    answer, outcome = USELESS[name]
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        before = made.keys.current(NOW)
        running.answer = answer
        made.fetch(outcome)
        assert made.keys.current(NOW) is before
        assert len(made.told) == 1
        assert "AAAA" not in made.told[0].render()


def test_keys_for_other_purposes_are_passed_over() -> None:
    others = (
        TWO.jwk(use="enc", kid="e"),
        TWO.jwk(key_ops=["encrypt"], use=None, kid="o"),
        RSA.jwk(alg="RSA-OAEP", kid="oaep"),
        TWO.jwk(crv="secp256k1", kid="k1"),
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "pq"},
    )
    with service(keys_of(*others, ONE.jwk())) as running, remote(running) as made:
        assert [key.kid for key in made.keys.current(NOW).keys] == ["one"]


def test_a_flapping_server_takes_nothing_away() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        for answer, outcome in [*USELESS.values(), *USELESS.values()]:
            running.answer = answer
            made.fetch(outcome)
            assert made.has("one")
            running.answer = keys_of(ONE.jwk())
            made.fetch("ok")


def test_keys_go_stale_by_the_time_of_day() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running, max_age=DAY) as made:
        assert made.keys.current(NOW + DAY - 1).find("one")
        stale(made, NOW + DAY)


def test_a_server_of_another_name_brings_no_key(tmp_path: Path) -> None:
    elsewhere, here = server_tls(tmp_path, "other.example"), server_tls(tmp_path)
    with service(keys_of(ONE.jwk()), elsewhere) as running, remote(running, ca=trusted(tmp_path)) as made:
        stale(made)
        assert made.counted("tls") == 1
    with service(keys_of(ONE.jwk()), here) as running, remote(running, ca=trusted(tmp_path)) as made:
        assert made.has("one")


# A key that is not there


def test_a_request_with_a_new_key_waits_for_it() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        running.answer = keys_of(TWO.jwk())
        made.pass_time(UNKNOWN_SPACING)
        assert made.keys.newer("two", NOW).find("two")
        assert len(running.asked) == 2


def test_unknown_keys_cause_one_fetch_in_a_while() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        for number in range(50):
            assert made.keys.newer(f"ghost-{number}", NOW).find("one")
        assert len(running.asked) == 1, "the first fetch was just now"
        made.pass_time(UNKNOWN_SPACING)
        for number in range(50):
            made.keys.newer(f"ghost-{number}", NOW)
        assert len(running.asked) == 2


def test_a_key_that_a_fetch_did_not_bring_causes_no_other_one() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        made.pass_time(UNKNOWN_SPACING)
        made.keys.newer("ghost", NOW)
        assert len(running.asked) == 2
        made.pass_time(UNKNOWN_SPACING)
        made.keys.newer("ghost", NOW)
        assert len(running.asked) == 2
        made.keys.newer("another", NOW)
        assert len(running.asked) == 3


def test_a_failed_fetch_does_not_say_that_a_key_is_absent() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        running.answer = raw(b"")
        made.pass_time(UNKNOWN_SPACING)
        made.keys.newer("two", NOW)
        running.answer = keys_of(TWO.jwk())
        made.pass_time(UNKNOWN_SPACING)
        assert made.keys.newer("two", NOW).find("two")


def test_nobody_waits_long_for_a_slow_server() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        running.answer = held(running, keys_of(TWO.jwk()))
        made.pass_time(UNKNOWN_SPACING)
        started = monotonic()
        assert made.keys.newer("two", NOW).find("two") is None
        waited = monotonic() - started
        assert UNKNOWN_WAIT / 1000 <= waited < 10
        running.held.set()
        eventually(lambda: made.has("two"))


def test_only_a_few_wait_and_the_others_go_on() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        running.answer = held(running, keys_of(TWO.jwk()))
        made.pass_time(UNKNOWN_SPACING)
        made.keys.refresh()
        eventually(lambda: len(running.asked) == 2)
        with made.keys._changed:
            made.keys._waiting = MAX_WAITING
        started = monotonic()
        for _ in range(100):
            made.keys.newer("two", NOW)
        assert monotonic() - started < 100 * UNKNOWN_WAIT / 1000
        with made.keys._changed:
            made.keys._waiting = 0
        waiting = [threading.Thread(target=made.keys.newer, args=("two", NOW)) for _ in range(MAX_WAITING)]
        for thread in waiting:
            thread.start()
        running.held.set()
        for thread in waiting:
            thread.join(20)
        assert made.has("two")


def test_while_there_are_no_keys_an_unknown_one_is_no_other_error() -> None:
    with service(raw(b"")) as running, remote(running) as made, pytest.raises(IdentityError) as caught:
        made.keys.newer("one", NOW)
    assert caught.value.code == "keys_stale"


def test_stopping_ends_the_waiting() -> None:
    with service(keys_of(ONE.jwk())) as running, remote(running) as made:
        running.answer = held(running, keys_of(TWO.jwk()))
        made.keys.refresh()
        eventually(lambda: len(running.asked) == 2)
        stopping = threading.Thread(target=made.keys.stop)
        stopping.start()
        running.held.set()
        stopping.join(20)
        assert not stopping.is_alive()
        made.keys.newer("two", NOW)  # nobody fetches any more, and nobody waits for it


# Files


def test_keys_of_a_file_are_there_when_they_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [ONE.jwk()]}), "utf-8")
    source = FileKeys(config(path), path)
    with pytest.raises(IdentityError) as caught:
        source.current(NOW)
    assert caught.value.code == "keys_stale"
    put = source.load()
    with pytest.raises(IdentityError):
        source.current(NOW)
    put()
    first = source.current(NOW)
    assert source.newer("two", NOW) is first
    source.load()()
    assert source.current(NOW) is first, "what was verified with the same keys stays verified"
    path.write_text(json.dumps({"keys": [TWO.jwk()]}), "utf-8")
    source.load()()
    assert source.current(NOW + 100 * DAY).find("two")


def test_a_file_that_serves_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [RSA.jwk()]}), "utf-8")
    with pytest.raises(KeySetError, match="is one for ES256"):
        FileKeys(config(path), path).load()
