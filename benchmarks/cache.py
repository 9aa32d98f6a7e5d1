"""The cache of decisions: a hit, the gain at a 90% hit rate, a change among 100,000 answers, a flood.

hit         `decide` of the whole chain (fail closed, then the cache: time, key, look-up, revision, counters), in
            process, for a request whose answer is kept; beside it the key alone, the look-up of a ready key alone, and
            the chain without a cache
mix         requests of the sample world's test cases, nine of ten asked before, one new: with cache and without
change      100,000 answers are kept, of as many principals, and the facts about one change: the time until the change
            may be acknowledged, of the first question about that principal (evaluated anew), and of the first about
            another one (confirmed for the new revision)
flood       a small world; regular traffic has a hit rate, then four of five requests are ones that never come again
"""

import random
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final

from rich.table import Table

from benchmarks import report
from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import PolicySet
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, IPAddr, Record
from pdp.cli.offline import build, read_bundle, read_config
from pdp.config import FreshnessConfig
from pdp.context.facts import Facts
from pdp.engine.cachekey import Keys
from pdp.engine.caching import Caching
from pdp.engine.chain import build_chain
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.decider import CheckRequest, Decider
from pdp.engine.rehearsal import Rehearsal
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.identity.subject import Method, Subject
from pdp.inventory.reading import load_routes
from pdp.policies.bundle import Bundle
from pdp.policies.cases import load_cases

_LIMIT: Final = 64 * 1024 * 1024
_SEED: Final = 7
_MINUTE: Final = 60_000


PARTS: Final = ("hit", "mix", "change", "flood")


def run(policies: Path, entries: int, flood: int, passes: int, parts: Sequence[str], results: Path) -> None:
    """Measure some parts, print a table, write the figures."""
    world, ages, requests, now = _sample(policies)
    figures: list[dict[str, Any]] = []
    if "hit" in parts:
        figures += _hits(world, ages, requests, now, passes)
    if "mix" in parts:
        figures.append(_mix(world, ages, requests, now, passes))
    if "change" in parts:
        figures += _change(world, ages, now, entries)
    if "flood" in parts:
        figures.append(_flood(flood))
    console = report.console()
    console.print(_table(figures))
    console.print(f"written: {report.write(results, 'cache', figures)}")


def _sample(policies: Path) -> tuple[World, FreshnessConfig, list[CheckRequest], int]:
    """The sample world at the instant of its cases, and the questions of those."""
    config = read_config(None, policies, Path("pdp.yaml"))
    cases = [case for case in load_cases(policies / "tests") if case.expect.reason != "invalid_request"]
    now = min(case.now for case in cases)
    bundle = read_bundle(config)
    world = build(config, bundle, now).at(1)
    rehearsal = Rehearsal(world, config.freshness, load_routes(config.inventory, bundle.schema))
    return world, config.freshness, [rehearsal.question(case) for case in cases], now


class Chains:
    """The chain with a cache and without, over one current world and at one instant."""

    def __init__(self, world: World, ages: FreshnessConfig, now: Callable[[], int], limit: int = _LIMIT) -> None:
        self.current: Final = CurrentWorld()
        self.cache: Final = Caching(self.current, ages, now, limit)
        self.cached: Final = build_chain(self.current, ages, now, _fail, self.cache)
        self.uncached: Final = build_chain(self.current, ages, now, _fail)
        self.current.publish(world, EVERYTHING)

    def kept(self, requests: Sequence[CheckRequest]) -> list[CheckRequest]:
        """Those whose answers are kept, and the same with a cache as without."""
        found = []
        for request in requests:
            expected = self.uncached.decide(request)
            self.cached.decide(request)
            before = self.cache.figures().hits
            if self.cached.decide(request) != expected:
                raise AssertionError(f"cached and uncached answers differ: {request}")
            if self.cache.figures().hits > before:
                found.append(request)
        return found


def _fail(error: Exception) -> None:
    raise error


def _ticking(start: int) -> Callable[[], int]:
    """A clock that costs what the real one costs, and starts at an instant."""
    offset = start - time.time_ns() // 1_000_000
    return lambda: time.time_ns() // 1_000_000 + offset


def _hits(
    world: World, ages: FreshnessConfig, requests: list[CheckRequest], now: int, passes: int
) -> Iterator[dict[str, Any]]:
    chains = Chains(world, ages, _ticking(now))
    kept = chains.kept(requests)
    asserted = [request for request in kept if request.subject.method is Method.ASSERTED]
    token = [
        replace(request, subject=replace(request.subject, method=Method.JWT, acr="mfa", amr=frozenset(["otp", "pwd"])))
        for request in asserted
    ]
    shown = [replace(request, subject=_timed(request.subject, now)) for request in token]
    kinds = {
        "as the cases ask": kept,
        "asserted, no context": [replace(request, context=Record()) for request in asserted],
        "asserted, region": [replace(request, context=Record({"region": "eu-central"})) for request in asserted],
        "asserted, region and ip": [replace(request, context=_context()) for request in asserted],
        "token": shown,
    }
    for name, asked in kinds.items():
        hits = chains.kept(asked)
        keys = Keys(world)
        ready = [keys.of(request) for request in hits]
        table = dict.fromkeys(ready, 0)
        yield {
            "workload": f"hit: {name}",
            "requests": len(hits),
            "hit_ns": _each(chains.cached.decide, hits, passes),
            "key_ns": _each(keys.of, hits, passes),
            "lookup_ns": _each(table.get, ready, passes),
            "uncached_ns": _each(chains.uncached.decide, hits, max(1, passes // 10)),
        }


def _timed(subject: Subject, now: int) -> Subject:
    return replace(subject, authenticated_at=now - _MINUTE, expires_at=now + 600 * _MINUTE)


def _context() -> Record:
    return Record({"region": "eu-central", "ip": IPAddr(4, 0x0A010203, 32)})


def _each(call: Callable[[Any], object], arguments: Sequence[Any], passes: int) -> dict[str, float]:
    """Nanoseconds of a call, as means of passes over all arguments: the median of those, and the least."""
    means = []
    for _ in range(passes):
        start = perf_counter_ns()
        for argument in arguments:
            call(argument)
        means.append((perf_counter_ns() - start) / len(arguments))
    means.sort()
    return {"p50": round(report.percentile(means, 50)), "least": round(means[0])}


def _mix(world: World, ages: FreshnessConfig, requests: list[CheckRequest], now: int, passes: int) -> dict[str, Any]:
    chains = Chains(world, ages, _ticking(now))
    kept = chains.kept(requests)
    rng = random.Random(_SEED)
    asked = []
    for number in range(100 * passes):
        request = rng.choice(kept)
        if number % 10 == 0:
            # The same question by a token of its own: as much to evaluate, and never asked before.
            subject = replace(request.subject, method=Method.JWT, expires_at=now + 600 * _MINUTE + number)
            request = replace(request, subject=subject)
        asked.append(request)
    before = chains.cache.figures()
    cached, uncached = [], []
    share = max(1, len(asked) // 20)
    for first in range(0, len(asked), share):  # in turn, so that both meet the same machine
        part = asked[first : first + share]
        cached.append(_seconds(chains.cached, part) / len(part))
        uncached.append(_seconds(chains.uncached, part) / len(part))
    after = chains.cache.figures()
    hits, total = after.hits - before.hits, len(asked)
    ours, theirs = sorted(cached)[len(cached) // 2] * 1e9, sorted(uncached)[len(uncached) // 2] * 1e9
    return {
        "workload": "mix: nine of ten asked before",
        "requests": total,
        "hit_rate": round(hits / total, 4),
        "cached_ns": {"p50": round(ours)},
        "uncached_ns": {"p50": round(theirs)},
        "times": round(theirs / ours, 2),
    }


def _seconds(chain: Decider, requests: Sequence[CheckRequest]) -> float:
    start = perf_counter()
    for request in requests:
        chain.decide(request)
    return perf_counter() - start


def _change(world: World, ages: FreshnessConfig, now: int, entries: int) -> Iterator[dict[str, Any]]:
    chains = Chains(world, ages, _ticking(now), limit=4 * 1024 * _LIMIT // 64)
    action, resource = EntityUID("Procurement::Action", "viewOrder"), EntityUID("Procurement::Order", "none")
    people = [EntityUID("User", f"person-{number:06}") for number in range(entries)]
    asked = [CheckRequest(Subject(Entity(person), Method.ASSERTED), action, resource) for person in people]
    for request in asked:
        chains.cached.decide(request)
    kept = chains.cache.figures()
    if kept.entries != entries:
        raise AssertionError(f"{kept.entries} answers are kept, and not {entries}")
    rng = random.Random(_SEED)
    changed, first, other = [], [], []
    for revision in range(2, 1_002):
        chosen, another = rng.randrange(entries), rng.randrange(entries)
        new, change = world.at(revision), Change(entities=frozenset([people[chosen]]))
        changed.append(_once(partial(chains.current.publish, new, change)))
        before = chains.cache.figures()
        first.append(_once(partial(chains.cached.decide, asked[chosen])))
        if chains.cache.figures().invalidated != before.invalidated + 1:
            raise AssertionError("the change has not dropped the answer")
        other.append(_once(partial(chains.cached.decide, asked[another])))
    for name, times in (("publish it", changed), ("first question about it", first), ("about another", other)):
        yield {"workload": f"change: {name}", "entries": entries, "bytes": kept.bytes, "ours_ns": report.summary(times)}


def _once(call: Callable[[], object]) -> int:
    start = perf_counter_ns()
    call()
    return perf_counter_ns() - start


_SMALL_SCHEMA: Final = """\
type Ask = {
  auth: { method: String, freshness: String, acr?: String, amr: Set<String> },
  device: { freshness: String, id?: Device }, workload: { freshness: String }, grant: { status: String, id?: String },
};
entity Device, Document, User;
action read appliesTo { principal: User, resource: Document, context: Ask };
"""
_REGULAR: Final = 20_000
_REGULAR_SHARE: Final = 5


def _flood(size: int) -> dict[str, Any]:
    """Regular traffic of so many questions, asked at random; then, four times as many others between them."""
    policies = parse_policies(Source("small", "permit (principal, action, resource) unless { principal == resource };"))
    bundle = Bundle(PolicySet(policies), parse_schema(Source("schema", _SMALL_SCHEMA)), "small")
    world = build_world(bundle, Facts(Entities(bundle.schema.action_entities()))).at(1)
    chains = Chains(world, FreshnessConfig(), _ticking(0))
    read, rng = EntityUID("Action", "read"), random.Random(_SEED)

    def ask(person: str, document: str) -> CheckRequest:
        who = Subject(Entity(EntityUID("User", person)), Method.ASSERTED)
        return CheckRequest(who, read, EntityUID("Document", document))

    regular = [ask(f"regular-{number % 1_000}", f"document-{number}") for number in range(_REGULAR)]
    memory = _resident()
    for request in regular * 3:
        chains.cached.decide(request)
    quiet = _regular_hits(chains, (rng.choice(regular) for _ in range(100_000)), lambda: None)
    strangers = iter(range(size))

    def between() -> None:
        for _ in range(_REGULAR_SHARE - 1):
            number = next(strangers, None)
            if number is not None:
                chains.cached.decide(ask(f"stranger-{number}", f"document-{number}"))

    started = perf_counter()
    draws = size // (_REGULAR_SHARE - 1)
    flooded = _regular_hits(chains, (rng.choice(regular) for _ in range(draws)), between)
    figures, growth = chains.cache.figures(), _resident() - memory
    return {
        "workload": "flood: requests that never come again",
        "flood": size,
        "regular": _REGULAR,
        "hit_rate_quiet": round(quiet[0], 4),
        "hit_rate_flooded": round(flooded[0], 4),
        "kept": round(flooded[0] / quiet[0], 4),
        "lru_hit_rate_flooded": round(_lru(figures.entries, draws, size), 4),
        "limit_bytes": _LIMIT,
        "most_bytes": flooded[1],
        "resident_growth_bytes": growth,
        "entries": figures.entries,
        "evicted": figures.evicted,
        "seconds": round(perf_counter() - started, 1),
    }


def _regular_hits(chains: Chains, requests: Iterator[CheckRequest], between: Callable[[], None]) -> tuple[float, int]:
    """The hit rate of requests, with something done after each; and the most bytes that were taken."""
    hits = total = most = 0
    for request in requests:
        before = chains.cache.figures().hits
        chains.cached.decide(request)
        figures = chains.cache.figures()
        hits += figures.hits - before
        total += 1
        most = max(most, figures.bytes)
        between()
    return hits / max(1, total), most


def _lru(entries: int, draws: int, size: int) -> float:
    """What a cache of as many entries that drops the one asked longest ago would have made of the same traffic."""
    rng = random.Random(_SEED)
    kept: OrderedDict[int, None] = OrderedDict.fromkeys(range(_REGULAR))
    hits, strangers, draws = 0, _REGULAR, min(draws, 200_000)
    for _ in range(draws):
        number = rng.randrange(_REGULAR)
        if number in kept:
            hits += 1
            kept.move_to_end(number)
        for name in (number, *range(strangers, strangers + _REGULAR_SHARE - 1)):
            kept[name] = None
        strangers += _REGULAR_SHARE - 1
        while len(kept) > entries:
            kept.popitem(last=False)
    return hits / max(1, draws if size else 1)


def _resident() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="the cache of decisions")
    table.add_column("", no_wrap=True)
    table.add_column("figures")
    for row in figures:
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in row.items() if name != "workload")
        table.add_row(row["workload"], shown)
    return table


def _shown(value: Any) -> str:
    return f"{value['p50'] / 1000:.3f} us" if isinstance(value, dict) else f"{value:,}"
