"""AuthZEN's words in Cedar's: types, actions, properties and the context, by what the schema declares."""

from dataclasses import replace
from typing import Any

import pytest
from authzen_doors import ALICE, CONFIG, LOCAL, Doors

from pdp.cedar.values import EntityUID, IPAddr, Record
from pdp.config.doors import AuthzenConfig
from pdp.engine.decider import CheckRequest
from pdp.transport.errors import CallRefused
from pdp.transport.http.authzen.form import Act, Evaluation, Thing
from pdp.transport.http.authzen.mapping import Unmapped, Vocabulary
from pdp.transport.http.authzen.speakers import Speaker

EVALUATION = Evaluation(Thing("user", "alice"), Act("read"), Thing("record", "record-1"))


def question(doors: Doors, evaluation: Evaluation, config: AuthzenConfig = CONFIG) -> CheckRequest:
    speaker = Speaker(doors.authentication, LOCAL, None)
    return Vocabulary(config).question(evaluation, speaker, doors.schema(), "r-1")


def refused(doors: Doors, evaluation: Evaluation) -> str:
    with pytest.raises(CallRefused) as caught:
        question(doors, evaluation)
    assert isinstance(caught.value, Unmapped)
    return caught.value.message


def test_types_ids_and_names(doors: Doors) -> None:
    asked = question(doors, EVALUATION)
    assert (asked.subject.uid, asked.action) == (ALICE, EntityUID("Records::Action", "read"))
    assert (asked.resource, asked.request_id) == (EntityUID("Records::Record", "record-1"), "r-1")
    assert (asked.device, asked.resource_facts, asked.min_revision) == (None, Record(), 0)
    # `context.action` is a record in this schema, and there even when there are no properties.
    assert asked.context == Record({"action": Record()})


@pytest.mark.parametrize("id", ["", "é😀", "a b", '"', "\n", "Alice", "alice ", "x" * 10_000])
def test_ids_and_names_are_any_text(doors: Doors, id: str) -> None:
    asked = question(doors, Evaluation(Thing("user", id), Act(id), Thing("record", id)))
    assert (asked.subject.uid.id, asked.action.id, asked.resource.id) == (id, id, id)


def test_a_type_that_is_not_listed_is_a_cedar_type(doors: Doors) -> None:
    asked = question(doors, Evaluation(Thing("User", "u"), Act("a"), Thing("Files::Deep::File", "f")))
    assert (asked.subject.uid.type, asked.resource.type) == ("User", "Files::Deep::File")
    assert asked.action == EntityUID("Files::Deep::Action", "a")
    assert question(doors, replace(EVALUATION, resource=Thing("user", "u"))).action.type == "Action"


@pytest.mark.parametrize("type", ["", "space ship", "a-b", "User::", "::User", "if", "__cedar::Long", "é", "User\n"])
def test_a_type_that_can_be_none_is_a_deny(doors: Doors, type: str) -> None:
    assert "is not known here" in refused(doors, replace(EVALUATION, subject=Thing(type, "x")))
    assert "is not known here" in refused(doors, replace(EVALUATION, resource=Thing(type, "x")))


def test_listed_types_of_actions(doors: Doors) -> None:
    config = replace(CONFIG, actions={"record": "Other::Action"})
    assert question(doors, EVALUATION, config).action == EntityUID("Other::Action", "read")
    # What is listed is AuthZEN's word, not Cedar's.
    assert question(doors, replace(EVALUATION, resource=Thing("Records::Record", "x")), config).action.type == (
        "Records::Action"
    )


# Properties


def test_declared_properties_become_attributes_and_others_are_ignored(doors: Doors) -> None:
    said: Any = {"role": "admin", "department": {"any": [None, 1.5]}, "suspended": None}
    resource: Any = {"status": "active", "size": 5, "owner": "bob", "keeper": {"type": "User", "id": "bob"}}
    asked = question(doors, Evaluation(Thing("user", "x", said), Act("read"), Thing("record", "y", resource)))
    assert asked.subject.entity.attrs == {"role": "admin"}
    assert asked.subject.entity.parents == frozenset()
    assert asked.resource_facts == Record({"status": "active", "size": 5, "keeper": EntityUID("User", "bob")})


def test_properties_of_a_type_that_is_not_declared_are_ignored(doors: Doors) -> None:
    asked = question(doors, replace(EVALUATION, resource=Thing("Spaceship", "x", {"status": 5})))
    assert asked.resource_facts == Record()


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"status": None}, "resource.properties.status: "),
        ({"size": 1.5}, "resource.properties.size: a fraction is not a Cedar value"),
        ({"size": 2**70 * 1.0}, "resource.properties.size: a fraction"),
        ({"keeper": "bob"}, "resource.properties.keeper: expected an entity uid, found a string"),
        ({"keeper": {"type": "a b", "id": "x"}}, "resource.properties.keeper.type: "),
        ({"size": {"__expr": "1"}}, "resource.properties.size: "),
        ({"status": {"__extn": {"fn": "ip", "arg": "no"}}}, "resource.properties.status"),
    ],
)
def test_declared_properties_must_have_a_form(doors: Doors, properties: Any, message: str) -> None:
    assert refused(doors, replace(EVALUATION, resource=Thing("record", "x", properties))).startswith(message)


def test_the_device(doors: Doors) -> None:
    assert question(doors, replace(EVALUATION, subject=Thing("user", "alice", {"device_id": "d"}))).device == (
        EntityUID("Device", "d")
    )
    message = refused(doors, replace(EVALUATION, subject=Thing("user", "alice", {"device_id": 5})))
    assert message == "`subject.properties.device_id` must be a string"
    elsewhere = replace(CONFIG, device_property=None)
    assert (
        question(doors, replace(EVALUATION, subject=Thing("user", "alice", {"device_id": 5})), elsewhere).device is None
    )
    phone = replace(CONFIG, device_type="Phone")
    assert question(doors, replace(EVALUATION, subject=Thing("user", "a", {"device_id": "d"})), phone).device == (
        EntityUID("Phone", "d")
    )


# The context


def test_of_the_context_what_the_schema_declares(doors: Doors) -> None:
    context: Any = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1", "level": 3, "x": {"__entity": None}}
    asked = question(doors, replace(EVALUATION, context=context))
    assert asked.context == Record({"action": Record(), "ip": IPAddr(4, 0xC0A80101, 32), "level": 3})


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"ip": "not an address"}, "context.ip: "),
        ({"ip": 5}, "context.ip: "),
        ({"level": 1.5}, "context.level: a fraction is not a Cedar value"),
        ({"level": None}, "context.level: "),
        ({"device": {"freshness": "fresh"}}, "the context holds `device`, which the decision point alone writes"),
        ({"auth": 1, "grant": 2}, "the context holds `auth`, `grant`, which"),
        ({"action": {"soft": True}}, "the context holds `action`, which stands for the properties of the action"),
    ],
)
def test_what_is_declared_must_fit_and_be_the_callers_to_say(doors: Doors, context: Any, message: str) -> None:
    assert refused(doors, replace(EVALUATION, context=context)).startswith(message)


def test_properties_of_the_action_become_its_record(doors: Doors) -> None:
    act = Act("delete", {"soft": True, "method": "GET"})
    assert question(doors, replace(EVALUATION, action=act)).context == Record({"action": Record({"soft": True})})
    message = refused(doors, replace(EVALUATION, action=Act("delete", {"soft": None})))
    assert message.startswith("action.properties.soft: ")


def test_where_the_context_has_no_such_record_properties_of_the_action_mean_nothing(doors: Doors) -> None:
    act = Act("note", {"soft": True})
    assert question(doors, replace(EVALUATION, action=act, context={"action": "x"})).context == Record({"action": "x"})


def test_an_action_that_is_not_declared_has_no_context(doors: Doors) -> None:
    assert question(doors, replace(EVALUATION, action=Act("fly"), context={"ip": 5})).context == Record()
