"""Bundles of any size in files: teams with two hundred policies each, and the questions that they are asked.

A team has people in groups, documents in folders, and policies of every form of scope; two in a hundred are `forbid`s.
Two guardrails and two templates of entitlements stand beside them. `edition` is part of every policy's id and says
nothing else: so whoever gets an answer can tell which edition of the bundle it is of.
"""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pdp.cedar.values import EntityUID, Record
from pdp.engine.decider import CheckRequest
from pdp.identity.mapping import asserted_subject

POLICIES_OF_TEAM: Final = 200
_GROUPS, _FOLDERS, _PEOPLE, _DOCUMENTS = 8, 20, 30, 40
_ACTIONS: Final = ("read", "list", "write", "share")
_KEYS: Final = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "alg": "EdDSA", "use": "sig", "x": "A" * 43}]}

_COMMON: Final = """\
type Authentication = { method: String, freshness: String, acr?: String, amr: Set<String> };
type Posture = { freshness: String, id?: Device, encrypted?: Bool };
type Workload = { freshness: String };
type Grant = { status: String, id?: String };
type Ask = {
  auth: Authentication, device: Posture, workload: Workload, grant: Grant, mfa?: Bool, region?: String,
};
entity Device;
entity Group in [Group];
entity User in [Group] = { active: Bool, level: Long };
"""

_TEAM: Final = """
namespace Team%s {
  entity Folder in [Folder];
  entity Document in [Folder] = { owner: User, secret: Bool, level: Long };
  action reading;
  action read, list in [reading] appliesTo { principal: User, resource: Document, context: Ask };
  action write, share appliesTo { principal: User, resource: Document, context: Ask };
}
"""

_GUARDRAILS: Final = """\
@id("guardrail/active-%(edition)s")
@reason("whoever has left may do nothing")
forbid (principal, action, resource)
when { principal is User && !principal.active };

@id("guardrail/encrypted-%(edition)s")
@reason("devices that are not encrypted may do nothing")
@obligation("notify:security")
forbid (principal, action, resource)
when { context.device has encrypted && !context.device.encrypted };
"""

_ENTITLEMENTS: Final = """\
@id("entitlement/reader-%(edition)s")
permit (principal in ?principal, action, resource in ?resource)
when { context.grant.status == "active" };

@id("entitlement/owner-%(edition)s")
permit (principal == ?principal, action, resource == ?resource);
"""

_CONFIG: Final = """\
grpc: {listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
identity: {issuer: https://issuer.example, audience: pdp, algorithms: [EdDSA], jwks: keys.json, accept_asserted: true}
policies: {directory: bundle}
context: {directory: context}
inventory: {routes: routes.yaml}
log: {format: json}
cache: {enabled: false}
"""


def write_world(root: Path, policies: int, edition: str) -> Path:
    """A bundle of about so many policies, and everything beside it that a decision point reads; gives its config."""
    teams = _teams(policies)
    (root / "context").mkdir(parents=True, exist_ok=True)
    (root / "context" / "entities.json").write_text(json.dumps(list(_entities(teams))), "utf-8")
    (root / "keys.json").write_text(json.dumps(_KEYS), "utf-8")
    (root / "routes.yaml").write_text(
        "routes:\n  - {method: GET, host: api.example, path: '/d/{id}', action: 'Team00::Action::\"read\"', "
        "resource: 'Team00::Document::\"{id}\"'}\n",
        "utf-8",
    )
    write_bundle(root / "bundle", policies, edition)
    (root / "pdp.yaml").write_text(_CONFIG, "utf-8")
    return root / "pdp.yaml"


def write_bundle(folder: Path, policies: int, edition: str) -> None:
    """The bundle alone, in place of the one that is there."""
    teams = _teams(policies)
    files = {
        "schema.cedarschema": _COMMON + "".join(_TEAM % f"{team:02}" for team in range(teams)),
        "guardrails/central.cedar": _GUARDRAILS % {"edition": edition},
        "entitlements/all.cedar": _ENTITLEMENTS % {"edition": edition},
    }
    for team in range(teams):
        files[f"teams/team{team:02}/all.cedar"] = "\n".join(_policies(team, edition))
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def edition_of(policy_id: str) -> str:
    """The edition that a policy is of."""
    return policy_id.rpartition("-")[2]


def questions(policies: int, count: int, seed: int) -> list[CheckRequest]:
    """So many questions of the people of all teams about their documents. Half are answered by no policy."""
    rng, teams = random.Random(seed), _teams(policies)
    found = []
    for _ in range(count):
        team = rng.randrange(teams)
        found.append(
            CheckRequest(
                asserted_subject(EntityUID("User", f"{team:02}-{rng.randrange(_PEOPLE)}")),
                EntityUID(f"Team{team:02}::Action", rng.choice(_ACTIONS)),
                EntityUID(f"Team{team:02}::Document", f"{rng.randrange(_DOCUMENTS)}"),
                Record({"mfa": rng.random() < 0.5}),
            )
        )
    return found


def _teams(policies: int) -> int:
    return max(1, round(policies / POLICIES_OF_TEAM))


def _policies(team: int, edition: str) -> Iterator[str]:
    rng = random.Random(team)
    space, id = f"Team{team:02}", f"team{team:02}"
    for number in range(POLICIES_OF_TEAM):
        action = f'{space}::Action::"{_ACTIONS[rng.randrange(4)]}"'
        user, group = f'User::"{team:02}-{rng.randrange(_PEOPLE)}"', f'Group::"{team:02}-{rng.randrange(_GROUPS)}"'
        folder = f'{space}::Folder::"{rng.randrange(_FOLDERS)}"'
        effect, conditions = "permit", ""
        match number % 10:
            case 0 | 1 | 2:
                scope = f"principal == {user}, action == {action}, resource in {folder}"
            case 3 | 4:
                scope = f'principal in {group}, action in {space}::Action::"reading", resource in {folder}'
                conditions = "\nwhen { resource.owner == principal || (context has mfa && context.mfa) }"
            case 5:
                scope = f"principal is User in {group}, action == {action}, resource is {space}::Document in {folder}"
                conditions = "\nunless { resource.secret }"
            case 6:
                scope = f"principal in {group}, action == {action}, resource"
                conditions = f"\nwhen {{ resource.level <= principal.level && resource.level < {rng.randrange(9)} }}"
            case 7:
                scope = f"principal, action == {action}, resource in {folder}"
                conditions = f'\nwhen {{ principal in {group} && context.auth.freshness == "fresh" }}'
            case 8:
                scope = f"principal == {user}, action == {action}, resource"
                conditions = '\nwhen { context has region && ["eu-central", "eu-west"].contains(context.region) }'
            case _:
                effect = "forbid" if number % 50 == 9 else "permit"
                scope = f"principal in {group}, action == {action}, resource in {folder}"
                conditions = "\nwhen { resource.level > 3 }\nunless { context has mfa && context.mfa }"
        reason = f'@reason("rule {number} of team {team}")'
        yield f'@id("{id}/{number}-{edition}")\n{reason}\n{effect} ({scope}){conditions};\n'


def _entities(teams: int) -> Iterator[dict[str, object]]:
    for team in range(teams):
        space = f"Team{team:02}"
        for number in range(_GROUPS):
            yield _entity("Group", f"{team:02}-{number}")
        for number in range(_PEOPLE):
            group = {"type": "Group", "id": f"{team:02}-{number % _GROUPS}"}
            about: dict[str, object] = {"active": number % 7 != 3, "level": number % 10}
            yield _entity("User", f"{team:02}-{number}", about, group)
        for number in range(_FOLDERS):
            yield _entity(f"{space}::Folder", f"{number}")
        for number in range(_DOCUMENTS):
            owner = {"__entity": {"type": "User", "id": f"{team:02}-{number % _PEOPLE}"}}
            folder = {"type": f"{space}::Folder", "id": f"{number % _FOLDERS}"}
            attrs: dict[str, object] = {"owner": owner, "secret": number % 5 == 0, "level": number % 10}
            yield _entity(f"{space}::Document", f"{number}", attrs, folder)


def _entity(
    type: str, id: str, attrs: Mapping[str, object] | None = None, parent: dict[str, str] | None = None
) -> dict[str, object]:
    return {"uid": {"type": type, "id": id}, "attrs": attrs or {}, "parents": [parent] if parent else []}
