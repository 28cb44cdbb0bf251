"""The identity row: what hangs on one user, group or role. Everything the data plane needs of it but the managed
policies, which stand in rows of their own (`managed_policy.py`) so that changing one changes it for all at once.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from storage.records.fields import VERSION, Fields, RecordError
from storage.records.items import Items, put_long, put_short
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BB6sQ")
_ATTACHED, _INLINE, _BOUNDARY, _TAGS, _TRUST_POLICY = 1, 2, 3, 4, 5
_RECORD: Final = "identity"


@dataclass(frozen=True, slots=True)
class InlinePolicy:
    """A policy that belongs to one principal: the document as it was given, and what Rust evaluates."""

    name: str
    document: bytes
    compiled: bytes


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """A principal's policies and tags. `attached` are names of managed policies; it and `inline` ascend by name.

    `boundary` names the managed policy that bounds what the principal may do; `trust_policy` is a role's, verbatim.
    """

    changed_us: int
    attached: tuple[str, ...] = ()
    inline: tuple[InlinePolicy, ...] = ()
    boundary: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    trust_policy: bytes | None = None
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "IdentityRecord":
        """Reads an identity. RecordError."""
        fields = Fields(_RECORD, data, _FIXED.size)
        fields.flags(1, 0)
        fields.zero(2, 6)
        sections = read_sections(fields, _FIXED.size)
        return cls(
            changed_us=fields.number(8, 8),
            attached=_names(sections.get(_ATTACHED)),
            inline=_inline(sections.get(_INLINE)),
            boundary=text(_RECORD, sections.get(_BOUNDARY)),
            tags=_tags(sections.get(_TAGS)),
            trust_policy=sections.get(_TRUST_POLICY),
            others=others(sections, (_ATTACHED, _INLINE, _BOUNDARY, _TAGS, _TRUST_POLICY)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        _ascending(self.attached)
        _ascending(policy.name for policy in self.inline)
        inline = (
            put_short(one.name.encode()) + _put_wide(one.compiled) + _put_wide(one.document) for one in self.inline
        )
        tags = (put_long(key.encode()) + put_long(value.encode()) for key, value in self.tags)
        known = [
            (_ATTACHED, b"".join(put_short(name.encode()) for name in self.attached) or None),
            (_INLINE, b"".join(inline) or None),
            (_BOUNDARY, encoded(self.boundary)),
            (_TAGS, b"".join(tags) or None),
            (_TRUST_POLICY, self.trust_policy),
        ]
        return _FIXED.pack(VERSION, 0, bytes(6), self.changed_us) + write_sections(known, self.others)

    @property
    def empty(self) -> bool:
        """Nothing hangs on the principal: it needs no row."""
        bare = IdentityRecord(self.changed_us)
        return self == bare


def _names(section: bytes | None) -> tuple[str, ...]:
    items, found = Items(_RECORD, section or b""), []
    while items.more():
        found.append(_name(items.short()))
    _ascending(found)
    return tuple(found)


def _inline(section: bytes | None) -> tuple[InlinePolicy, ...]:
    items, found = Items(_RECORD, section or b""), []
    while items.more():
        name = _name(items.short())
        compiled = items.take(items.number(4))
        found.append(InlinePolicy(name, items.take(items.number(4)), compiled))
    _ascending(policy.name for policy in found)
    return tuple(found)


def _tags(section: bytes | None) -> tuple[tuple[str, str], ...]:
    items, found = Items(_RECORD, section or b""), []
    while items.more():
        found.append((_name(items.long()), _name(items.long())))
    return tuple(found)


def _name(data: bytes) -> str:
    return text(_RECORD, data) or ""


def _ascending(names: Iterable[str]) -> None:
    before: bytes | None = None
    for name in names:
        if before is not None and before >= name.encode():
            raise RecordError(_RECORD, _FIXED.size, "names are not in ascending order")
        before = name.encode()


def _put_wide(value: bytes) -> bytes:
    return len(value).to_bytes(4, "little") + value
