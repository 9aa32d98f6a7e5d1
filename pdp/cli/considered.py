"""The policies that mattered to an offline decision, and their text."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import final

from rich.text import Text

from pdp.cedar.ext.datetime import format as format_datetime
from pdp.cedar.policy import Effect, Policy
from pdp.cedar.source import Source, Span
from pdp.cedar.values import Datetime
from pdp.cedar.wire.strict_json import Json
from pdp.cli.output import place_of, plain, source_lines
from pdp.cli.traces import Detail, trace_json, trace_lines
from pdp.context.facts import Grant
from pdp.context.freshness import grant_status
from pdp.engine.decider import ReasonClass, Verdict
from pdp.engine.enrich import Enriched
from pdp.engine.near_misses import miss_of, near_misses, relevant
from pdp.engine.snapshot import World
from pdp.evaluate.explain import PolicyTrace


@unique
class Role(Enum):
    """What a policy had to do with the decision, in the order in which they are shown."""

    DETERMINED = "determined"
    FAILED = "failed"
    OVERRULED = "overruled"
    NEAR_MISS = "near_miss"
    NOT_IN_FORCE = "not_in_force"
    OUT_OF_SCOPE = "out_of_scope"
    NOT_SATISFIED = "not_satisfied"


@final
@dataclass(frozen=True, slots=True)
class Considered:
    """A policy, its role, and what there is to say. `part` is the place in its text that the note speaks of.

    `trace` says how it came about, and is None where that was not asked.
    """

    policy: Policy
    role: Role
    note: str
    part: Span | None = None
    trace: PolicyTrace | None = None


def considered(world: World, verdict: Verdict, enriched: Enriched | None, now: int) -> list[Considered]:
    """Every policy that mattered; of a request that was refused unasked (`enriched` is None), none.

    Those that came near count only when nothing permitted and nothing forbade.
    """
    grants = world.facts.grants
    failed = {error.policy_id: error for error in verdict.errors}
    found = [
        Considered(world.program.policy(policy.id), Role.DETERMINED, f"decided{_by(grants.get(policy.id), now)}")
        for policy in verdict.policies
        if policy.id not in failed
    ]
    for id, error in failed.items():
        found.append(Considered(world.program.policy(id), Role.FAILED, f"{error.kind.value}: {error.message}"))
    if enriched is not None and verdict.reason is ReasonClass.NOT_PERMITTED:
        found += [_unsatisfied(trace) for trace in near_misses(world, enriched)]
        found += _not_in_force(world, enriched, now)
    return found


def explained(world: World, verdict: Verdict, enriched: Enriched, now: int) -> list[Considered]:
    """Every policy that is relevant to the request (`near_misses.relevant`), traced, and the grants not in force."""
    known = {item.policy.id: item for item in considered(world, verdict, None, now)}
    found = _not_in_force(world, enriched, now)
    for trace in relevant(world, enriched):
        item = known.get(trace.policy.id)
        found.append(_unsatisfied(trace) if item is None else replace(item, trace=trace))
    order = list(Role)
    return sorted(found, key=lambda item: order.index(item.role))


def _not_in_force(world: World, enriched: Enriched, now: int) -> list[Considered]:
    grants = world.facts.grants
    return [
        Considered(world.program.policy(id), Role.NOT_IN_FORCE, f"did not apply{_by(grants[id], now)}")
        for id in sorted(enriched.not_in_force)
    ]


def _unsatisfied(trace: PolicyTrace) -> Considered:
    """A policy that decided nothing and did not fail."""
    policy = trace.policy
    if trace.outcome is True:
        return Considered(policy, Role.OVERRULED, "applied, and a forbid stands above it", trace=trace)
    miss = miss_of(trace)
    if miss is None:
        outside = "principal" if trace.scope[0].outcome is False else "resource"
        return Considered(policy, Role.OUT_OF_SCOPE, f"did not apply: it is for another {outside}", trace=trace)
    role = Role.NEAR_MISS if policy.effect is Effect.PERMIT else Role.NOT_SATISFIED
    note = f"did not apply: this part of `{miss.condition.kind.value}` is {str(miss.value).lower()}"
    return Considered(policy, role, note, miss.part.span, trace)


def _by(grant: Grant | None, now: int) -> str:
    """What there is to say of the grant that a policy is linked for, to follow a verb."""
    if grant is None:
        return ""
    first, end = (format_datetime(Datetime(instant)) for instant in (grant.not_before, grant.expires_at))
    status = grant_status(grant, now).value
    return f": {status} grant of {grant.template_id}, from {first} to {end}, owner {grant.owner}: {grant.reason}"


def render(item: Considered, detail: Detail | None = None) -> Iterator[Text]:
    """The policy's head, its place, and its lines, or with a detail its trace, for people."""
    policy = item.policy
    yield Text.assemble(f"{policy.effect.value} ", (plain(policy.id), "bold"), f"  {plain(item.note)}")
    if policy.source is None or policy.span is None:
        return
    yield Text(f"  {plain(place_of(policy.source, item.part or policy.span))}", "cyan")
    if detail is not None and item.trace is not None:
        yield from trace_lines(item.trace, detail)
        return
    for line in _lines(policy.source, policy.span, item.part):
        yield Text(f"  {line}", "dim")


def _lines(source: Source, span: Span, part: Span | None) -> list[str]:
    """The whole policy, or the part in question with carets below it."""
    return source_lines(source, span) if part is None else source.underline(part).split("\n")


def to_json(item: Considered, detail: Detail | None = None) -> dict[str, Json]:
    """The policy for programs, with a detail also its trace; `file` is null for one that is not from a file."""
    policy = item.policy
    found: dict[str, Json] = {
        "id": policy.id,
        "effect": policy.effect.value,
        "role": item.role.value,
        "note": item.note,
        "file": None,
    }
    if detail is not None and item.trace is not None:
        found |= trace_json(item.trace, detail)
    if policy.source is None or policy.span is None:
        return found
    position = policy.source.position((item.part or policy.span).start)
    text = policy.source.excerpt(item.part or policy.span)
    return found | {"file": policy.source.name, "line": position.line, "column": position.column, "text": text}
