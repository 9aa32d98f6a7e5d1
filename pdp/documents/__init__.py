"""Files that people write (configuration, routes, grants, test cases) read strictly, with a place for every refusal.

A document is YAML or JSON; both become the same values and are read through `Node` and `Table`:

    with parse_yaml(read_source(path)).table() as table:
        workers = table.require("workers").integer(1, 64)
        name = node.text() if (node := table.get("name")) is not None else "pdp"

A key that nobody asked for is refused when the block ends, and what was probably meant is named.
"""

from pdp.documents.files import MAX_FILE, decode, list_files, list_folder, read_source
from pdp.documents.formats import MAX_YAML_TEXT, parse_json_document, parse_yaml
from pdp.documents.nodes import DocumentError, Node, Places, Table

__all__ = [
    "MAX_FILE",
    "MAX_YAML_TEXT",
    "DocumentError",
    "Node",
    "Places",
    "Table",
    "decode",
    "list_files",
    "list_folder",
    "parse_json_document",
    "parse_yaml",
    "read_source",
]
