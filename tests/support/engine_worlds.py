"""Worlds for tests of the engine, made from the small world's files, and questions to ask them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.source import Source
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record, Value
from pdp.config import FreshnessConfig
from pdp.context.facts import Facts, Grant, Posture
from pdp.engine.decider import CheckRequest, Verdict
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.identity.subject import Method, Subject
from pdp.policies.bundle import Bundle

NOW = 1_772_445_600_000
"""2026-03-02T10:00:00Z, at which the small world is loaded."""

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
AGES = FreshnessConfig(authentication=HOUR, device=15 * MINUTE, workload=10 * MINUTE)

ANA, BOB, EVE = (EntityUID("User", name) for name in ("ana", "bob", "eve"))
READERS, STAFF = EntityUID("Group", "readers"), EntityUID("Group", "staff")
LAPTOP, PHONE = EntityUID("Device", "laptop"), EntityUID("Device", "phone")
PLANS = EntityUID("Files::Folder", "plans")
PLAN, SECRET, GONE = (EntityUID("Files::File", name) for name in ("plan", "secret", "gone"))
READ, WRITE, SHARE, PURGE = (EntityUID("Files::Action", name) for name in ("read", "write", "share", "purge"))


def asserted(uid: EntityUID) -> Subject:
    """A subject of which nothing but the name is known."""
    return Subject(Entity(uid), Method.ASSERTED)


def by_token(
    uid: EntityUID, attrs: dict[str, Value] | None = None, groups: Iterable[EntityUID] = (), **rest: Any
) -> Subject:
    """A subject with a credential."""
    return Subject(Entity(uid, attrs or {}, frozenset(groups)), Method.JWT, **rest)


def ask(
    who: Subject | EntityUID = ANA, action: EntityUID = READ, resource: EntityUID = PLAN, **rest: Any
) -> CheckRequest:
    """A question; may ana read the plan, unless said otherwise. `context` may be a plain dictionary."""
    if isinstance(context := rest.get("context"), dict):
        rest["context"] = Record(context)
    return CheckRequest(asserted(who) if isinstance(who, EntityUID) else who, action, resource, **rest)


def a_grant(number: int = 1, **changes: Any) -> Grant:
    """A grant for bob to read the plans, an hour to both sides of NOW unless said otherwise."""
    grant = Grant(f"grant/{number}", "entitlement/reader", BOB, PLANS, "ana", "for the test", NOW - HOUR, NOW + HOUR)
    return replace(grant, **changes)


def by_id(grants: Iterable[Grant]) -> dict[str, Grant]:
    """Grants as facts hold them."""
    return {grant.id: grant for grant in grants}


def a_posture(subject: EntityUID = LAPTOP, age: int = MINUTE, **facts: Value) -> Posture:
    """What was observed of a device this long before NOW."""
    return Posture(subject, "mdm", NOW - age, facts)


def policies_of(text: str) -> tuple[Policy, ...]:
    """The policies of a text, called by their `@id`s."""
    return tuple(replace(policy, id=policy.annotations["id"] or "") for policy in parse_policies(Source("more", text)))


def a_world(
    bundle: Bundle,
    facts: Facts,
    *,
    grants: Iterable[Grant] | None = None,
    posture: Iterable[Posture] | None = None,
    entities: Iterable[Entity] = (),
    policies: str = "",
) -> World:
    """A world with other grants and posture, and with more entities and policies."""
    static, templates = bundle.policies.static.values(), bundle.policies.templates.values()
    return build_world(
        replace(bundle, policies=PolicySet((*static, *templates, *policies_of(policies)))),
        Facts(
            Entities((*facts.entities, *entities)),
            facts.posture if posture is None else {report.subject: report for report in posture},
            facts.grants if grants is None else by_id(grants),
        ),
    )


def decide(world: World | None, request: CheckRequest, now: int = NOW) -> Verdict:
    """The verdict of `Evaluating` at `now`."""
    current = CurrentWorld()
    current.world = world
    return Evaluating(current, AGES, lambda: now).decide(request)


def uid(text: str) -> EntityUID:
    """An entity's name as policies write it."""
    return parse_entity_uid(text)
