"""The audit row: one decision or one change, as the tenant whose log it stands in may read it.

Belongs here: the layout; the moment is in the key. Does not belong here: what is written down and for whom, how it is
shown.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from storage.records.fields import VERSION, Fields, RecordError, flag_bits
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBBBB3xQQQI")
_KEY_BYTES: Final = 21
_FLAG_ACTING: Final = 1
_REQUEST_ID, _ACCESS_KEY, _SOURCE_IP, _ACTION, _NAME, _KEY, _CHANGES, _DETAIL = range(1, 9)

Change = tuple[bytes, bytes]
"""Key and value of a relation's row; the value is empty for what was removed."""


class AuditKind(IntEnum):
    """What an audit row is about."""

    DECISION = 0
    RELATIONS = 1
    SCHEMA = 2
    TRIM = 3
    CONFIGURATION = 4


class AuditOutcome(IntEnum):
    """How it ended."""

    DENIED = 0
    ALLOWED = 1
    DONE = 2


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One entry of an audit log. `who` is a packed grantee, 0 the server; elsewhere 0 and None: none, or not told.

    `acting` marks the copy for the tenant of who acted.
    """

    action: str
    who: int
    kind: AuditKind = AuditKind.DECISION
    outcome: AuditOutcome = AuditOutcome.DENIED
    reason: int = 0
    revision: int = 0
    bucket: int = 0
    acting: bool = False
    request_id: str | None = None
    access_key: str | None = None
    source_ip: bytes | None = None
    name: str | None = None
    key: bytes | None = None
    changes: tuple[Change, ...] = ()
    detail: str | None = None
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "AuditRecord":
        """Reads an entry. RecordError."""
        fields = Fields("audit", data, _FIXED.size)
        acting = bool(fields.flags(1, _FLAG_ACTING))
        fields.zero(5, 3)
        _, _, kind, outcome, reason, size, who, revision, bucket = _FIXED.unpack_from(data)
        if size != _KEY_BYTES + len(data):
            raise fields.wrong(8, "not the size of its row")
        if kind > max(AuditKind):
            raise fields.wrong(2, "unknown kind")
        if outcome > max(AuditOutcome):
            raise fields.wrong(3, "unknown outcome")
        sections = read_sections(fields, _FIXED.size)
        action = text("audit", sections.get(_ACTION))
        if action is None:
            raise fields.wrong(_FIXED.size, "no action")
        source_ip = sections.get(_SOURCE_IP)
        if source_ip is not None and len(source_ip) not in (4, 16):
            raise fields.wrong(_FIXED.size, "no address")
        return cls(
            action=action,
            who=who,
            kind=AuditKind(kind),
            outcome=AuditOutcome(outcome),
            reason=reason,
            revision=revision,
            bucket=bucket,
            acting=acting,
            request_id=text("audit", sections.get(_REQUEST_ID)),
            access_key=text("audit", sections.get(_ACCESS_KEY)),
            source_ip=source_ip,
            name=text("audit", sections.get(_NAME)),
            key=sections.get(_KEY),
            changes=_changes(sections[_CHANGES]) if _CHANGES in sections else (),
            detail=text("audit", sections.get(_DETAIL)),
            others=others(sections, range(_REQUEST_ID, _DETAIL + 1)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        sections = write_sections(
            [
                (_REQUEST_ID, encoded(self.request_id)),
                (_ACCESS_KEY, encoded(self.access_key)),
                (_SOURCE_IP, self.source_ip),
                (_ACTION, self.action.encode()),
                (_NAME, encoded(self.name)),
                (_KEY, self.key),
                (_CHANGES, b"".join(map(_part, (part for change in self.changes for part in change))) or None),
                (_DETAIL, encoded(self.detail)),
            ],
            self.others,
        )
        size = _KEY_BYTES + _FIXED.size + len(sections)
        flags = flag_bits((self.acting, _FLAG_ACTING))
        fixed = _FIXED.pack(
            VERSION, flags, self.kind, self.outcome, self.reason, size, self.who, self.revision, self.bucket
        )
        return fixed + sections


def _part(part: bytes) -> bytes:
    return len(part).to_bytes(2, "little") + part


def _changes(section: bytes) -> tuple[Change, ...]:
    parts: list[bytes] = []
    at = 0
    while at < len(section) or len(parts) % 2 or not parts:
        end = at + 2 + int.from_bytes(section[at : at + 2], "little")
        if at + 2 > len(section) or end > len(section):
            raise RecordError("audit", at, "ends inside a change")
        parts.append(section[at + 2 : end])
        at = end
    return tuple(zip(parts[::2], parts[1::2], strict=True))
