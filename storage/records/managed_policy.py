"""The row of a managed policy: a named document of a tenant that is attached to users, groups and roles."""

import struct
from dataclasses import dataclass
from typing import Final

from storage.records.fields import VERSION, Fields
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBHIQQ")
_DESCRIPTION, _DOCUMENT, _COMPILED = 1, 2, 3
_RECORD: Final = "managed policy"


@dataclass(frozen=True, slots=True)
class ManagedPolicyRecord:
    """A document as it was given, what Rust evaluates, and how often it was changed (`number` begins at 1)."""

    number: int
    created_us: int
    changed_us: int
    document: bytes
    compiled: bytes
    description: str | None = None
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "ManagedPolicyRecord":
        """Reads a managed policy. RecordError; one without document or compiled form is none."""
        fields = Fields(_RECORD, data, _FIXED.size)
        fields.flags(1, 0)
        fields.zero(2, 2)
        _, _, _, number, created_us, changed_us = _FIXED.unpack_from(data)
        sections = read_sections(fields, _FIXED.size)
        document, compiled = sections.get(_DOCUMENT), sections.get(_COMPILED)
        if not document or not compiled:
            raise fields.wrong(_FIXED.size, "no document or no compiled form")
        return cls(
            number=number,
            created_us=created_us,
            changed_us=changed_us,
            document=document,
            compiled=compiled,
            description=text(_RECORD, sections.get(_DESCRIPTION)),
            others=others(sections, (_DESCRIPTION, _DOCUMENT, _COMPILED)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        if not self.document or not self.compiled:
            raise ValueError("a managed policy has a document and a compiled form")
        fixed = _FIXED.pack(VERSION, 0, 0, self.number, self.created_us, self.changed_us)
        known = [
            (_DESCRIPTION, encoded(self.description)),
            (_DOCUMENT, self.document),
            (_COMPILED, self.compiled),
        ]
        return fixed + write_sections(known, self.others)
