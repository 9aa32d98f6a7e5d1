"""AuthZEN's doors over the world of records, asked without a server."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from callers import admission
from doors import Reports
from engine_worlds import AGES, NOW
from http_worlds import AUTHZEN, URL, write_records_world

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID, Value
from pdp.config import load_config
from pdp.config.doors import AuthzenConfig
from pdp.context.files import load_facts
from pdp.engine.chain import build_chain
from pdp.engine.decider import CheckRequest, Decider, Verdict
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.identity.presented import Presented
from pdp.identity.subject import Method, Subject
from pdp.identity.tokens import IdentityError
from pdp.policies.bundle import load_bundle
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller, caller_at
from pdp.transport.http.authzen.evaluation import EvaluationDoor
from pdp.transport.http.authzen.mapping import Vocabulary
from pdp.transport.http.authzen.search import SearchDoor
from pdp.transport.http.endpoint import Answered, HttpAsk

LOCAL, FAR = caller_at("127.0.0.1"), caller_at("10.0.0.9")
ALICE, BOB = EntityUID("User", "alice"), EntityUID("User", "bob")
CONFIG: Final = AuthzenConfig(URL, AUTHZEN["types"], device_property="device_id")
JSON_HEADERS: Final = (("content-type", "application/json"),)


def records_world(root: Path) -> World:
    """The world of records, loaded."""
    config = load_config(write_records_world(root / "world").config)
    bundle = load_bundle(config.policies.directory)
    return build_world(bundle, load_facts(config.context.directory, bundle.schema, NOW, relative_times=True))


class Tokens:
    """A `Verifier` that knows tokens called after their subjects. `attrs` are claims of each."""

    def __init__(self) -> None:
        self.attrs: dict[str, Value] = {}

    def verify(self, presented: Presented, now: int) -> Subject:
        """The subject of a token."""
        token = presented.token
        if token == "bad":
            raise IdentityError("the token has expired")
        return Subject(Entity(EntityUID("User", token), self.attrs), Method.JWT, authenticated_at=now)


class Remembering:
    """A `Decider` that remembers what it was asked."""

    def __init__(self, inner: Decider) -> None:
        self._inner = inner
        self.asked: list[CheckRequest] = []
        self.failure: Exception | None = None

    def decide(self, request: CheckRequest) -> Verdict:
        """The inner answer."""
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        return self._inner.decide(request)


class Doors:
    """Both doors, and a way to ask them. Assertions are accepted from this machine."""

    def __init__(self, world: World, metrics: Metrics, reports: Reports) -> None:
        self.current = CurrentWorld()
        self.current.world = world
        self.decider = Remembering(build_chain(self.current, AGES, lambda: NOW, lambda error: reports("engine", error)))
        self.authentication = Authentication(lambda: NOW, metrics, admission(metrics))
        self.tokens = self.authentication.verifier = Tokens()
        vocabulary = Vocabulary(CONFIG)
        self.evaluation = EvaluationDoor(self.decider, self.authentication, vocabulary, self.schema, reports)
        self.search = SearchDoor(self.current, AGES, lambda: NOW, self.decider, self.authentication, vocabulary)

    def schema(self) -> Any:
        """The schema that requests are read by."""
        return None if self.current.world is None else self.current.world.schema


def an_ask(
    body: Any, token: str | None = None, caller: Caller = LOCAL, headers: Mapping[str, str] | None = None
) -> HttpAsk:
    """A request. `token` goes into `Authorization`; a body that is no text is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    bearer = () if token is None else (("authorization", f"Bearer {token}"),)
    return HttpAsk((*JSON_HEADERS, *bearer, *(headers or {}).items()), data, "", caller)


def answer(adapter: Callable[[HttpAsk], Answered], ask: HttpAsk) -> tuple[int, Any]:
    """Status and body of an answer, and a look at what goes with every one."""
    answered = adapter(ask)
    assert answered.reply.headers["content-type"] == "application/json"
    assert answered.reply.headers["cache-control"] == "no-store"
    assert len(answered.verdicts) >= 1
    return answered.reply.status, json.loads(answered.reply.body)
