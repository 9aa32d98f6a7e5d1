"""Policies and sets of them in JSON (Cedar JSON policy format; research: Cedar language, section 6).

    policy     {"effect": "permit" or "forbid", "principal": scope, "action": scope, "resource": scope,
                "conditions": [{"kind": "when" or "unless", "body": expression}, ...],
                "annotations": {name: text or null, ...}}              `annotations` is optional
    policy set {"staticPolicies": {id: policy, ...}, "templates": {id: policy, ...},
                "templateLinks": [{"templateId": id, "newId": id, "values": {slot: uid, ...}}, ...]}

A policy with a slot is a template and stands under `templates`, every other one under `staticPolicies`; one id stands
for one thing in the three places. The reference implementation loads a policy without slots from `templates`, and it
never decides: here it is refused, lest a `forbid` be without effect unseen.

What the text parser gives is written without loss: reading it again gives the same nodes, spans aside. `scopes` and
`expressions` say what else is and is not read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar, final

from pdp.cedar.errors import JsonError, PolicySetError
from pdp.cedar.names import is_identifier
from pdp.cedar.policy import Condition, ConditionKind, Effect, Link, Policy, PolicySet, Slot
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, brief
from pdp.cedar.wire.expressions import read_expression, write_nested
from pdp.cedar.wire.forms import (
    read_elements,
    read_fields,
    read_object,
    read_text,
    read_word,
    writable,
    write_uid,
)
from pdp.cedar.wire.scopes import read_action_scope, read_scope, write_action_scope, write_scope
from pdp.cedar.wire.strict_json import FormError, Json, Path, locate, located, parse_json
from pdp.cedar.wire.values import describe, read_entity_uid

_T = TypeVar("_T")

_EFFECTS: Final = {effect.value: effect for effect in Effect}
_KINDS: Final = {kind.value: kind for kind in ConditionKind}
_SLOTS: Final = {slot.value: slot for slot in Slot}
_SCOPES: Final = ("principal", "action", "resource")
_ANNOTATION_HELP: Final = "annotations are named by identifiers"
_BODY_LEVELS: Final = 3
"""Levels of JSON around a condition's body: the policy, `conditions`, the condition."""
_POLICY_LEVELS: Final = 2
"""Levels of JSON around a policy of a set: the set, `staticPolicies` or `templates`."""


def parse_policy(source: Source, id: str) -> Policy:
    """The policy or template of a JSON text, which does not say its id. Raises JsonError with a place."""
    with located(source):
        return replace(read_policy(parse_json(source), id), source=source)


def parse_policy_set(source: Source) -> PolicySet:
    """The policy set of a JSON text. Raises JsonError, or PolicySetError, with a place."""
    json = parse_json(source)
    trail = _Trail()
    with located(source):
        fields = read_fields(json, (), "a policy set", ("staticPolicies", "templates", "templateLinks"))
        policies = trail.follow(_read_policies(fields, source))
        links = trail.follow(_read_links(fields["templateLinks"], ("templateLinks",)))
        try:
            return PolicySet(policies, links)
        except PolicySetError as error:
            error.source, error.span = source, locate(source, trail.path)
            raise


@final
class _Trail:
    """Hands things on one by one and remembers where the last one stands: whoever refuses it need not know."""

    def __init__(self) -> None:
        self.path: Path = ()

    def follow(self, things: Iterable[tuple[Path, _T]]) -> Iterator[_T]:
        """The things without their paths."""
        for path, thing in things:
            self.path = path
            yield thing


def _read_policies(fields: dict[str, Json], source: Source) -> Iterator[tuple[Path, Policy]]:
    for group, other in (("staticPolicies", "templates"), ("templates", "staticPolicies")):
        for id, json in read_object(fields[group], (group,), f"`{group}`").items():
            path = (group, id)
            policy = replace(read_policy(json, id, path), source=source)
            if policy.is_template != (group == "templates"):
                slots = "has a slot" if policy.is_template else "has no slot"
                raise FormError(f"the policy {slots} and stands under `{group}`", path, help=f"move it to `{other}`")
            yield path, policy


def read_policy(json: Json, id: str, path: Path = ()) -> Policy:
    """The policy or template that JSON stands for. `path` says where in its document it stands. Raises FormError."""
    fields = read_fields(json, path, "a policy", ("effect", *_SCOPES, "conditions"), ("annotations",))
    inner = (*path, "conditions")
    conditions = read_elements(fields["conditions"], inner, "`conditions`")
    return Policy(
        id,
        read_word(fields["effect"], (*path, "effect"), "an effect", _EFFECTS),
        read_scope(fields["principal"], (*path, "principal"), Slot.PRINCIPAL),
        read_action_scope(fields["action"], (*path, "action")),
        read_scope(fields["resource"], (*path, "resource"), Slot.RESOURCE),
        tuple([_read_condition(condition, (*inner, index)) for index, condition in enumerate(conditions)]),
        _read_annotations(fields.get("annotations", {}), (*path, "annotations")),
    )


def _read_condition(json: Json, path: Path) -> Condition:
    fields = read_fields(json, path, "a condition", ("kind", "body"))
    kind = read_word(fields["kind"], (*path, "kind"), "a kind of condition", _KINDS)
    return Condition(kind, read_expression(fields["body"], (*path, "body")))


def _read_annotations(json: Json, path: Path) -> dict[str, str | None]:
    annotations: dict[str, str | None] = {}
    for name, value in read_object(json, path, "`annotations`").items():
        inner = (*path, name)
        if not is_identifier(name):
            raise FormError(f"{brief(name)} is not the name of an annotation", inner, help=_ANNOTATION_HELP)
        if value is not None and not isinstance(value, str):
            message = f"an annotation's value must be a string or `null`, found {describe(value)}"
            raise FormError(message, inner, help="write it in double quotes")
        annotations[name] = value
    return annotations


def _read_links(json: Json, path: Path) -> Iterator[tuple[Path, Link]]:
    for index, entry in enumerate(read_elements(json, path, "`templateLinks`")):
        inner = (*path, index)
        fields = read_fields(entry, inner, "a template link", ("templateId", "newId", "values"))
        values = read_object(fields["values"], (*inner, "values"), "`values`")
        link_id = read_text(fields["newId"], (*inner, "newId"), "`newId`")
        template_id = read_text(fields["templateId"], (*inner, "templateId"), "`templateId`")
        yield inner, Link(link_id, template_id, dict(_read_slot(values, slot, (*inner, "values")) for slot in values))


def _read_slot(values: dict[str, Json], name: str, path: Path) -> tuple[Slot, EntityUID]:
    inner = (*path, name)
    return read_word(name, inner, "a slot", _SLOTS), read_entity_uid(values[name], inner)


def write_policy(policy: Policy) -> dict[str, Json]:
    """The JSON that `read_policy` reads as this policy or template; its id is not part of it.

    Raises JsonError for what would not be read again, with its place in the policy's text if that is known.
    """
    return _write_policy(policy, 0)


def write_policy_set(policies: PolicySet) -> dict[str, Json]:
    """The JSON whose text `parse_policy_set` reads as these policies. Raises JsonError as `write_policy` does."""
    return {
        "staticPolicies": _write_policies(policies.static),
        "templates": _write_policies(policies.templates),
        "templateLinks": [_write_link(link) for link in policies.links.values()],
    }


def _write_policies(policies: Mapping[str, Policy]) -> dict[str, Json]:
    return {writable(id): _write_policy(policy, _POLICY_LEVELS) for id, policy in policies.items()}


def _write_policy(policy: Policy, around: int) -> dict[str, Json]:
    try:
        written: dict[str, Json] = {
            "effect": policy.effect.value,
            "principal": write_scope(policy.principal, Slot.PRINCIPAL),
            "action": write_action_scope(policy.action),
            "resource": write_scope(policy.resource, Slot.RESOURCE),
            "conditions": [
                {"kind": condition.kind.value, "body": write_nested(condition.body, around + _BODY_LEVELS)}
                for condition in policy.conditions
            ],
        }
        if policy.annotations:
            written["annotations"] = dict(_write_annotation(*annotation) for annotation in policy.annotations.items())
    except JsonError as error:
        error.source = policy.source
        error.span = error.span or policy.span
        raise
    return written


def _write_annotation(name: str, value: str | None) -> tuple[str, str | None]:
    if not is_identifier(name):
        raise JsonError(f"{brief(name)} is not the name of an annotation", help=_ANNOTATION_HELP)
    return name, value if value is None else writable(value)


def _write_link(link: Link) -> dict[str, Json]:
    values: dict[str, Json] = {slot.value: write_uid(link.values[slot]) for slot in Slot if slot in link.values}
    return {"templateId": writable(link.template_id), "newId": writable(link.id), "values": values}
