"""Decision points that speak HTTP: worlds of files for each door, and an app over one of them.

`records` is the fixture of AuthZEN's certification scenario, `todo` that of its interoperability scenario (both in
../shared/data/authzen/README.md), `cluster` a Kubernetes cluster.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Final

import httpx
from engine_worlds import NOW
from envoy_stack import ROOT
from small_world import SmallWorld, write_small_world

from pdp.app import App
from pdp.config import load_config
from pdp.telemetry.logs import EventLog, LogFormat

URL: Final = "https://pdp.example/tenant1"
"""The decision point's address in the worlds that say AuthZEN; its endpoints are below the path."""

ENGINE_TYPES: Final = """\
type Authentication = { method: String, freshness: String, acr?: String, amr: Set<String> };
type Posture = { freshness: String, id?: Device, encrypted?: Bool };
type Workload = { freshness: String };
type Grant = { status: String, id?: String };
entity Device;
entity Group in [Group];
namespace Api {
  entity Route;
  action "unknown" appliesTo {
    principal: User, resource: Route,
    context: { auth: Authentication, device: Posture, workload: Workload, grant: Grant }
  };
}
"""

RECORDS_SCHEMA: Final = (
    ENGINE_TYPES
    + """
entity User in [Group] = { role?: String };
namespace Records {
  type Ask = {
    auth: Authentication, device: Posture, workload: Workload, grant: Grant,
    action: { soft?: Bool }, ip?: ipaddr, level?: Long,
  };
  entity Record = { status?: String, keeper?: User, size?: Long };
  action read, write, delete appliesTo { principal: User, resource: Record, context: Ask };
  action note appliesTo {
    principal: User, resource: Record,
    context: { auth: Authentication, device: Posture, workload: Workload, grant: Grant, action: String },
  };
}
"""
)

RECORDS_POLICIES: Final = """\
@id("records/staff-read")
@reason("staff read")
permit (principal in Group::"staff", action == Records::Action::"read", resource is Records::Record);

@id("records/write-active")
@reason("who is no administrator writes active records")
permit (principal in Group::"staff", action == Records::Action::"write", resource is Records::Record)
when { !(principal has role && principal.role == "admin") && resource has status && resource.status == "active" };

@id("records/administrators-write-archived")
@reason("administrators write archived records")
@obligation("mask:margin;notify")
permit (principal in Group::"staff", action == Records::Action::"write", resource is Records::Record)
when { principal has role && principal.role == "admin" && resource has status && resource.status == "archived" };

@id("records/delete-softly")
@reason("staff delete softly")
permit (principal in Group::"staff", action == Records::Action::"delete", resource is Records::Record)
when { context.action has soft && context.action.soft };

@id("records/note")
permit (principal in Group::"staff", action == Records::Action::"note", resource is Records::Record)
when { context.action == "x" };

@id("records/keepers")
permit (principal, action == Records::Action::"delete", resource is Records::Record)
when { resource has keeper && resource.keeper == principal };
"""

RECORDS_GUARDRAILS: Final = """\
@id("guardrail/sealed")
@reason("sealed records need a strong sign-in")
@obligation("step-up:phishing-resistant")
forbid (principal, action, resource is Records::Record)
when { resource has status && resource.status == "sealed" };

@id("guardrail/large-needs-encrypted-device")
@reason("large records are for encrypted devices")
forbid (principal, action, resource is Records::Record)
when { resource has size && resource.size > 100 }
unless { context.device has encrypted && context.device.encrypted };
"""

TODO_SCHEMA: Final = (
    ENGINE_TYPES
    + """
entity User in [Group] = { email: String, roles: Set<String> };
namespace Todo {
  type Ask = { auth: Authentication, device: Posture, workload: Workload, grant: Grant };
  entity Todo = { ownerID?: String };
  action can_read_user, can_list_users appliesTo { principal: User, resource: User, context: Ask };
  action can_read_todos, can_create_todo, can_update_todo, can_delete_todo
    appliesTo { principal: User, resource: Todo, context: Ask };
}
"""
)

TODO_POLICIES: Final = """\
@id("todo/everyone-reads")
permit (
  principal in Group::"todo",
  action in [Todo::Action::"can_read_user", Todo::Action::"can_read_todos"],
  resource
);

@id("todo/create")
permit (principal in Group::"todo", action == Todo::Action::"can_create_todo", resource)
when { principal.roles.containsAny(["editor", "admin", "evil_genius"]) };

@id("todo/evil-genius-updates")
permit (principal in Group::"todo", action == Todo::Action::"can_update_todo", resource)
when { principal.roles.contains("evil_genius") };

@id("todo/admin-deletes")
permit (principal in Group::"todo", action == Todo::Action::"can_delete_todo", resource)
when { principal.roles.contains("admin") };

@id("todo/own")
permit (
  principal in Group::"todo",
  action in [Todo::Action::"can_update_todo", Todo::Action::"can_delete_todo"],
  resource is Todo::Todo
)
when
{
  principal.roles.containsAny(["editor", "admin", "evil_genius"]) &&
  resource has ownerID &&
  resource.ownerID == principal.email
};
"""

TODO_GUARDRAILS: Final = """\
@id("guardrail/nobody")
@reason("nobody lists everybody")
forbid (principal, action == Todo::Action::"can_list_users", resource);
"""

TODO_USERS: Final = {
    "CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": ("rick@the-citadel.com", "admin", "evil_genius"),
    "CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": ("morty@the-citadel.com", "editor"),
    "CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": ("summer@the-smiths.com", "editor"),
    "CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": ("beth@the-smiths.com", "viewer"),
    "CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs": ("jerry@the-smiths.com", "viewer"),
}

CLUSTER_SCHEMA: Final = """\
type Authentication = { method: String, freshness: String, acr?: String, amr: Set<String> };
type Posture = { freshness: String, id?: Device };
type Workload = { freshness: String };
type Grant = { status: String, id?: String };
entity Device;
namespace Api {
  entity Route;
  action "unknown" appliesTo {
    principal: K8s::User, resource: Route,
    context: { auth: Authentication, device: Posture, workload: Workload, grant: Grant }
  };
}
""" + (ROOT / "deploy/kubernetes/k8s.cedarschema").read_text("utf-8").replace(", fieldSelector?: Set<Requirement>", "")
"""The schema that README.md there tells to use, without one attribute that may be left out."""

CLUSTER_POLICIES: Final = """\
@id("k8s/viewers-read-all-but-secrets")
@reason("viewers read")
permit (
  principal in K8s::Group::"viewers",
  action in [K8s::Action::"get", K8s::Action::"list", K8s::Action::"watch"],
  resource is K8s::Resource
)
unless { (resource.resource == "secrets" && resource.apiGroup == "") || resource has subresource };

@id("k8s/own-configmaps")
@reason("people list what is labelled as theirs")
permit (principal is K8s::User, action == K8s::Action::"list", resource is K8s::Resource)
when
{
  resource.apiGroup == "" &&
  resource.resource == "configmaps" &&
  resource has labelSelector &&
  resource.labelSelector.contains({key: "owner", operator: "In", values: [principal.name]})
};

@id("k8s/controller-creates-pods")
@reason("the controller creates pods")
permit (principal is K8s::ServiceAccount, action == K8s::Action::"create", resource is K8s::Resource)
when
{
  principal.namespace == "kube-system" &&
  principal.name == "controller" &&
  resource.resource == "pods" &&
  resource has namespace &&
  resource.namespace == "apps"
};

@id("k8s/health")
@reason("everybody authenticated sees health")
permit (principal in K8s::Group::"system:authenticated", action == K8s::Action::"get", resource is K8s::NonResourceURL)
when { resource.path == "/healthz" || resource.path like "/healthz/*" };

@id("k8s/masked")
@obligation("mask:data")
permit (principal, action == K8s::Action::"get", resource is K8s::Resource)
when { resource.resource == "masked" };

@id("k8s/auditors")
@reason("auditors by their identity provider")
permit (principal is K8s::User, action == K8s::Action::"get", resource is K8s::Resource)
when { principal has extra && principal.extra.contains({key: "scopes", values: ["audit", "read"]}) };
"""

CLUSTER_GUARDRAILS: Final = """\
@id("guardrail/kube-system")
@reason("nobody deletes in kube-system")
forbid (principal, action == K8s::Action::"delete", resource is K8s::Resource)
when { resource has namespace && resource.namespace == "kube-system" };

@id("guardrail/broken")
@reason("broken")
forbid (principal, action == K8s::Action::"watch", resource is K8s::NonResourceURL)
when { 9223372036854775807 + 1 == 0 };
"""

AUTHZEN: Final[Mapping[str, Any]] = {"url": URL, "types": {"user": "User", "record": "Records::Record"}}
TODO: Final[Mapping[str, Any]] = {
    "url": URL,
    "types": {"user": "User", "todo": "Todo::Todo"},
    "actions": {"user": "Todo::Action"},
}


def _entity(type: str, id: str, parents: tuple[tuple[str, str], ...] = (), **attrs: Any) -> dict[str, Any]:
    above = [{"type": parent, "id": name} for parent, name in parents]
    return {"uid": {"type": type, "id": id}, "attrs": attrs, "parents": above}


def _write(world: SmallWorld, schema: str, team: str, policies: str, guardrails: str, entities: list[Any]) -> None:
    for path in ("teams/files/files.cedar", "entitlements/reader.cedar"):
        (world.root / path).unlink()
    world.write("schema.cedarschema", schema)
    world.write(f"teams/{team}/{team}.cedar", policies)
    world.write("guardrails/central.cedar", guardrails)
    world.write("context/entities/all.json", json.dumps(entities))
    world.write("context/grants.json", "[]")
    world.write("routes.yaml", "routes: []\n")


def write_records_world(root: Path) -> SmallWorld:
    """The fixture of the certification scenario, and a few records more."""
    world = write_small_world(root)
    staff = (("Group", "staff"),)
    entities = [
        _entity("User", "alice", staff),
        _entity("User", "bob", staff, role="admin"),
        _entity("User", "zoe"),
        _entity("Group", "staff"),
        _entity("Device", "laptop"),
        _entity("Records::Record", "record-1", status="active"),
        _entity("Records::Record", "record-2", status="archived"),
    ]
    _write(world, RECORDS_SCHEMA, "records", RECORDS_POLICIES, RECORDS_GUARDRAILS, entities)
    posture = {
        "subject": {"type": "Device", "id": "laptop"},
        "source": "mdm",
        "observed_at": "-5m",
        "facts": {"encrypted": True},
    }
    world.write("context/posture.json", json.dumps([posture]))
    configure(world, authzen={**AUTHZEN, "device_property": "device_id"})
    return world


def write_todo_world(root: Path) -> SmallWorld:
    """The five users of the to-do list; their to-dos are stored nowhere."""
    world = write_small_world(root)
    entities = [
        _entity("User", id, (("Group", "todo"),), email=email, roles=roles)
        for id, (email, *roles) in TODO_USERS.items()
    ]
    _write(world, TODO_SCHEMA, "todo", TODO_POLICIES, TODO_GUARDRAILS, entities)
    world.write("context/posture.json", "[]")
    configure(world, authzen=TODO)
    return world


def write_cluster_world(root: Path) -> SmallWorld:
    """A cluster's authorization policies; nothing but one group is stored."""
    world = write_small_world(root)
    entities = [_entity("K8s::Group", "interns", (("K8s::Group", "viewers"),)), _entity("K8s::Group", "viewers")]
    _write(world, CLUSTER_SCHEMA, "k8s", CLUSTER_POLICIES, CLUSTER_GUARDRAILS, entities)
    world.write("context/posture.json", "[]")
    principals = "  principal: {type: K8s::User}\n"
    world.replace("pdp.yaml", "  accept_asserted: true\n", "  accept_asserted: true\n" + principals)
    configure(world, kubernetes={})
    return world


def configure(world: SmallWorld, **sections: Any) -> None:
    """Add sections to the configuration. JSON is YAML."""
    text = world.config.read_text("utf-8")
    lines = [f"{name}: {json.dumps(section)}\n" for name, section in sections.items()]
    world.write("pdp.yaml", text + "".join(lines))


@contextmanager
def running(world: SmallWorld) -> Iterator[tuple[App, httpx.Client]]:
    """A started app at NOW, and a client of its HTTP server."""
    app = App(load_config(world.config), EventLog(StringIO(), LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)
    try:
        app.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{app.http_port}", trust_env=False, timeout=20) as client:
            yield app, client
    finally:
        app.stop()
