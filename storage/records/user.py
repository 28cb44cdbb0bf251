"""The user row."""

import struct
from dataclasses import dataclass
from typing import Final

from storage.records.fields import VERSION, Fields, flag_bits
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections

_FIXED: Final = struct.Struct("<BBHIIIQ32s")
FLAG_DISABLED: Final = 1
FLAG_TENANT_ADMIN: Final = 2
FLAG_ROOT: Final = 4
FLAGS: Final = FLAG_DISABLED | FLAG_TENANT_ADMIN | FLAG_ROOT
_NAME, _DISPLAY_NAME, _EMAIL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user of one tenant. `canonical_id` is raw, 64 hex digits on the wire; `root` administers the server."""

    id: int
    tenant: int
    created_us: int
    canonical_id: bytes
    name: str = ""
    display_name: str | None = None
    email: str | None = None
    disabled: bool = False
    tenant_admin: bool = False
    root: bool = False
    others: Others = ()

    @classmethod
    def decode(cls, data: bytes) -> "UserRecord":
        """Reads a user. RecordError."""
        fields = Fields("user", data, _FIXED.size)
        flags = fields.flags(1, FLAGS)
        fields.zero(2, 2)
        fields.zero(12, 4)
        _, _, _, number, tenant, _, created_us, canonical_id = _FIXED.unpack_from(data)
        sections = read_sections(fields, _FIXED.size)
        return cls(
            id=number,
            tenant=tenant,
            created_us=created_us,
            canonical_id=canonical_id,
            name=text("user", sections.get(_NAME)) or "",
            display_name=text("user", sections.get(_DISPLAY_NAME)),
            email=text("user", sections.get(_EMAIL)),
            disabled=bool(flags & FLAG_DISABLED),
            tenant_admin=bool(flags & FLAG_TENANT_ADMIN),
            root=bool(flags & FLAG_ROOT),
            others=others(sections, (_NAME, _DISPLAY_NAME, _EMAIL)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        if len(self.canonical_id) != 32:
            raise ValueError("a canonical id has 32 bytes")
        flags = flag_bits(
            (self.disabled, FLAG_DISABLED), (self.tenant_admin, FLAG_TENANT_ADMIN), (self.root, FLAG_ROOT)
        )
        fixed = _FIXED.pack(VERSION, flags, 0, self.id, self.tenant, 0, self.created_us, self.canonical_id)
        known = [
            (_NAME, encoded(self.name)),
            (_DISPLAY_NAME, encoded(self.display_name)),
            (_EMAIL, encoded(self.email)),
        ]
        return fixed + write_sections(known, self.others)
