"""What fills the holes of code, written and read."""

import marshal

import pytest

from pdp.cedar import ext
from pdp.cedar.nodes import ANY
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set
from pdp.compiler.terms import Constant
from pdp.policies.built.constants import pack_constant, unpack_constant
from pdp.policies.built.policies import MARSHAL

UID = EntityUID("A::B", 'x"\n\0')
CONSTANTS: tuple[Constant, ...] = (
    True,
    False,
    1,
    0,
    -(2**63),
    "",
    "entity",
    "text \U0001f600",
    UID,
    Set(),
    Set([1, True, "x", UID, Set([Record({"a": 1})])]),
    Record({}),
    Record({"b": 1, "a": Record({"c": False, "": Set([UID])})}),
    Decimal(-15_000),
    Datetime(1),
    Duration(-1),
    IPAddr(4, 167772160, 8),
    IPAddr(6, 2**127, 128),
    ("a", ANY, "*"),
    (ANY,),
    (),
    ("a", "b", "c"),
    frozenset([UID, EntityUID("A", "y")]),
    frozenset(),
    ext.FUNCTIONS["ip"].apply,
)


@pytest.mark.parametrize("constant", CONSTANTS, ids=repr)
def test_every_kind(constant: Constant) -> None:
    read = unpack_constant(marshal.loads(marshal.dumps(pack_constant(constant), MARSHAL)))
    assert type(read) is type(constant)
    assert read == constant
    assert repr(read) == repr(constant) or isinstance(constant, frozenset)


def test_a_set_of_entities_is_written_in_one_order() -> None:
    uids = [EntityUID("A", str(number)) for number in range(50)]
    assert pack_constant(frozenset(uids)) == pack_constant(frozenset(reversed(uids)))


def test_a_function_that_is_none_of_cedars_cannot_be_written() -> None:
    with pytest.raises(KeyError):
        pack_constant(repr)


@pytest.mark.parametrize("packed", [("no", 1), ("entity",), None, 1.5, ("function", "no"), ("decimal", 1, 2)])
def test_what_nobody_has_written_is_refused(packed: object) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        unpack_constant(packed)
