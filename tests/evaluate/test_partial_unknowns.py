"""What a schema says about the variables of a partial request: which actions are possible, and so which types."""

from dataclasses import replace

import pytest
from partial_case import ANA, ASKED, CONTEXT, READ, SCHEMA, STORE, shown, when

from pdp.cedar.errors import ConformanceError
from pdp.cedar.values import EntityUID, Record
from pdp.evaluate.partial import PartialContext, PartialRequest, Unknown, partial_authorize

ANYTHING = PartialRequest()


def left(condition: str, asked: PartialRequest) -> str:
    return shown(partial_authorize(asked, when(condition), STORE, SCHEMA))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # Every action applies to users alone.
        ("principal is User", "true"),
        ("principal is Group", "false"),
        ("resource is Doc", "resource is Doc"),
        ("resource is Group", "false"),
        ('resource is Doc in Folder::"f"', 'resource is Doc in Folder::"f"'),
        ('resource is Doc in Group::"g"', "false"),
        ("resource is Doc in principal", "false"),
        ("resource is Doc in resource.owner", "resource is Doc in resource.owner -- never"),
        ("resource is Doc in 1", "resource is Doc in 1 -- never"),
        ("resource is Doc in context.nothing", "resource is Doc in context.nothing -- never"),
        ("resource is Doc in [resource]", "resource is Doc in [resource]"),
        # What entities of two types have is of one type or another; what only one of them has may be missing.
        ("resource has note && resource.note == 1", "resource has note && resource.note == 1"),
        ('resource has note && resource.note == "a"', 'resource has note && resource.note == "a"'),
        ("resource has public && resource.public == 1", "false"),
        ("resource has public", "resource has public"),
        # Nothing is stored of a type that is not declared.
        ('(if context has mfa then Other::"x" else Other::"y") has size', "false"),
        # Only declared actions are possible, and only those that apply to something.
        ('action == Action::"read"', 'action == Action::"read"'),
        ('action == Action::"burn"', "false"),
        ('action == Action::"all"', "false"),
        ('action in [Action::"all", Action::"share", Action::"paint"]', "true"),
        ('action in Action::"all"', 'action in Action::"all"'),
        ('action in Action::"nothing"', "false"),
        ('action in [Action::"read", 1]', "type_error"),
        # An attribute of the context is there only if every possible action has it.
        ("context has mfa", "context has mfa"),
        ("context has nothing", "false"),
        ("context has device.managed", "context has device.managed"),
        # Its type is known only if they agree about it: here, Bool or String.
        ("context has mfa && context.mfa == 1 && false", "false"),
        ("context has mfa && context.mfa && false", "context has mfa && context.mfa && false -- never"),
        ("context has region && context.region == 1", "false"),
    ],
)
def test_when_nothing_is_known(condition: str, expected: str) -> None:
    assert left(condition, ANYTHING) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('action == Action::"paint"', "true"),
        ("context == {}", "true"),
        ('resource == Color::"red"', 'resource == Color::"red"'),
        ('resource == Color::"green"', "false"),
        ('resource in [Color::"red", Color::"blue"]', "true"),
        ('["red"].contains(resource)', "false"),
        ("resource has name", "false"),
    ],
)
def test_a_resource_may_say_which_action_it_is(condition: str, expected: str) -> None:
    assert left(condition, replace(ANYTHING, resource=Unknown("Color"))) == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (PartialContext(Record({"mfa": "yes"}), others=True), 'Action::"write"'),
        (PartialContext(Record({"mfa": True}), others=True), 'Action::"read"'),
        (PartialContext(Record({"reason": "audit"})), 'Action::"share"'),
        (PartialContext(present=frozenset(("reason",)), others=True), 'Action::"share"'),
        (PartialContext(), 'Action::"paint"'),
        (PartialContext(optional=frozenset(("reason",))), None),
    ],
)
def test_a_context_may_say_which_action_it_is(context: PartialContext, expected: str | None) -> None:
    asked = replace(ANYTHING, context=context)
    answers = {name: left(f'action == Action::"{name}"', asked) for name in ("read", "write", "share", "paint")}
    known = [f'Action::"{name}"' for name, answer in answers.items() if answer == "true"]
    assert known == ([] if expected is None else [expected])


def test_what_must_be_there_is_there_though_it_was_only_said_to_be_possible() -> None:
    asked = replace(ASKED, context=PartialContext(optional=frozenset(("region", "mfa", "net", "device", "hops"))))
    assert left("context has region && context has mfa", asked) == "true"
    assert left("context has hops", asked) == "context has hops"
    said = replace(ASKED, context=PartialContext(present=frozenset(("hops",)), others=True))
    assert left("context has hops", said) == "true"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            replace(ASKED, action=EntityUID("Action", "burn")),
            'the action `Action::"burn"` is not declared in the schema',
        ),
        (replace(ASKED, principal=READ), '`Action::"read"` does not apply to `Action::"read"`'),
        (replace(ASKED, resource=Unknown("Group")), '`Action::"read"` does not apply to a resource of type `Group`'),
        (replace(ASKED, principal=Unknown("Doc")), '`Action::"read"` does not apply to a principal of type `Doc`'),
        (
            replace(ANYTHING, action=EntityUID("Action", "paint"), resource=EntityUID("Color", "green")),
            '`Action::"paint"` does not apply to `Color::"green"`',
        ),
        (
            replace(ASKED, context=replace(CONTEXT, known=Record({"region": 1}))),
            '`region` of the context of `Action::"read"` must be String, found Long',
        ),
        (
            replace(ASKED, context=PartialContext(Record({"region": "eu"}), optional=frozenset(("hops", "mfa")))),
            'the context of `Action::"read"` has no attribute `net`, which is required',
        ),
        (
            replace(ASKED, context=replace(CONTEXT, present=frozenset(("color",)))),
            'the context of `Action::"read"` has the attribute `color`, which is not declared',
        ),
        (replace(ANYTHING, resource=Unknown("Group")), "no action of the schema is declared for such a request"),
        (
            replace(ANYTHING, context=PartialContext(present=frozenset(("color",)), others=True)),
            "no action of the schema is declared for such a request",
        ),
    ],
)
def test_what_no_request_completes_is_refused(asked: PartialRequest, message: str) -> None:
    with pytest.raises(ConformanceError) as refusal:
        partial_authorize(asked, when("true"), STORE, SCHEMA)
    assert refusal.value.message == message
    assert refusal.value.help


def test_without_a_schema_only_what_is_certain_is_known() -> None:
    asked = PartialRequest(ANA, Unknown(), Unknown("Doc"), PartialContext(optional=frozenset(("n",))))
    for condition, expected in (
        ("principal is User && resource is Doc", "true"),
        ('action == Action::"burn"', 'action == Action::"burn"'),
        ("action is Action", "action is Action"),
        ("resource has anything", "resource has anything"),
        ("context has anything", "false"),
        ("context has n && context.n == 1 && false", "false"),
    ):
        assert shown(partial_authorize(asked, when(condition), STORE)) == expected


def test_a_place_of_which_nothing_is_known_may_be_none() -> None:
    asked = replace(ANYTHING, context=PartialContext(present=frozenset(("n",))))
    response = partial_authorize(asked, when("resource is Doc in context.n && false"), STORE)
    assert shown(response) == "resource is Doc in context.n && false -- never"
