"""The credential row: all that authentication needs, in one read. Its repr keeps the secrets to itself."""

import struct
from dataclasses import dataclass, field
from typing import Final

from storage.records.fields import VERSION, Fields, flag_bits
from storage.records.sections import Others, encoded, others, read_sections, text, write_sections
from storage.records.user import FLAG_DISABLED, FLAG_ROOT, FLAG_TENANT_ADMIN, FLAGS

_FIXED: Final = struct.Struct("<BBHIIIQQ32s")
_SECRET_KEY, _SESSION_TOKEN, _SESSION_POLICY, _DISPLAY_NAME = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """An access key of a user. `expires_us` 0 is never; `canonical_id` is the user's, raw."""

    tenant: int
    user: int
    created_us: int
    canonical_id: bytes
    secret_key: bytes = field(repr=False)
    expires_us: int = 0
    display_name: str | None = None
    disabled: bool = False
    tenant_admin: bool = False
    root: bool = False
    session_token: bytes | None = field(default=None, repr=False)
    session_policy: bytes | None = field(default=None, repr=False)
    others: Others = ()

    @property
    def signs_for_root(self) -> bool:
        """Whether it is an enabled key of the root user."""
        return self.root and not self.disabled

    @classmethod
    def decode(cls, data: bytes) -> "CredentialRecord":
        """Reads a credential. RecordError; a key without a secret is none."""
        fields = Fields("credential", data, _FIXED.size)
        flags = fields.flags(1, FLAGS)
        fields.zero(2, 2)
        fields.zero(12, 4)
        _, _, _, tenant, user, _, created_us, expires_us, canonical_id = _FIXED.unpack_from(data)
        sections = read_sections(fields, _FIXED.size)
        secret = sections.get(_SECRET_KEY)
        if not secret:
            raise fields.wrong(_FIXED.size, "no secret key")
        return cls(
            tenant=tenant,
            user=user,
            created_us=created_us,
            canonical_id=canonical_id,
            secret_key=secret,
            expires_us=expires_us,
            display_name=text("credential", sections.get(_DISPLAY_NAME)),
            disabled=bool(flags & FLAG_DISABLED),
            tenant_admin=bool(flags & FLAG_TENANT_ADMIN),
            root=bool(flags & FLAG_ROOT),
            session_token=sections.get(_SESSION_TOKEN),
            session_policy=sections.get(_SESSION_POLICY),
            others=others(sections, (_SECRET_KEY, _SESSION_TOKEN, _SESSION_POLICY, _DISPLAY_NAME)),
        )

    def encode(self) -> bytes:
        """The row's value."""
        if len(self.canonical_id) != 32 or not self.secret_key:
            raise ValueError("a credential has a canonical id of 32 bytes and a secret key")
        flags = flag_bits(
            (self.disabled, FLAG_DISABLED), (self.tenant_admin, FLAG_TENANT_ADMIN), (self.root, FLAG_ROOT)
        )
        fixed = _FIXED.pack(
            VERSION, flags, 0, self.tenant, self.user, 0, self.created_us, self.expires_us, self.canonical_id
        )
        known = [
            (_SECRET_KEY, self.secret_key),
            (_SESSION_TOKEN, self.session_token),
            (_SESSION_POLICY, self.session_policy),
            (_DISPLAY_NAME, encoded(self.display_name)),
        ]
        return fixed + write_sections(known, self.others)
