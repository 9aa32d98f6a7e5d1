"""The hierarchies and requests of the Cedar paper's benchmark (OOPSLA 2024), with the answers they must have."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.workload import Workload
from pdp.cedar.api import parse_json_schema
from pdp.cedar.entities import Entities
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import Record
from pdp.cedar.wire.entities import read_entities
from pdp.cedar.wire.values import read_entity_uid, read_value

APPS: Final = ("gdrive", "gdrive-viewfix", "gdrive-templates", "github", "github-templates", "tinytodo")


def workloads(data: Path, app: str, size: int) -> Iterator[Workload]:
    """One workload for each of the hierarchies of an application at a size (entities per type)."""
    folder = data / "oopsla" / app
    text = (folder / "policies.cedar").read_text(encoding="utf-8")
    policies = parse_policies(Source(f"{app}/policies.cedar", text))
    schema = parse_json_schema((folder / "schema.cedarschema.json").read_text(encoding="utf-8"))
    with gzip.open(folder / f"n{size:02}.json.gz", "rt", encoding="utf-8") as file:
        document = json.load(file)
    for hierarchy in document["hierarchies"]:
        links = [_link(link) for link in hierarchy.get("templateLinks", ())]
        stored = read_entities(hierarchy["entities"], Source(app, ""))
        expected = [(request["decision"], frozenset(request["reason"])) for request in hierarchy["requests"]]
        yield Workload(
            name=f"{app} N={size}",
            seed=hierarchy["seed"],
            text=text,
            policies=PolicySet(policies, links),
            entities=Entities((*schema.action_entities(), *stored)),
            requests=[_request(request) for request in hierarchy["requests"]],
            expected=expected,
            schema=schema,
        )


def _link(link: dict[str, Any]) -> Link:
    values = {Slot(slot): read_entity_uid(uid) for slot, uid in link["values"].items()}
    return Link(link["newId"], link["templateId"], values)


def _request(request: dict[str, Any]) -> Request:
    context = read_value(request["context"])
    if not isinstance(context, Record):
        raise TypeError("a context is a record")
    principal, action, resource = (read_entity_uid(request[part]) for part in ("principal", "action", "resource"))
    return Request(principal, action, resource, context)
