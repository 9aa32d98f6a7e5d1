"""Questions to `pdp.v1.DecisionService` about the small world, their bytes, and what is comparable of an answer."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from engine_worlds import AGES, NOW
from small_world import write_small_world

from pdp.context.files import load_facts
from pdp.engine.chain import build_chain
from pdp.engine.decider import Decider
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.policies.bundle import load_bundle
from pdp.transport.callers import caller_at
from pdp.transport.door import Report
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb

LOCAL: Final = caller_at("127.0.0.1")
FAR: Final = caller_at("192.0.2.1")

ANA, BOB, EVE = (pb.EntityUid(type="User", id=name) for name in ("ana", "bob", "eve"))
LAPTOP: Final = pb.EntityUid(type="Device", id="laptop")
READ, WRITE, SHARE = (pb.EntityUid(type="Files::Action", id=name) for name in ("read", "write", "share"))
PLAN, SECRET, GONE = (pb.EntityUid(type="Files::File", id=name) for name in ("plan", "secret", "gone"))


def load_small_world(directory: Path) -> World:
    """The small world at NOW, written into a directory."""
    root = write_small_world(directory).root
    bundle = load_bundle(root)
    return build_world(bundle, load_facts(root / "context", bundle.schema, NOW, relative_times=True)).at(1)


def decider_of(world: World, report: Report) -> Decider:
    """The whole chain over a world, at NOW."""
    current = CurrentWorld()
    current.world = world
    return build_chain(current, AGES, lambda: NOW, lambda error: report("engine", error))


def context(**texts: str) -> pb.Record:
    """A context of texts."""
    return pb.Record(fields={name: pb.Value(string_value=text) for name, text in texts.items()})


def question(**fields: Any) -> pb.CheckRequest:
    """May ana read the plan? With these fields on top; None takes one away."""
    whole = {"principal": ANA, "action": READ, "resource": PLAN, **fields}
    if "token" in fields:
        del whole["principal"]
    return pb.CheckRequest(**{name: value for name, value in whole.items() if value is not None})


def delimited(field: int, content: bytes) -> bytes:
    """A length-delimited field as it goes over the wire."""
    length, size = b"", len(content)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def batch(items: Iterable[bytes], defaults: bytes | None = None) -> bytes:
    """A CheckBatchRequest of parts that need not be messages."""
    parts = [delimited(2, item) for item in items]
    return b"".join(parts if defaults is None else [delimited(1, defaults), *parts])


def results(reply: bytes) -> list[pb.CheckResponse]:
    """The results of a serialized CheckBatchResponse."""
    return list(pb.CheckBatchResponse.FromString(reply).results)


def mutants(source: Random, seeds: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Random bytes, one in four, and seeds with one to three bytes replaced, removed or put in: many are messages."""
    for number in range(count):
        if number % 4 == 0:
            yield source.randbytes(source.randrange(64))
            continue
        data = bytearray(source.choice(seeds))
        for _ in range(source.randrange(1, 4)):
            at = source.randrange(len(data) + 1)
            data[at : at + source.randrange(2)] = source.randbytes(source.randrange(2))
        yield bytes(data)


def nameless(response: pb.CheckResponse) -> pb.CheckResponse:
    """An answer without its request id, which is made up where the question has none that can be read."""
    assert response.request_id
    same = pb.CheckResponse()
    same.CopyFrom(response)
    same.ClearField("request_id")
    return same
