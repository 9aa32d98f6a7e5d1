"""Rows: what is written is read, exactly, and nothing else is."""

import random
from functools import partial

import pytest
from context_model import entities, grants, postures, uids
from fuzzing import damaged, refusal, rounds
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from pdp.cedar.entities import Entity
from pdp.cedar.values import Datetime, Decimal, EntityUID, IPAddr, Record, Set, Value
from pdp.context.changes import EntityKey, GrantKey, Origin, PostureKey
from pdp.context.facts import Posture
from pdp.context.rows import RowError, read_row, write_key, write_row
from pdp.context.state import Believed, BelievedEntity, BelievedGrant, BelievedPosture

times = st.integers(-(2**62), 2**62)
origins = st.builds(Origin, st.text(max_size=5), times, times, st.integers(1, 2**40))
alone = st.dictionaries(st.text(max_size=3), origins, max_size=2).map(Map)
rows: st.SearchStrategy[Believed] = st.one_of(
    st.builds(BelievedEntity, entities, origins, alone),
    st.builds(BelievedPosture, postures, origins),
    st.builds(BelievedGrant, grants, origins),
)


def exact(believed: Believed) -> object:
    """As Python compares, but `True` is not 1."""
    match believed:
        case BelievedEntity(entity, origin, of):
            values = Record(entity.attrs), Record(entity.tags)
            return (entity.uid, entity.parents, values, origin, of)
        case BelievedPosture(posture, origin):
            return (posture.subject, posture.source, posture.observed_at, Record(posture.facts), origin)
        case BelievedGrant(grant, origin):
            return (grant, origin)


@given(rows)
def test_what_is_written_is_read(believed: Believed) -> None:
    assert exact(read_row(write_row(believed))) == exact(believed)


def test_every_kind_of_value() -> None:
    uid, origin = EntityUID("A::B", '"\\\0\u2028'), Origin("s", 1, 2, 3)
    values: dict[str, Value] = {
        "decimal": Decimal(-12_345),
        "ip": IPAddr(4, 10 << 24, 8),
        "datetime": Datetime(-(2**62)),
        "set": Set([True, 1, Set([])]),
        "record": Record({"__entity": 1, "": uid}),
    }
    believed = BelievedEntity(Entity(uid, values, frozenset({uid}), values), origin)
    assert exact(read_row(write_row(believed))) == exact(believed)
    posture = BelievedPosture(Posture(uid, "mdm", 4, values), origin)
    assert exact(read_row(write_row(posture))) == exact(posture)


@given(st.lists(st.one_of(uids.map(EntityKey), uids.map(PostureKey), st.text(max_size=9).map(GrantKey)), unique=True))
def test_no_two_keys_are_written_alike(keys: list[EntityKey | PostureKey | GrantKey]) -> None:
    assert len(set(map(write_key, keys))) == len(keys)


def test_damaged_rows_are_refused_or_are_rows() -> None:
    origin, uid = Origin("scim", 1, 2, 3), EntityUID("User", "ana")
    seeds = [
        write_row(BelievedEntity(Entity(uid, {"a": 1, "b": Decimal(1)}, frozenset({uid})), origin, Map({"a": origin}))),
        write_row(BelievedPosture(Posture(uid, "mdm", 1, {"x": Set([1])}), origin)),
        '["grant","admin",1,2,3,"grant/1","entitlement/x","User","ana","Order","1","o","r",0,9]',
    ]
    refused = 0
    for data in damaged(random.Random(3), [seed.encode() for seed in seeds], '[]{},"0123:', rounds(3_000)):
        text = data.decode("utf-8", "replace")
        if error := refusal(partial(read_row, text)):
            assert isinstance(error, RowError)
            refused += 1
        else:
            read = read_row(text)
            assert exact(read_row(write_row(read))) == exact(read)
    assert refused > 1_000


@pytest.mark.parametrize("text", ["", "[]", "1", '["entity"]', '["alien","s",1,2,3]', "[" * 100_000])
def test_what_is_no_row(text: str) -> None:
    with pytest.raises(RowError):
        read_row(text)
