"""The group row and the role row, which look the same. Who is in them is no record: members are relations."""

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from storage.records.fields import VERSION, Fields
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBHIIIQ")
_NAME, _DESCRIPTION = 1, 2


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group of one tenant."""

    KIND: ClassVar[str] = "group"

    id: int
    tenant: int
    created_us: int
    name: str = ""
    description: str | None = None
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads a group. RecordError."""
        fields = Fields(cls.KIND, data, _FIXED.size)
        fields.flags(1, 0)
        fields.zero(2, 2)
        fields.zero(12, 4)
        _, _, _, number, tenant, _, created_us = _FIXED.unpack_from(data)
        sections = read_sections(fields, _FIXED.size)
        return cls(
            id=number,
            tenant=tenant,
            created_us=created_us,
            name=text(cls.KIND, sections.get(_NAME)) or "",
            description=text(cls.KIND, sections.get(_DESCRIPTION)),
            others=others(sections, (_NAME, _DESCRIPTION)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        fixed = _FIXED.pack(VERSION, 0, 0, self.id, self.tenant, 0, self.created_us)
        return fixed + write_sections(
            [(_NAME, encoded(self.name)), (_DESCRIPTION, encoded(self.description))], self.others
        )


@dataclass(frozen=True, slots=True)
class RoleRecord(GroupRecord):
    """A role of one tenant."""

    KIND: ClassVar[str] = "role"
