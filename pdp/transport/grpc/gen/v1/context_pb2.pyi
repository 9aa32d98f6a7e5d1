import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from pdp.transport.grpc.gen.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ContextOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTEXT_OUTCOME_UNSPECIFIED: _ClassVar[ContextOutcome]
    CONTEXT_OUTCOME_DONE: _ClassVar[ContextOutcome]
    CONTEXT_OUTCOME_REFUSED: _ClassVar[ContextOutcome]
    CONTEXT_OUTCOME_CALLER_NOT_ALLOWED: _ClassVar[ContextOutcome]
    CONTEXT_OUTCOME_UNAVAILABLE: _ClassVar[ContextOutcome]
CONTEXT_OUTCOME_UNSPECIFIED: ContextOutcome
CONTEXT_OUTCOME_DONE: ContextOutcome
CONTEXT_OUTCOME_REFUSED: ContextOutcome
CONTEXT_OUTCOME_CALLER_NOT_ALLOWED: ContextOutcome
CONTEXT_OUTCOME_UNAVAILABLE: ContextOutcome

class WriteRequest(_message.Message):
    __slots__ = ("source", "observed_at", "changes")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    source: str
    observed_at: _timestamp_pb2.Timestamp
    changes: _containers.RepeatedCompositeFieldContainer[ContextChange]
    def __init__(self, source: _Optional[str] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[ContextChange, _Mapping]]] = ...) -> None: ...

class WriteResponse(_message.Message):
    __slots__ = ("outcome", "message", "revision")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    outcome: ContextOutcome
    message: str
    revision: int
    def __init__(self, outcome: _Optional[_Union[ContextOutcome, str]] = ..., message: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class ContextChange(_message.Message):
    __slots__ = ("put_entity", "drop_entity", "set_attribute", "set_membership", "put_posture", "drop_posture", "put_grant", "end_grant")
    PUT_ENTITY_FIELD_NUMBER: _ClassVar[int]
    DROP_ENTITY_FIELD_NUMBER: _ClassVar[int]
    SET_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    SET_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    PUT_POSTURE_FIELD_NUMBER: _ClassVar[int]
    DROP_POSTURE_FIELD_NUMBER: _ClassVar[int]
    PUT_GRANT_FIELD_NUMBER: _ClassVar[int]
    END_GRANT_FIELD_NUMBER: _ClassVar[int]
    put_entity: ContextEntity
    drop_entity: _decision_pb2.EntityUid
    set_attribute: AttributeChange
    set_membership: MembershipChange
    put_posture: ContextPosture
    drop_posture: _decision_pb2.EntityUid
    put_grant: ContextGrant
    end_grant: str
    def __init__(self, put_entity: _Optional[_Union[ContextEntity, _Mapping]] = ..., drop_entity: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., set_attribute: _Optional[_Union[AttributeChange, _Mapping]] = ..., set_membership: _Optional[_Union[MembershipChange, _Mapping]] = ..., put_posture: _Optional[_Union[ContextPosture, _Mapping]] = ..., drop_posture: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., put_grant: _Optional[_Union[ContextGrant, _Mapping]] = ..., end_grant: _Optional[str] = ...) -> None: ...

class ContextEntity(_message.Message):
    __slots__ = ("uid", "attributes", "parents", "tags")
    UID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    uid: _decision_pb2.EntityUid
    attributes: _decision_pb2.Record
    parents: _containers.RepeatedCompositeFieldContainer[_decision_pb2.EntityUid]
    tags: _decision_pb2.Record
    def __init__(self, uid: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., attributes: _Optional[_Union[_decision_pb2.Record, _Mapping]] = ..., parents: _Optional[_Iterable[_Union[_decision_pb2.EntityUid, _Mapping]]] = ..., tags: _Optional[_Union[_decision_pb2.Record, _Mapping]] = ...) -> None: ...

class AttributeChange(_message.Message):
    __slots__ = ("uid", "name", "value")
    UID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    uid: _decision_pb2.EntityUid
    name: str
    value: _decision_pb2.Value
    def __init__(self, uid: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., name: _Optional[str] = ..., value: _Optional[_Union[_decision_pb2.Value, _Mapping]] = ...) -> None: ...

class MembershipChange(_message.Message):
    __slots__ = ("uid", "group", "member")
    UID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    uid: _decision_pb2.EntityUid
    group: _decision_pb2.EntityUid
    member: bool
    def __init__(self, uid: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., group: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., member: bool = ...) -> None: ...

class ContextPosture(_message.Message):
    __slots__ = ("subject", "facts")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    subject: _decision_pb2.EntityUid
    facts: _decision_pb2.Record
    def __init__(self, subject: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., facts: _Optional[_Union[_decision_pb2.Record, _Mapping]] = ...) -> None: ...

class ContextGrant(_message.Message):
    __slots__ = ("id", "template", "principal", "resource", "owner", "reason", "not_before", "expires_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    template: str
    principal: _decision_pb2.EntityUid
    resource: _decision_pb2.EntityUid
    owner: str
    reason: str
    not_before: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., template: _Optional[str] = ..., principal: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., resource: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., owner: _Optional[str] = ..., reason: _Optional[str] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BelievedRequest(_message.Message):
    __slots__ = ("entity", "posture", "grant", "at")
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    POSTURE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    entity: _decision_pb2.EntityUid
    posture: _decision_pb2.EntityUid
    grant: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, entity: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., posture: _Optional[_Union[_decision_pb2.EntityUid, _Mapping]] = ..., grant: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BelievedResponse(_message.Message):
    __slots__ = ("outcome", "message", "entity", "posture", "grant", "origin", "attribute_origins")
    class AttributeOriginsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ContextOrigin
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ContextOrigin, _Mapping]] = ...) -> None: ...
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    POSTURE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_ORIGINS_FIELD_NUMBER: _ClassVar[int]
    outcome: ContextOutcome
    message: str
    entity: ContextEntity
    posture: ContextPosture
    grant: ContextGrant
    origin: ContextOrigin
    attribute_origins: _containers.MessageMap[str, ContextOrigin]
    def __init__(self, outcome: _Optional[_Union[ContextOutcome, str]] = ..., message: _Optional[str] = ..., entity: _Optional[_Union[ContextEntity, _Mapping]] = ..., posture: _Optional[_Union[ContextPosture, _Mapping]] = ..., grant: _Optional[_Union[ContextGrant, _Mapping]] = ..., origin: _Optional[_Union[ContextOrigin, _Mapping]] = ..., attribute_origins: _Optional[_Mapping[str, ContextOrigin]] = ...) -> None: ...

class ContextOrigin(_message.Message):
    __slots__ = ("source", "observed_at", "recorded_at", "revision")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    source: str
    observed_at: _timestamp_pb2.Timestamp
    recorded_at: _timestamp_pb2.Timestamp
    revision: int
    def __init__(self, source: _Optional[str] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...
