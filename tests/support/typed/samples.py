"""Policies with a store and requests that their schema accepts: what validation promises can be tried on them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from random_schemas import DataMaker

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ConformanceError, ErrorKind, EvaluationError
from pdp.cedar.policy import Policy
from pdp.cedar.request import Request
from pdp.cedar.schema.conform import check_request
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.reading import parse_context, read_entities_with_schema
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.values import read_entity_uid
from pdp.evaluate.authorize import satisfied
from typed.expressions import IDS
from typed.policies import PolicyMaker
from typed.schemas import random_schema


@dataclass(frozen=True)
class Sample:
    """Static policies, and a store in which every entity exists that can be referred to."""

    schema: Schema
    policies: tuple[Policy, ...]
    entities: Entities
    requests: tuple[Request, ...]


def samples(seed: int, count: int, faults: int = 60) -> Iterator[Sample]:
    """So many samples, always the same ones for a seed."""
    rng = random.Random(seed)
    for _ in range(count):
        schema, _ = random_schema(rng)
        maker = PolicyMaker(rng, schema, faults)
        policies = [maker.policy(f"policy{number}") for number in range(12)]
        data = DataMaker(rng, schema)
        requests = tuple(request for _ in range(16) for request in _request(data))
        yield Sample(schema, tuple(each for each in policies if not each.is_template), _store(data), requests)


def _store(data: DataMaker) -> Entities:
    """An entity for every id of every type, below some of those that come later."""
    ids = data.schema.ids
    uids = [EntityUID(type, id) for type in sorted(data.schema.entity_types) for id in sorted(ids.get(type, IDS))]
    data.rng.shuffle(uids)
    entities: list[Entity] = []
    for uid in uids:
        ancestors = data.schema.entity_types[uid.type].ancestors
        above = [other.uid for other in entities if other.uid.type in ancestors]
        parents = frozenset(data.rng.sample(above, min(len(above), data.rng.choice((0, 1, 2)))))
        entity = _entity(data, uid.type)
        entities.append(Entity(uid, entity.attrs, parents, entity.tags))
    return Entities([*entities, *data.schema.action_entities()])


def _entity(data: DataMaker, type: str) -> Entity:
    while True:
        text = json.dumps([{**data.entity(type), "parents": []}])
        try:
            [entity] = (
                each
                for each in read_entities_with_schema(Source("<entity>", text), data.schema)
                if each.uid.type == type
            )
        except ConformanceError:
            continue
        return entity


def _request(data: DataMaker) -> Iterator[Request]:
    made = data.request()
    principal, action, resource = (read_entity_uid(made[name]) for name in ("principal", "action", "resource"))
    try:
        context = parse_context(Source("<context>", json.dumps(made["context"])), data.schema, action)
        request = Request(principal, action, resource, context)
        check_request(data.schema, request)
    except ConformanceError:
        return
    yield request


def outcome(policy: Policy, request: Request, entities: Entities) -> bool | ErrorKind:
    """Whether a request satisfies a policy, or how it fails."""
    try:
        return satisfied(policy, request, entities)
    except EvaluationError as error:
        return error.kind
