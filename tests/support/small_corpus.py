"""A corpus in the form of the official integration tests: three cases, in text and in JSON, on which all must agree.

one     text; a permit, and a forbid that is not valid: it fails where an attribute is missing
links   policies and schema in JSON, valid; a static policy, a template and its link
wrong   a policy that is not valid; a request that the schema does not allow, and is not checked
"""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

POLICIES: Final = """\
permit(principal in Group::"staff", action == Action::"read", resource)
when { context.level > 1 };
forbid(principal, action, resource) when { principal.banned };
"""

SCHEMA: Final = """\
entity Group;
entity User in [Group] = { banned?: Bool, since: datetime };
entity File;
action read, write appliesTo { principal: User, resource: File, context: { level: Long, at?: datetime } };
"""

JSON_SCHEMA: Final = {
    "": {
        "commonTypes": {"Person": {"type": "Record", "attributes": {"boss": {"type": "Boolean"}}}},
        "entityTypes": {"User": {"shape": {"type": "Person"}}, "File": {}},
        "actions": {"read": {"appliesTo": {"principalTypes": ["User"], "resourceTypes": ["File"]}}},
    }
}
"""Its shape has a name, which text cannot say."""


def uid(type: str, id: str) -> dict[str, str]:
    return {"type": type, "id": id}


def entity(type: str, id: str, parents: Iterable[dict[str, str]] = (), **attrs: Any) -> dict[str, Any]:
    return {"uid": uid(type, id), "attrs": attrs, "parents": list(parents)}


ENTITIES: Final = [
    entity("User", "ana", [uid("Group", "staff")], banned=False, since="2026-01-01"),
    entity("User", "bob", [uid("Group", "staff")], since="2026-01-01"),
    entity("User", "eve", [uid("Group", "staff")], banned=True, since="2026-01-01"),
    entity("Group", "staff"),
]

_SCOPE: Final = {"principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": []}
_IS_BOSS: Final = {"kind": "when", "body": {".": {"left": {"Var": "principal"}, "attr": "boss"}}}
JSON_POLICIES: Final = {
    "staticPolicies": {"no bosses": {**_SCOPE, "effect": "forbid", "conditions": [_IS_BOSS]}},
    "templates": {"reader": {**_SCOPE, "effect": "permit", "principal": {"op": "==", "slot": "?principal"}}},
    "templateLinks": [{"templateId": "reader", "newId": "for ana", "values": {"?principal": uid("User", "ana")}}],
}


def request(who: str, decision: str, reason: Iterable[str] = (), errors: Iterable[str] = (), **more: Any) -> Any:
    return {
        "description": f"{who} asks",
        "principal": uid("User", who),
        "action": uid("Action", "read"),
        "resource": uid("File", "plan"),
        "context": {"level": 2},
        "decision": decision,
        "reason": list(reason),
        "errors": list(errors),
        **more,
    }


def case(name: str, *requests: Any, valid: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "policies": f"data/{name}.cedar",
        "entities": f"data/{name}.entities.json",
        "schema": f"data/{name}.cedarschema",
        "shouldValidate": valid,
        "requests": list(requests),
        **more,
    }


def small_corpus() -> dict[str, str]:
    """The files by name, for a test to change."""
    one = case(
        "one",
        request("ana", "allow", ["policy0"]),
        request("bob", "allow", ["policy0"], ["policy1"]),
        request("eve", "deny", ["policy1"], validateRequest=True),
        request("ana", "deny", context={"level": 0, "at": "2026-11-24"}),
        valid=False,
    )
    links = case(
        "links",
        request("ana", "allow", ["for ana"], context={}),
        request("bob", "deny", (), ["no bosses"], context={}, principal={"__entity": uid("User", "bob")}),
        policyFormat="json",
        schemaFormat="json",
    )
    wrong = case(
        "wrong",
        request("ana", "deny", (), ["policy0"]),
        request("ana", "deny", (), ["policy0"], resource=uid("Group", "staff"), validateRequest=False),
        valid=False,
    )
    return {
        "tests/one.json": json.dumps(one),
        "tests/more/links.json": json.dumps(links),
        "tests/more/wrong.json": json.dumps(wrong),
        "data/one.cedar": POLICIES,
        "data/one.cedarschema": SCHEMA,
        "data/one.entities.json": json.dumps(ENTITIES),
        "data/links.cedar": json.dumps(JSON_POLICIES),
        "data/links.cedarschema": json.dumps(JSON_SCHEMA),
        "data/links.entities.json": json.dumps([entity("User", "ana", boss=False)]),
        "data/wrong.cedar": "permit(principal, action, resource) when { principal.since == 1 && context.level };",
        "data/wrong.cedarschema": SCHEMA,
        "data/wrong.entities.json": "[]",
        "data/entities.json": "[]",
        "README.md": "not a part of it",
    }


def write_folder(root: Path, files: dict[str, str]) -> Path:
    """The files in a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8", newline="")
    return root


def packed(files: dict[str, str | bytes]) -> bytes:
    """The files in a tar archive, not compressed; names begin with `./`, as some programs write them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def write_archive(path: Path, files: dict[str, str]) -> Path:
    """The files in a `.tar.gz`, each beside the file of metadata that macOS adds."""
    with_metadata: dict[str, str | bytes] = {}
    for name, text in files.items():
        folder, _, last = name.rpartition("/")
        with_metadata[f"{folder}/._{last}"] = b"\x00\x05\x16\x07\xff"
        with_metadata[name] = text
    path.write_bytes(gzip.compress(packed(with_metadata), mtime=0))
    return path
