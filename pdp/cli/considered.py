"""The policies that mattered to an offline decision, and their text."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, unique
from typing import final

from rich.text import Text

from pdp.cedar.ext.datetime import format as format_datetime
from pdp.cedar.policy import Policy
from pdp.cedar.source import Source, Span
from pdp.cedar.values import Datetime
from pdp.cedar.wire.strict_json import Json
from pdp.cli.output import place_of, plain, source_lines
from pdp.context.facts import Grant
from pdp.context.freshness import grant_status
from pdp.engine.decider import ReasonClass, Verdict
from pdp.engine.enrich import Enriched
from pdp.engine.near_misses import NearMiss, near_misses
from pdp.engine.snapshot import World


@unique
class Role(Enum):
    """What a policy had to do with the decision."""

    DETERMINED = "determined"
    FAILED = "failed"
    NEAR_MISS = "near_miss"
    NOT_IN_FORCE = "not_in_force"


@final
@dataclass(frozen=True, slots=True)
class Considered:
    """A policy, its role, and what there is to say. `part` is the place in its text that the note speaks of."""

    policy: Policy
    role: Role
    note: str
    part: Span | None = None


def considered(world: World, verdict: Verdict, enriched: Enriched | None, now: int) -> list[Considered]:
    """Every policy that mattered; of a request that was refused unasked (`enriched` is None), none.

    Those that came near count only when nothing permitted and nothing forbade.
    """
    grants = {grant.id: grant for grant in world.facts.grants}
    failed = {error.policy_id: error for error in verdict.errors}
    found = [
        Considered(world.program.policy(policy.id), Role.DETERMINED, f"decided{_by(grants.get(policy.id), now)}")
        for policy in verdict.policies
        if policy.id not in failed
    ]
    for id, error in failed.items():
        found.append(Considered(world.program.policy(id), Role.FAILED, f"{error.kind.value}: {error.message}"))
    if enriched is not None and verdict.reason is ReasonClass.NOT_PERMITTED:
        found += map(_near, near_misses(world, enriched))
        for id in sorted(enriched.not_in_force):
            found.append(
                Considered(world.program.policy(id), Role.NOT_IN_FORCE, f"did not apply{_by(grants[id], now)}")
            )
    return found


def _near(miss: NearMiss) -> Considered:
    kind, value = miss.condition.kind.value, str(miss.value).lower()
    return Considered(miss.policy, Role.NEAR_MISS, f"did not apply: this part of `{kind}` is {value}", miss.part.span)


def _by(grant: Grant | None, now: int) -> str:
    """What there is to say of the grant that a policy is linked for, to follow a verb."""
    if grant is None:
        return ""
    first, end = (format_datetime(Datetime(instant)) for instant in (grant.not_before, grant.expires_at))
    status = grant_status(grant, now).value
    return f": {status} grant of {grant.template_id}, from {first} to {end}, owner {grant.owner}: {grant.reason}"


def render(item: Considered) -> Iterator[Text]:
    """The policy's head, its place and its lines, for people."""
    policy = item.policy
    yield Text.assemble(f"{policy.effect.value} ", (plain(policy.id), "bold"), f"  {plain(item.note)}")
    if policy.source is None or policy.span is None:
        return
    yield Text(f"  {plain(place_of(policy.source, item.part or policy.span))}", "cyan")
    for line in _lines(policy.source, policy.span, item.part):
        yield Text(f"  {line}", "dim")


def _lines(source: Source, span: Span, part: Span | None) -> list[str]:
    """The whole policy, or the part in question with carets below it."""
    return source_lines(source, span) if part is None else source.underline(part).split("\n")


def to_json(item: Considered) -> dict[str, Json]:
    """The policy for programs; `file` is null for one that is not from a file."""
    policy = item.policy
    found: dict[str, Json] = {
        "id": policy.id,
        "effect": policy.effect.value,
        "role": item.role.value,
        "note": item.note,
        "file": None,
    }
    if policy.source is None or policy.span is None:
        return found
    position = policy.source.position((item.part or policy.span).start)
    text = policy.source.excerpt(item.part or policy.span)
    return found | {"file": policy.source.name, "line": position.line, "column": position.column, "text": text}
