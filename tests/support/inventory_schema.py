"""The schema that the routes of the inventory's tests are held against."""

from typing import Final

from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source

SCHEMA: Final = parse_schema(
    Source(
        "schema.cedarschema",
        """\
type Ask = { api?: { version?: String, classification?: String, deprecated?: Bool, sunset?: datetime } };
entity User;
entity R;
action a appliesTo { principal: User, resource: R };
namespace Api {
  entity Root, Route;
  action read appliesTo { principal: User, resource: Root };
  action unknown, wrongMethod, deprecated appliesTo { principal: User, resource: Route };
}
namespace P {
  entity List enum ["all", "drafts"];
  entity Class enum ["public", "internal"];
  entity Order, Line;
  action group;
  action list, draft appliesTo { principal: User, resource: List };
  action viewOrder, cancel, create appliesTo { principal: User, resource: Order, context: Ask };
  action viewLine appliesTo { principal: User, resource: Line, context: { api?: { classification: Class } } };
  action odd appliesTo { principal: User, resource: Line, context: { api?: { version: Long, owner?: String } } };
  action owned appliesTo { principal: User, resource: Line, context: { api?: { owner: String } } };
}
namespace F {
  entity File, Folder;
  action read appliesTo { principal: User, resource: File };
  action list appliesTo { principal: User, resource: Folder };
}
namespace A {
  entity B;
  action v appliesTo { principal: User, resource: B };
}
""",
    )
)
