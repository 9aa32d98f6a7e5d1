"""Facts from files: what is read, typed by the schema, and where each refusal points."""

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fuzzing import damaged, refusal, rounds

from pdp.cedar.entities import Entities
from pdp.cedar.errors import CedarError, ConformanceError, EntityError, JsonError
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Position, Source
from pdp.cedar.values import Decimal, EntityUID, IPAddr, Record, Set
from pdp.context.facts import Facts, Grant, Posture
from pdp.context.files import FactsError, load_facts
from pdp.documents import DocumentError

NOW = 1_772_445_600_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

SCHEMA = parse_schema(
    Source(
        "x.cedarschema",
        """
        entity Group;
        entity Org enum ["kestrel", "arbor"];
        entity User in [Group] { level: Long, home?: ipaddr, org?: Org };
        entity Device;
        entity Order;
        action read, write in [all] appliesTo {
            principal: User, resource: Order,
            context: {
                device: {freshness: String, id?: Device, managed?: Bool, score?: decimal, seen_by?: User,
                         networks?: Set<ipaddr>, os?: {name: String, patch: Long}},
                workload: {freshness: String, score?: Long, image?: String},
                region?: String,
            }
        };
        action all;
        """,
    )
)
ANA, LAPTOP, ORDER = EntityUID("User", "ana"), EntityUID("Device", "laptop"), EntityUID("Order", "4711")

DEVICE_UID = {"type": "Device", "id": "laptop"}
REPORT = {
    "subject": DEVICE_UID,
    "source": "mdm",
    "observed_at": "2026-03-02T09:55:00Z",
    "facts": {"managed": True},
}
GRANT = {
    "id": "grant/ana-4711",
    "template": "entitlement/read-orders",
    "principal": {"type": "User", "id": "ana"},
    "resource": {"type": "Order", "id": "4711"},
    "owner": "ben",
    "reason": "audit 7",
    "not_before": "2026-03-02T10:00:00Z",
    "expires_at": "2026-03-03T10:00:00Z",
}
USER = {"uid": {"type": "User", "id": "ana"}, "attrs": {"level": 3}, "parents": [{"type": "Group", "id": "buyers"}]}
GROUP = {"uid": {"type": "Group", "id": "buyers"}, "attrs": {}, "parents": []}


def write(folder: Path, **files: Any) -> Path:
    """A folder of facts; `entities_x` becomes `entities/x.json`. A text is written as it is, all else as JSON."""
    for name, content in files.items():
        path = folder / f"{name.replace('entities_', 'entities/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return folder


def load(folder: Path, *, relative_times: bool = False) -> Facts:
    return load_facts(folder, SCHEMA, NOW, relative_times=relative_times)


def refused(folder: Path, *, relative_times: bool = False) -> CedarError:
    with pytest.raises(CedarError) as caught:
        load(folder, relative_times=relative_times)
    assert caught.value.source is not None
    assert caught.value.render().startswith(str(folder))
    return caught.value


def shown(error: CedarError) -> str:
    """The text that an error points at."""
    assert error.source is not None
    assert error.span is not None
    return error.source.excerpt(error.span)


class TestFolder:
    def test_an_empty_folder_holds_the_actions_of_the_schema_alone(self, tmp_path: Path) -> None:
        facts = load(tmp_path)
        assert {entity.uid.id for entity in facts.entities} == {"read", "write", "all"}
        assert (facts.posture, facts.grants) == ({}, {})

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "nothing", tmp_path / "file", tmp_path / "a\0b"):
            with pytest.raises(FactsError, match="cannot list the folder"):
                load(path)

    def test_names_that_mean_nothing_are_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path, entities_people=[GROUP])
        for name in ("README.md", ".swp", "entities/.hidden.json", "entities/NOTES.md"):
            (tmp_path / name).write_text("{")
        assert EntityUID("Group", "buyers") in load(tmp_path).entities

    @pytest.mark.parametrize("name", ["postures.json", "entity", "grants.yaml", "grants.json.bak", "GRANTS.json"])
    def test_what_does_not_belong_here_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("[]")
        error = refused(tmp_path)
        assert (error.code, error.message) == ("facts", "this is not one of the files that belong here")
        assert error.render().startswith(str(tmp_path / name))
        assert error.help

    @pytest.mark.parametrize("name", ["people.jsn", "people", "people.json.bak"])
    def test_nor_does_it_in_the_folder_of_entities(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "entities").mkdir()
        (tmp_path / "entities" / name).write_text("[]")
        assert refused(tmp_path).message == "this is not one of the files that belong here"

    @pytest.mark.parametrize("name", ["entities.json", "posture.json", "grants.json", "entities/x.json"])
    def test_a_file_that_cannot_be_read(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "entities").mkdir()
        (tmp_path / name).symlink_to("nowhere")
        assert refused(tmp_path).message == "cannot read the file: no such file or directory"
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(b'["\xff"]')
        error = refused(tmp_path)
        assert (error.message, error.position) == ("this is not UTF-8", Position(1, 3))
        (tmp_path / name).write_bytes(b"[")
        assert isinstance(refused(tmp_path), JsonError)

    def test_a_link_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "entities").symlink_to("entities")
        error = refused(tmp_path)
        assert error.message == "cannot list the folder: too many levels of symbolic links"


class TestEntities:
    def test_entities_are_typed_by_the_schema_and_joined_over_all_files(self, tmp_path: Path) -> None:
        user = {**USER, "attrs": {"level": 3, "home": "10.0.0.0/8", "org": {"type": "Org", "id": "arbor"}}}
        write(tmp_path, entities=[user], entities_groups=[GROUP], entities_orders=[])
        entities = load(tmp_path).entities
        ana = entities.get(ANA)
        assert ana is not None
        assert ana.attrs == {"level": 3, "home": IPAddr(4, 10 << 24, 8), "org": EntityUID("Org", "arbor")}
        assert ana.ancestors == {EntityUID("Group", "buyers")}
        read = entities.get(EntityUID("Action", "read"))
        assert read is not None
        assert read.ancestors == {EntityUID("Action", "all")}

    def test_ancestors_are_closed_over_all_files(self, tmp_path: Path) -> None:
        schema = parse_schema(Source("x", "entity G in [G];"))
        chain = [
            {"uid": {"type": "G", "id": str(n)}, "attrs": {}, "parents": [{"type": "G", "id": str(n + 1)}]}
            for n in range(4)
        ]
        write(tmp_path, **{f"entities_{number}": [entity] for number, entity in enumerate(chain)})
        lowest = load_facts(tmp_path, schema, NOW, relative_times=False).entities.get(EntityUID("G", "0"))
        assert lowest is not None
        assert sorted(uid.id for uid in lowest.ancestors) == ["1", "2", "3", "4"]

    @pytest.mark.parametrize(
        ("attrs", "pointed_at"),
        [({"level": "3"}, '"3"'), ({"level": 3, "levle": 4}, "4"), ({}, "{}"), ({"level": 3, "home": "x"}, '"x"')],
    )
    def test_what_does_not_fit_the_schema(self, tmp_path: Path, attrs: Any, pointed_at: str) -> None:
        write(tmp_path, entities_a=[GROUP], entities_b=[{**USER, "attrs": attrs}])
        error = refused(tmp_path)
        assert error.render().startswith(str(tmp_path / "entities" / "b.json"))
        assert shown(error) == pointed_at

    def test_an_undeclared_type(self, tmp_path: Path) -> None:
        write(tmp_path, entities=[{**GROUP, "uid": {"type": "Groop", "id": "x"}}])
        assert isinstance(refused(tmp_path), ConformanceError)

    def test_the_same_entity_in_two_files(self, tmp_path: Path) -> None:
        write(tmp_path, entities_a=[USER], entities_b=[GROUP, USER])
        assert len(load(tmp_path).entities) == 5
        write(tmp_path, entities_c=[GROUP, {**USER, "attrs": {"level": 4}}])
        error = refused(tmp_path)
        assert isinstance(error, EntityError)
        assert error.message == 'entity `User::"ana"` is given twice with different contents'
        assert error.render().startswith(str(tmp_path / "entities" / "c.json:11:10: "))

    def test_a_cycle_over_two_files(self, tmp_path: Path) -> None:
        schema = parse_schema(Source("x", "entity G in [G];"))

        def link(child: str, parent: str) -> Any:
            return {"uid": {"type": "G", "id": child}, "attrs": {}, "parents": [{"type": "G", "id": parent}]}

        write(tmp_path, entities_a=[link("x", "y")], entities_b=[link("y", "z"), link("z", "x")])
        with pytest.raises(EntityError) as caught:
            load_facts(tmp_path, schema, NOW, relative_times=False)
        assert caught.value.message.startswith("the hierarchy has a cycle: ")
        assert caught.value.position is not None
        assert caught.value.uid is not None
        assert json.loads(shown(caught.value)) == {"type": "G", "id": caught.value.uid.id}

    def test_an_action_may_be_given_as_it_is_declared_and_not_otherwise(self, tmp_path: Path) -> None:
        read = {"uid": {"type": "Action", "id": "read"}, "attrs": {}, "parents": [{"type": "Action", "id": "all"}]}
        write(tmp_path, entities_a=[read], entities_b=[GROUP])
        assert len(load(tmp_path).entities) == 4
        write(tmp_path, entities_b=[{**read, "parents": []}])
        assert isinstance(refused(tmp_path), ConformanceError)

    def test_entities_are_a_store(self, tmp_path: Path) -> None:
        assert isinstance(load(tmp_path).entities, Entities)


class TestPosture:
    def test_a_report(self, tmp_path: Path) -> None:
        facts = {
            "managed": True,
            "networks": ["10.0.0.1", {"__extn": {"fn": "ip", "arg": "::1"}}],
            "seen_by": {"type": "User", "id": "ana"},
            "os": {"name": "linux", "patch": 7},
        }
        write(tmp_path, posture=[{**REPORT, "facts": facts}])
        assert load(tmp_path).posture == {
            LAPTOP: Posture(
                LAPTOP,
                "mdm",
                NOW - 5 * MINUTE,
                {
                    "managed": True,
                    "networks": Set([IPAddr(4, 0x0A000001, 32), IPAddr(6, 1, 128)]),
                    "seen_by": ANA,
                    "os": Record({"name": "linux", "patch": 7}),
                },
            )
        }

    def test_a_fact_of_two_types_is_read_by_its_escapes(self, tmp_path: Path) -> None:
        extension = {"__extn": {"fn": "decimal", "arg": "0.5"}}
        write(tmp_path, posture=[{**REPORT, "facts": {"score": extension}}])
        assert load(tmp_path).posture[LAPTOP].facts == {"score": Decimal(5_000)}
        write(tmp_path, posture=[{**REPORT, "facts": {"score": 7}}])
        assert load(tmp_path).posture[LAPTOP].facts == {"score": 7}
        write(tmp_path, posture=[{**REPORT, "facts": {"score": "0.5"}}])
        assert refused(tmp_path).message == "`[0].facts.score` must be decimal or Long, found string"

    @pytest.mark.parametrize(
        ("facts", "message", "pointed_at"),
        [
            ({"managed": "true"}, "`[0].facts.managed` must be Bool, found string", '"true"'),
            ({"managed": 1}, "`[0].facts.managed` must be Bool, found long", "1"),
            ({"managed": None}, "`null` is not a Cedar value", "null"),
            ({"seen_by": {"type": "Device", "id": "x"}}, "`[0].facts.seen_by` must be User, found (entity of", ...),
            ({"seen_by": "ana"}, "expected an entity uid, found a string", '"ana"'),
            ({"networks": ["x"]}, '"x" is not a valid IP address', '"x"'),
            ({"networks": "10.0.0.1"}, "`[0].facts.networks` must be Set<ipaddr>, found string", '"10.0.0.1"'),
            ({"os": 5}, "`[0].facts.os` must be a record, found long", "5"),
            ({"os": {"name": None}}, "`null` is not a Cedar value", "null"),
            ({"manged": True}, 'no action\'s context has the fact "manged"', "true"),
            ({"region": "x"}, 'no action\'s context has the fact "region"', '"x"'),
            ({"freshness": "fresh"}, "the fact `freshness` is written by the decision point alone", '"fresh"'),
            ({"id": DEVICE_UID}, "the fact `id` is written by the decision point alone", ...),
            ([], "`[0].facts` must be a mapping, found a list", "[]"),
        ],
    )
    def test_facts_that_are_refused(self, tmp_path: Path, facts: Any, message: str, pointed_at: Any) -> None:
        write(tmp_path, posture=[{**REPORT, "facts": facts}])
        error = refused(tmp_path)
        assert error.message.startswith(message)
        assert pointed_at in (..., shown(error))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"subject": "laptop"}, "`[0].subject` must be a mapping, found"),
            ({"subject": {"type": "Device"}}, "`id` is missing"),
            ({"subject": {"id": "laptop"}}, "`type` is missing"),
            ({"subject": {**DEVICE_UID, "name": "x"}}, 'unknown key "name"'),
            ({"subject": {"__entity": DEVICE_UID}}, "`type` is missing"),
            ({"subject": {"type": "Devise", "id": "laptop"}}, '`[0].subject.type` cannot be "Devise"'),
            ({"subject": {"type": "Action", "id": "read"}}, '`[0].subject.type` cannot be "Action"'),
            ({"subject": {"type": "Org", "id": "kestral"}}, '`[0].subject.id` cannot be "kestral"'),
            ({"subject": {"type": "Device", "id": ""}}, "`[0].subject.id` must be a text, found an empty text"),
            ({"subject": {"type": "Device", "id": 5}}, "`[0].subject.id` must be a text, found `5`"),
            ({"source": ""}, "`[0].source` must be a text, found an empty text"),
            ({"source": " \t"}, "`[0].source` says nothing"),
            ({"observed_at": 5}, "`[0].observed_at` must be a text, found `5`"),
            ({"observed_at": "yesterday"}, '`[0].observed_at` must be an instant, found "yesterday"'),
            ({"observed_at": "-5m"}, "`[0].observed_at` is relative to the moment of loading"),
            ({"obseved_at": "x"}, 'unknown key "obseved_at"'),
        ],
    )
    def test_reports_that_are_refused(self, tmp_path: Path, change: Any, message: str) -> None:
        write(tmp_path, posture=[{**REPORT, **change}])
        error = refused(tmp_path)
        assert isinstance(error, DocumentError)
        assert error.message.startswith(message)
        assert error.position is not None
        assert error.position.line > 1

    @pytest.mark.parametrize("key", REPORT)
    def test_every_key_is_required(self, tmp_path: Path, key: str) -> None:
        write(tmp_path, posture=[{name: value for name, value in REPORT.items() if name != key}])
        assert refused(tmp_path).message == f"`{key}` is missing"

    def test_two_reports_of_one_subject(self, tmp_path: Path) -> None:
        write(tmp_path, posture=[REPORT, {**REPORT, "source": "edr"}])
        error = refused(tmp_path)
        assert error.message == '`Device::"laptop"` has two reports'
        assert error.position == Position(14, 14)

    @pytest.mark.parametrize("document", [{}, 5, [5], "null"])
    def test_the_form_of_the_file(self, tmp_path: Path, document: Any) -> None:
        write(tmp_path, posture=document)
        assert isinstance(refused(tmp_path), DocumentError)


class TestGrants:
    def test_a_grant(self, tmp_path: Path) -> None:
        write(tmp_path, grants=[GRANT, {**GRANT, "id": "grant/2"}])
        first, second = load(tmp_path).grants.values()
        template = "entitlement/read-orders"
        assert first == Grant("grant/ana-4711", template, ANA, ORDER, "ben", "audit 7", NOW, NOW + DAY)
        assert second.id == "grant/2"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"id": "ana"}, '`[0].id` cannot be "ana"'),
            ({"id": "grant/"}, '`[0].id` cannot be "grant/"'),
            ({"id": "grant/a b"}, '`[0].id` cannot be "grant/a b"'),
            ({"id": "grant/a\n"}, '`[0].id` cannot be "grant/a\\n"'),
            ({"id": "entitlement/a"}, '`[0].id` cannot be "entitlement/a"'),
            ({"id": "grant/" + "a" * 201}, '`[0].id` cannot be "grant/aaa'),
            ({"template": "grant/a"}, '`[0].template` cannot be "grant/a"'),
            ({"template": "guardrail/a"}, '`[0].template` cannot be "guardrail/a"'),
            ({"principal": {"type": "Usr", "id": "ana"}}, '`[0].principal.type` cannot be "Usr"'),
            ({"resource": 'Order::"1"'}, "`[0].resource` must be a mapping, found"),
            ({"owner": ""}, "`[0].owner` must be a text, found an empty text"),
            ({"owner": "  "}, "`[0].owner` says nothing"),
            ({"reason": None}, "`[0].reason` must be a text, found `null`"),
            ({"reason": "\n"}, "`[0].reason` says nothing"),
            ({"not_before": "1d"}, "`[0].not_before` is relative to the moment of loading"),
            ({"not_before": "2026-03-03T10:00:00Z"}, "the grant is over before it begins"),
            ({"not_before": "2026-03-03T10:00:00.001Z"}, "the grant is over before it begins"),
            ({"expires_at": "2026-02-30"}, '`[0].expires_at` must be an instant, found "2026-02-30"'),
            ({"until": "x"}, 'unknown key "until"'),
        ],
    )
    def test_grants_that_are_refused(self, tmp_path: Path, change: Any, message: str) -> None:
        write(tmp_path, grants=[{**GRANT, **change}])
        error = refused(tmp_path)
        assert isinstance(error, DocumentError)
        assert error.message.startswith(message)
        assert error.position is not None
        assert error.position.line > 1

    def test_a_millisecond_is_long_enough(self, tmp_path: Path) -> None:
        write(tmp_path, grants=[{**GRANT, "expires_at": "2026-03-02T10:00:00.001Z"}])
        assert load(tmp_path).grants["grant/ana-4711"].expires_at == NOW + 1

    @pytest.mark.parametrize("key", GRANT)
    def test_every_key_is_required(self, tmp_path: Path, key: str) -> None:
        write(tmp_path, grants=[{name: value for name, value in GRANT.items() if name != key}])
        assert refused(tmp_path).message == f"`{key}` is missing"

    def test_two_grants_of_one_id(self, tmp_path: Path) -> None:
        write(tmp_path, grants=[GRANT, {**GRANT, "owner": "eve"}])
        error = refused(tmp_path)
        assert error.message == "there are two grants `grant/ana-4711`"
        assert error.position == Position(19, 9)

    def test_enumerated_ids(self, tmp_path: Path) -> None:
        write(tmp_path, grants=[{**GRANT, "resource": {"type": "Org", "id": "kestrel"}}])
        assert load(tmp_path).grants["grant/ana-4711"].resource == EntityUID("Org", "kestrel")
        write(tmp_path, grants=[{**GRANT, "resource": {"type": "Org", "id": "kestral"}}])
        assert refused(tmp_path).help == "did you mean `kestrel`?"


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("-5m", NOW - 5 * MINUTE),
            ("30d", NOW + 30 * DAY),
            ("0ms", NOW),
            ("-1h30m", NOW - 90 * MINUTE),
            ("36525d", NOW + 36_525 * DAY),
            ("2026-03-02T10:00:00Z", NOW),
            ("2026-03-02T11:00:00+0100", NOW),
            ("2026-03-02", NOW - 10 * HOUR),
        ],
    )
    def test_times_where_relative_ones_are_allowed(self, tmp_path: Path, text: str, expected: int) -> None:
        write(tmp_path, posture=[{**REPORT, "observed_at": text}])
        assert load(tmp_path, relative_times=True).posture[LAPTOP].observed_at == expected

    def test_relative_grants(self, tmp_path: Path) -> None:
        write(tmp_path, grants=[{**GRANT, "not_before": "-1h", "expires_at": "7h"}])
        (grant,) = load(tmp_path, relative_times=True).grants.values()
        assert (grant.not_before, grant.expires_at) == (NOW - HOUR, NOW + 7 * HOUR)

    @pytest.mark.parametrize("text", ["36526d", "-36526d", "9223372036854775807ms"])
    def test_relative_times_have_a_bound(self, tmp_path: Path, text: str) -> None:
        write(tmp_path, posture=[{**REPORT, "observed_at": text}])
        error = refused(tmp_path, relative_times=True)
        assert error.message == f'`[0].observed_at` must be from -36525d to 36525d, found "{text}"'

    def test_relative_times_are_off_unless_switched_on(self, tmp_path: Path) -> None:
        write(tmp_path, posture=[{**REPORT, "observed_at": "-5m"}])
        error = refused(tmp_path)
        assert error.help == "write an instant, or set `context.relative_times`"
        assert shown(error) == '"-5m"'


SEEDS = {"entities": [USER, GROUP], "posture": [REPORT], "grants": [GRANT]}


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_raise_only_our_errors(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, **{name: []})
    rng = random.Random(20261124)
    errors = []
    for data in damaged(rng, [json.dumps(SEEDS[name]).encode()], '{}[]":,\\0-5é utn', rounds(2_000)):
        source = Source(name, data.decode("utf-8", "replace"))
        # Writing every one of them would take longer than reading it.
        monkeypatch.setattr("pdp.context.files.read_source", lambda *_: source)  # noqa: B023  called at once
        errors.append(refusal(partial(load, tmp_path, relative_times=True)))
    assert errors.count(None) > 20
    assert all(error.position is not None and error.render() for error in errors if error is not None)
