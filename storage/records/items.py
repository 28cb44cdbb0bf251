"""Repeated items inside a section: numbers, and bytes behind their length."""

from storage.records.fields import RecordError


class Items:
    """Reads one section from front to back."""

    __slots__ = ("_at", "_data", "_record")

    def __init__(self, record: str, data: bytes) -> None:
        self._record = record
        self._data = data
        self._at = 0

    def more(self) -> bool:
        """There is something left."""
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next bytes. RecordError when there are fewer."""
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise RecordError(self._record, self._at, "ends inside an item of a section")
        self._at += size
        return found

    def number(self, size: int) -> int:
        """An unsigned little-endian number."""
        return int.from_bytes(self.take(size), "little")

    def long(self) -> bytes:
        """Bytes behind a u16 length."""
        return self.take(self.number(2))

    def short(self) -> bytes:
        """Bytes behind a u8 length."""
        return self.take(self.number(1))


def put_long(value: bytes) -> bytes:
    """Bytes behind a u16 length. OverflowError beyond it."""
    return len(value).to_bytes(2, "little") + value


def put_short(value: bytes) -> bytes:
    """Bytes behind a u8 length. OverflowError beyond it."""
    return len(value).to_bytes(1, "little") + value
