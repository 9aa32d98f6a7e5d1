"""Cedar values as messages of `pdp.v1`: what server and client both write, without what only the server needs."""

from typing import assert_never

from pdp.cedar.ext import datetime, decimal, duration, ipaddr
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb


def write_uid(uid: EntityUID) -> pb.EntityUid:
    """An entity's name as a message."""
    return pb.EntityUid(type=uid.type, id=uid.id)


def write_record(record: Record) -> pb.Record:
    """A record as a message, to be looked at: a datetime beyond the years 0000 to 9999 cannot be read back."""
    return pb.Record(fields={name: write_value(value) for name, value in record.fields.items()})


def write_value(value: Value) -> pb.Value:
    """A value as a message; of datetimes as `write_record`."""
    match value:
        case bool():
            return pb.Value(bool_value=value)
        case int():
            return pb.Value(long_value=value)
        case str():
            return pb.Value(string_value=value)
        case EntityUID():
            return pb.Value(entity_value=write_uid(value))
        case Set():
            return pb.Value(set_value=pb.Set(elements=[write_value(element) for element in value.elements]))
        case Record():
            return pb.Value(record_value=write_record(value))
        case Decimal():
            return _extension("decimal", decimal.format(value))
        case IPAddr():
            return _extension("ip", ipaddr.format(value))
        case Datetime():
            return _extension("datetime", datetime.format(value))
        case Duration():
            return _extension("duration", duration.format(value))
        case _:
            assert_never(value)


def _extension(function: str, argument: str) -> pb.Value:
    return pb.Value(extension_value=pb.Extension(function=function, argument=argument))
