"""The schema of the named cases."""

from pathlib import Path

import pytest

from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source

SCHEMA = Path(__file__).parent / "cases" / "schema.cedarschema"


@pytest.fixture(scope="session")
def schema_text() -> str:
    return SCHEMA.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def schema(schema_text: str) -> Schema:
    return parse_schema(Source("schema.cedarschema", schema_text))
