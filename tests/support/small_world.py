"""A small world of files, for tests of everything that loads: one namespace, two people, a laptop, a folder.

ana     of the group `readers`; may read, and write with strong authentication
bob     in no group; holds a grant of the template `entitlement/reader` for the folder `plans`
eve     suspended: a guardrail forbids everything

A file that is not stored makes a guardrail fail: it cannot know whether the file is secret.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from issuer import Signer

SCHEMA = """\
type Authentication = { method: String, freshness: String, acr?: String, amr: Set<String> };
type Posture = { freshness: String, id?: Device, encrypted?: Bool, score?: Long };
type Workload = { freshness: String, attested?: Bool };
type Grant = { status: String, id?: String };
type Ask = {
  auth: Authentication, device: Posture, workload: Workload, grant: Grant,
  region?: String, ip?: ipaddr, until?: datetime,
};

entity Group in [Group];
entity User in [Group] = { suspended: Bool, level?: Long };
entity Device;

namespace Files {
  entity Folder;
  entity File in [Folder] = { owner: User, secret: Bool };
  action read, write, share, purge appliesTo { principal: User, resource: File, context: Ask };
}

namespace Api {
  entity Route;
  action "unknown" appliesTo { principal: User, resource: Route, context: Ask };
}
"""

GUARDRAILS = """\
@id("guardrail/suspended")
@reason("suspended people may do nothing")
forbid (principal, action, resource)
when { principal is User && principal.suspended };

@id("guardrail/secret-needs-encrypted-device")
@reason("secret files are for encrypted devices")
@obligation("notify:security")
forbid (principal, action, resource is Files::File)
when { resource.secret }
unless { context.device has encrypted && context.device.encrypted };

@id("guardrail/score")
@reason("weak devices may not share")
forbid (principal, action == Files::Action::"share", resource)
when { context.device has score && context.device.score < 50 };
"""

TEAM = """\
@id("files/readers-read")
@reason("readers read")
@obligation("mask:margin; header:x-reader=yes")
permit (principal in Group::"readers", action == Files::Action::"read", resource is Files::File);

@id("files/owners-write")
@reason("owners write, with strong authentication")
permit (principal, action == Files::Action::"write", resource is Files::File)
when {
  resource.owner == principal &&
  context.auth has acr && context.auth.acr == "phishing-resistant" &&
  context.auth.freshness == "fresh"
};

@id("files/owners-share")
@reason("owners share")
permit (principal, action == Files::Action::"share", resource is Files::File)
when { resource.owner == principal };
"""

ENTITLEMENTS = """\
@id("entitlement/reader")
@reason("a grant lets read")
permit (principal in ?principal, action == Files::Action::"read", resource in ?resource);
"""

ENTITIES = [
    {
        "uid": {"type": "User", "id": "ana"},
        "attrs": {"suspended": False, "level": 3},
        "parents": [{"type": "Group", "id": "readers"}],
    },
    {"uid": {"type": "User", "id": "bob"}, "attrs": {"suspended": False}, "parents": []},
    {
        "uid": {"type": "User", "id": "eve"},
        "attrs": {"suspended": True},
        "parents": [{"type": "Group", "id": "readers"}],
    },
    {"uid": {"type": "Group", "id": "readers"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]},
    {"uid": {"type": "Group", "id": "staff"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Device", "id": "laptop"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Files::Folder", "id": "plans"}, "attrs": {}, "parents": []},
    {
        "uid": {"type": "Files::File", "id": "plan"},
        "attrs": {"owner": {"__entity": {"type": "User", "id": "ana"}}, "secret": False},
        "parents": [{"type": "Files::Folder", "id": "plans"}],
    },
    {
        "uid": {"type": "Files::File", "id": "secret"},
        "attrs": {"owner": {"__entity": {"type": "User", "id": "ana"}}, "secret": True},
        "parents": [{"type": "Files::Folder", "id": "plans"}],
    },
]

POSTURE = [
    {
        "subject": {"type": "Device", "id": "laptop"},
        "source": "mdm",
        "observed_at": "-5m",
        "facts": {"encrypted": True, "score": 80},
    }
]

GRANTS = [
    {
        "id": "grant/bob-plans",
        "template": "entitlement/reader",
        "principal": {"type": "User", "id": "bob"},
        "resource": {"type": "Files::Folder", "id": "plans"},
        "owner": "ana",
        "reason": "reviews the plans",
        "not_before": "-1h",
        "expires_at": "1h",
    }
]

ROUTES = """\
routes:
  - method: GET
    host: api.example
    path: /files/{id}
    action: 'Files::Action::"read"'
    resource: 'Files::File::"{id}"'
"""

CONFIG = """\
grpc: {listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
identity:
  issuer: https://issuer.example
  audience: pdp
  algorithms: [ES256]
  jwks: keys.json
  accept_asserted: true
policies: {directory: .}
context: {directory: context, relative_times: true}
inventory: {routes: routes.yaml}
freshness: {authentication: 1h, device: 15m, workload: 15m}
"""

CASES = """\
now: 2026-03-02T10:00:00Z
cases:
  - name: a reader reads
    principal: User::"ana"
    action: Files::Action::"read"
    resource: Files::File::"plan"
    expect:
      decision: allow
      reason: allowed
      policies: [files/readers-read]
      obligations: ["mask:margin", "header:x-reader=yes"]
  - name: suspended people do not
    principal: User::"eve"
    action: Files::Action::"read"
    resource: Files::File::"plan"
    expect:
      decision: deny
      reason: forbidden
      policies: [guardrail/suspended]
  - name: a grant lets read
    principal: User::"bob"
    action: Files::Action::"read"
    resource: Files::File::"plan"
    expect: {decision: allow, reason: allowed, policies: [grant/bob-plans]}
  - name: a grant ends
    principal: User::"bob"
    action: Files::Action::"read"
    resource: Files::File::"plan"
    at: 1h
    expect: {decision: deny, reason: not_permitted, policies: []}
"""


ISSUER = Signer("ES256", "one")
"""Who signs the tokens of this world."""


def token(subject: str, now: int, **claims: object) -> str:
    """A token that is good from `now` (ms) on for ten minutes. `claims` replace and add."""
    second = now // 1000
    stated = {"iss": "https://issuer.example", "aud": "pdp", "sub": subject, "iat": second, "exp": second + 600}
    return ISSUER.token(stated | claims)


@dataclass(frozen=True)
class SmallWorld:
    """The world's files, below `root`."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "pdp.yaml"

    def write(self, name: str, text: str) -> Path:
        """Put a file in place, at once and whole, as an editor or a deployment does."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, encoding="utf-8", newline="")
        new.replace(path)
        return path

    def replace(self, name: str, old: str, new: str) -> Path:
        """Change a file; `old` must be in it once."""
        text = (self.root / name).read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is not once in {name}"
        return self.write(name, text.replace(old, new))


def write_small_world(root: Path) -> SmallWorld:
    """Write all files."""
    world = SmallWorld(root)
    world.write("pdp.yaml", CONFIG)
    world.write("schema.cedarschema", SCHEMA)
    world.write("guardrails/central.cedar", GUARDRAILS)
    world.write("teams/files/files.cedar", TEAM)
    world.write("entitlements/reader.cedar", ENTITLEMENTS)
    world.write("context/entities/all.json", json.dumps(ENTITIES, indent=2))
    world.write("context/posture.json", json.dumps(POSTURE, indent=2))
    world.write("context/grants.json", json.dumps(GRANTS, indent=2))
    world.write("routes.yaml", ROUTES)
    world.write("keys.json", json.dumps({"keys": [ISSUER.jwk()]}, indent=2))
    world.write("tests/files.yaml", CASES)
    return world
