"""Faults in the small world's files, by name: how each is made, and what must be said of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from small_world import GUARDRAILS, SmallWorld


@dataclass(frozen=True)
class Fault:
    """A fault in a file: how to make it, and what must be said of it.

    `place` is `file:line:column` below the world's folder, or the file alone, or nothing where only a name is known;
    `source` is what could not be read, in the metrics' words, and "" if only all of it together is wrong; `helps` says
    whether the message says what to do.
    """

    make: Callable[[SmallWorld], object]
    code: str
    message: str
    place: str
    source: str = "policy"
    helps: bool = True

    def check_told(self, rendered: str, root: Path) -> None:
        """Fails unless a message says what, where, with carets below the place, and what to do."""
        assert self.message in rendered, rendered
        if self.place:
            assert rendered.startswith(f"{root}/{self.place}: "), rendered
        if ":" in self.place:
            assert "\n" in rendered
            assert "^" in rendered.split("\n")[3], rendered
        assert ("  help: " in rendered) is self.helps, rendered


def cyclic(files: SmallWorld) -> None:
    entities = json.loads((files.root / "context/entities/all.json").read_text("utf-8"))
    staff = next(entity for entity in entities if entity["uid"]["id"] == "staff")
    staff["parents"] = [{"type": "Group", "id": "readers"}]
    files.write("context/entities/all.json", json.dumps(entities, indent=2))


FAULTS = {
    "a syntax error in a policy": Fault(
        lambda files: files.replace("teams/files/files.cedar", "{ resource.owner == p", "{ resource.owner = p"),
        "policy_syntax",
        "`=`",
        "teams/files/files.cedar:18:23",
    ),
    "two policies of one id": Fault(
        lambda files: files.write("guardrails/more.cedar", GUARDRAILS),
        "policy_set",
        "duplicate policy id `guardrail/suspended`",
        "guardrails/more.cedar:1:1",
    ),
    "a policy without an id": Fault(
        lambda files: files.write("guardrails/more.cedar", "forbid (principal, action, resource);"),
        "policy_set",
        "no `@id`",
        "guardrails/more.cedar:1:1",
    ),
    "a header that policies may not set": Fault(
        lambda files: files.replace("teams/files/files.cedar", "x-reader=yes", "authorization=no"),
        "policy_set",
        "names a header that policies may not set",
        "teams/files/files.cedar:1:1",
    ),
    "a policy that does not fit the schema": Fault(
        lambda files: files.replace("guardrails/central.cedar", "context.device has score && ", ""),
        "policy_validation",
        "the attribute `score` may be missing",
        "guardrails/central.cedar:16:8",
    ),
    "a broken schema": Fault(
        lambda files: files.replace("schema.cedarschema", "entity Device;", "entity Device = { a: Unknown };"),
        "schema",
        "Unknown",
        "schema.cedarschema:12:22",
    ),
    "no schema": Fault(
        lambda files: (files.root / "schema.cedarschema").unlink(), "bundle", "cannot read", "schema.cedarschema"
    ),
    "a cyclic hierarchy": Fault(cyclic, "entities", "cycle", "context/entities/all.json:44:12", "context"),
    "an entity file that is not JSON": Fault(
        lambda files: files.write("context/entities/all.json", '[{"uid": }]'),
        "json_form",
        "expected a JSON value",
        "context/entities/all.json:1:10",
        "context",
    ),
    "an entity file of another form": Fault(
        lambda files: files.write("context/entities/all.json", '{"uid": 1}'),
        "json_form",
        "array",
        "context/entities/all.json:1:1",
        "context",
    ),
    "an entity of the wrong type": Fault(
        lambda files: files.replace("context/entities/all.json", '"level": 3', '"level": "3"'),
        "nonconformant",
        "level",
        "context/entities/all.json:9:16",
        "context",
        helps=False,
    ),
    "a grant of no template": Fault(
        lambda files: files.replace("context/grants.json", "entitlement/reader", "entitlement/none"),
        "policy_set",
        "the grant `grant/bob-plans` is of the template `entitlement/none`, which the bundle does not have",
        "",
        "",
    ),
    "a fact of posture that nobody declares": Fault(
        lambda files: files.replace("context/posture.json", '"encrypted"', '"encripted"'),
        "document",
        '"encripted"',
        "context/posture.json:10:20",
        "context",
    ),
    "an unknown key in the routes": Fault(
        lambda files: files.replace("routes.yaml", "    host: api.example", "    host: api.example\n    acton: x"),
        "document",
        'unknown key "acton"',
        "routes.yaml:4:5",
        "route",
    ),
    "a key set without keys": Fault(
        lambda files: files.write("keys.json", '{"keys": []}'),
        "document",
        "the key set is empty",
        "keys.json:1:10",
        "key",
    ),
}
