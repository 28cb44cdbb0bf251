"""The fence row: what every commit that changes objects of a bucket compares."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from storage.records.fields import VERSION, Fields

_BYTES: Final = 11
_FLAG_OBJECT_LOCK: Final = 1


class Versioning(IntEnum):
    """The versioning state of a bucket. False when it was never enabled."""

    NEVER = 0
    ENABLED = 1
    SUSPENDED = 2


@dataclass(frozen=True, slots=True)
class FenceRecord:
    """The part of a bucket's configuration that commits of objects depend on; `generation` grows with each change."""

    versioning: Versioning = Versioning.NEVER
    object_lock: bool = False
    generation: int = 0

    @classmethod
    def decode(cls, data: bytes) -> "FenceRecord":
        """Reads a fence. RecordError."""
        fields = Fields("fence", data, _BYTES)
        fields.exactly(_BYTES)
        return cls(versioning_of(fields, 1), bool(fields.flags(2, _FLAG_OBJECT_LOCK)), fields.number(3, 8))

    def encode(self) -> bytes:
        """The row's value."""
        return bytes([VERSION, self.versioning, self.object_lock]) + self.generation.to_bytes(8, "little")


def versioning_of(fields: Fields, offset: int) -> Versioning:
    """The versioning state at the offset."""
    number = fields.number(offset, 1)
    if number > max(Versioning):
        raise fields.wrong(offset, "unknown versioning")
    return Versioning(number)
