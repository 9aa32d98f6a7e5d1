"""A bundle to bytes: checked sources in, one file out, the same one wherever and whenever it is built.

The payload is a sequence of parts, each 4 bytes of length and what `marshal` wrote:

    first       (schema, sources, code, action scopes, number of policies)
    others      up to BLOCK policies each, with what they were compiled to
"""

import marshal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from types import CodeType
from typing import Final

from pdp.cedar.policy import Policy
from pdp.cedar.source import Source
from pdp.compiler.link import Linker
from pdp.compiler.precompiled import precompile
from pdp.policies.built.constants import pack_constant
from pdp.policies.built.expressions import Packed
from pdp.policies.built.header import this_program
from pdp.policies.built.policies import MARSHAL, pack_policy, pack_written
from pdp.policies.built.schemas import pack_schema
from pdp.policies.built.scopes import pack_action_scope, pack_bounds
from pdp.policies.bundle import Bundle

BLOCK: Final = 32
"""Policies that are read in one go: while they are, no other thread runs."""


def write_built(bundle: Bundle, sources: Sequence[tuple[str, Source]]) -> bytes:
    """The built form of a bundle without links. `sources` are its policy files by their names in it."""
    numbers = {id(source): number for number, (_, source) in enumerate(sources)}
    names = [name for name, _ in sources]
    codes: dict[CodeType, int] = {}
    scopes: dict[Packed, int] = {}
    linker = Linker()

    def pack(policy: Policy) -> Packed:
        number = -1 if policy.source is None else numbers[id(policy.source)]
        # Code must not know where it was built.
        placed = policy if policy.source is None else replace(policy, source=Source(names[number], policy.source.text))
        compiled = precompile(placed, linker)
        return (
            pack_policy(policy, number),
            None if compiled.compiled is placed else pack_written(compiled.compiled),
            scopes.setdefault(pack_action_scope(compiled.action, places=False), len(scopes)),
            pack_bounds(compiled.principal),
            pack_bounds(compiled.resource),
            -1 if compiled.code is None else codes.setdefault(compiled.code, len(codes)),
            tuple(map(pack_constant, compiled.constants)),
        )

    policies = [pack(policy) for policy in (*bundle.policies.static.values(), *bundle.policies.templates.values())]
    first = (
        pack_schema(bundle.schema),
        tuple([(name, source.text) for name, source in sources]),
        tuple(codes),
        tuple(scopes),
        len(policies),
    )
    parts = [marshal.dumps(part, MARSHAL) for part in (first, *_blocks(policies))]
    payload = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    return this_program(bundle.revision).write(payload)


def _blocks(policies: Sequence[Packed]) -> Iterator[Packed]:
    remaining = iter(policies)
    while block := tuple(islice(remaining, BLOCK)):
        yield block
