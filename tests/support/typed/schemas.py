"""Random schemas in which something can be asked."""

import random

from random_schemas import random_fragment

from pdp.cedar.errors import SchemaError
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.printer import print_schema
from pdp.cedar.schema.resolve import resolve


def random_schema(rng: random.Random) -> tuple[Schema, str]:
    """A schema with an action that applies to something, and its text."""
    while True:
        fragment = random_fragment(rng, json=False)
        try:
            schema = resolve(fragment)
        except SchemaError:
            continue
        if any(action.principal_types for action in schema.actions.values()):
            return schema, print_schema(fragment)
