"""The tenant row. Its repr keeps the domain key to itself."""

import struct
from dataclasses import dataclass, field
from typing import Final

from storage.records.fields import VERSION, Fields, flag_bits
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBHIQ32s")
_FLAG_DISABLED: Final = 1
_NAME: Final = 1


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A tenant. `domain_key` (32 bytes) keys the names of its chunks; destroying it is crypto-erase."""

    id: int
    created_us: int
    domain_key: bytes = field(repr=False)
    name: str = ""
    disabled: bool = False
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "TenantRecord":
        """Reads a tenant. RecordError."""
        fields = Fields("tenant", data, _FIXED.size)
        flags = fields.flags(1, _FLAG_DISABLED)
        fields.zero(2, 2)
        _, _, _, number, created_us, domain_key = _FIXED.unpack_from(data)
        sections = read_sections(fields, _FIXED.size)
        return cls(
            id=number,
            created_us=created_us,
            domain_key=domain_key,
            name=text("tenant", sections.get(_NAME)) or "",
            disabled=bool(flags),
            others=others(sections, (_NAME,)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        if len(self.domain_key) != 32:
            raise ValueError("a domain key has 32 bytes")
        flags = flag_bits((self.disabled, _FLAG_DISABLED))
        fixed = _FIXED.pack(VERSION, flags, 0, self.id, self.created_us, self.domain_key)
        return fixed + write_sections([(_NAME, encoded(self.name))], self.others)
