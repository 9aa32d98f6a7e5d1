"""The Rust engine (`cedarpy`) as a judge of policies: which of them it refuses for a schema, in strict mode."""

from collections.abc import Mapping
from functools import cache

import cedarpy


@cache
def _schema(text: str) -> cedarpy.Schema:
    return cedarpy.Schema.from_str(text)


def refused(policies: str, schema: str) -> Mapping[str, list[str]]:
    """The policies and templates of a text that fail, by their positional id, and why. Call it with readable texts."""
    result = cedarpy.validate_policies(policies, _schema(schema))
    errors: dict[str, list[str]] = {}
    for error in result.errors:
        assert error.policy_id, error.error
        errors.setdefault(error.policy_id, []).append(error.error)
    assert result.validation_passed == (not errors)
    return errors
