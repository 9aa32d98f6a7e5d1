"""Cedar for whoever imports it: text in, values out, without the machinery of sources and places in the signatures.

    >>> from pdp.cedar import EntityUID, Request, authorize, parse_entities, parse_policies
    >>> policies = parse_policies('permit(principal in Group::"staff", action, resource) unless { resource.secret };')
    >>> entities = parse_entities('''[
    ...     {"uid": {"type": "User", "id": "ana"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]},
    ...     {"uid": {"type": "File", "id": "plan"}, "attrs": {"secret": false}, "parents": []}
    ... ]''')
    >>> request = Request(EntityUID("User", "ana"), EntityUID("Action", "read"), EntityUID("File", "plan"))
    >>> response = authorize(request, policies, entities)
    >>> response.decision.value, sorted(response.reasons)
    ('allow', ['policy0'])

Every refusal is a `CedarError`; its `render()` shows the place, the line with carets, and what to do.
"""

import json
from dataclasses import replace

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.schema import json_form, json_writer, printer
from pdp.cedar.schema import reading as typed_reading
from pdp.cedar.schema import text as schema_text
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.text import policies as policy_text
from pdp.cedar.text.printer import print_policies
from pdp.cedar.values import EntityUID, Record
from pdp.cedar.wire import entities as entity_json
from pdp.cedar.wire import policies as policy_json
from pdp.cedar.wire.strict_json import parse_json
from pdp.cedar.wire.values import read_record


def parse_policies(text: str, name: str = "<policies>", *, id_annotation: str | None = None) -> PolicySet:
    """The static policies and templates of a Cedar text. Raises ParseError; PolicySetError for an id that is taken.

    Ids are positional (`policy0`, `policy1`, ...). With `id_annotation="id"`, a policy that has the annotation `@id`
    has its value as id instead, as Cedar's command line does. `name` is what messages call the text.

    >>> list(parse_policies('@id("all") permit(principal, action, resource);', id_annotation="id").static)
    ['all']
    """
    policies = policy_text.parse_policies(Source(name, text))
    return PolicySet(policies if id_annotation is None else [_renamed(policy, id_annotation) for policy in policies])


def _renamed(policy: Policy, annotation: str) -> Policy:
    named = policy.annotations.get(annotation)
    return policy if named is None else replace(policy, id=named)


def policies_to_text(policies: PolicySet) -> str:
    r"""The policies and templates of a set as Cedar text, in order; ids and links have no place in it.

    >>> policies_to_text(parse_policies("permit(principal,action,resource)when{1<2};"))
    'permit(principal, action, resource)\nwhen { 1 < 2 };\n'
    """
    return print_policies((*policies.static.values(), *policies.templates.values()))


def parse_json_policies(text: str, name: str = "<policies>") -> PolicySet:
    """The policies, templates and links of a JSON policy set. Raises JsonError, PolicySetError."""
    return policy_json.parse_policy_set(Source(name, text))


def policies_to_json(policies: PolicySet, indent: int | None = None) -> str:
    """A policy set in Cedar's JSON format, which `parse_json_policies` reads as an equal one. Raises JsonError.

    >>> policies = parse_policies("forbid(principal, action, resource);")
    >>> parse_json_policies(policies_to_json(policies)) == policies
    True
    """
    return json.dumps(policy_json.write_policy_set(policies), indent=indent, ensure_ascii=False)


def parse_schema(text: str, name: str = "<schema>") -> Schema:
    """A schema in Cedar's own format. Raises SchemaError.

    >>> schema = parse_schema('entity User; action view appliesTo { principal: User, resource: User };')
    >>> sorted(schema.entity_types)
    ['User']
    """
    return schema_text.parse_schema(Source(name, text))


def parse_json_schema(text: str, name: str = "<schema>") -> Schema:
    """A schema in the JSON format. Raises JsonError for another form, SchemaError for one that contradicts itself."""
    return json_form.parse_json_schema(Source(name, text))


def schema_to_json(text: str, name: str = "<schema>", indent: int | None = 2) -> str:
    r"""A schema's text in the JSON format, common types and annotations kept. Raises SchemaError.

    >>> schema_to_text(schema_to_json("entity User;"))
    'entity User;\n'
    """
    fragment = schema_text.parse_fragment(Source(name, text))
    return json.dumps(json_writer.write_json_schema(fragment), indent=indent, ensure_ascii=False)


def schema_to_text(text: str, name: str = "<schema>") -> str:
    """A JSON schema in Cedar's own format. Raises JsonError, or SchemaError for what that format cannot say."""
    return printer.print_schema(json_form.parse_json_fragment(Source(name, text)))


def parse_entities(text: str, schema: Schema | None = None, name: str = "<entities>") -> Entities:
    """Entities in Cedar's JSON format, their hierarchy closed. Raises JsonError, EntityError.

    With a schema, JSON may leave out what the schema says (`"10.0.0.1"` for an ipaddr), every entity must be as
    declared (or ConformanceError is raised), and the schema's actions are among the entities.
    """
    source = Source(name, text)
    if schema is None:
        return entity_json.parse_entities(source)
    return typed_reading.read_entities_with_schema(source, schema)


def parse_context(
    text: str, schema: Schema | None = None, action: EntityUID | None = None, name: str = "<context>"
) -> Record:
    """A request's context in Cedar's JSON format. Raises JsonError; with a schema and an action, ConformanceError.

    >>> parse_context('{"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}}').fields["ip"]
    IPAddr(version=4, address=167772161, prefix=32)
    """
    source = Source(name, text)
    if schema is not None and action is not None:
        return typed_reading.parse_context(source, schema, action)
    return read_record(parse_json(source))
