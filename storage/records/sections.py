"""The tail of most records: tagged sections in ascending order. Belongs here: their framing, not what a tag means."""

from collections.abc import Iterable
from typing import Final

from storage.records.fields import Fields, RecordError

HEAD_BYTES: Final = 5
"""Tag u8 and length u32 before the bytes of a section."""

Sections = dict[int, bytes]
"""Bytes by tag, in tag order."""

Others = tuple[tuple[int, bytes], ...]
"""Sections this version does not know, carried along unchanged."""


def read_sections(fields: Fields, offset: int) -> Sections:
    """The sections from `offset` to the end of the record."""
    found: Sections = {}
    data, before = fields.data, -1
    while offset < len(data):
        if len(data) < offset + HEAD_BYTES:
            raise fields.wrong(offset, "ends inside a section's head")
        tag = data[offset]
        if tag <= before:
            raise fields.wrong(offset, "sections are not in ascending order")
        end = offset + HEAD_BYTES + int.from_bytes(data[offset + 1 : offset + HEAD_BYTES], "little")
        if end > len(data):
            raise fields.wrong(offset, "ends inside a section")
        found[tag] = data[offset + HEAD_BYTES : end]
        before, offset = tag, end
    return found


def write_sections(known: Iterable[tuple[int, bytes | None]], others: Others) -> bytes:
    """Sections in tag order; None is a section that is not there. A tag given twice keeps its first bytes."""
    merged: Sections = {}
    for tag, value in (*known, *others):
        if value is not None:
            merged.setdefault(tag, value)
    return b"".join(bytes([tag]) + len(merged[tag]).to_bytes(4, "little") + merged[tag] for tag in sorted(merged))


def others(sections: Sections, known: Iterable[int]) -> Others:
    """The sections whose tag is not known."""
    tags = frozenset(known)
    return tuple((tag, value) for tag, value in sections.items() if tag not in tags)


def text(record: str, value: bytes | None) -> str | None:
    """A section that is UTF-8 text."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        raise RecordError(record, 0, "text is not UTF-8") from error


def encoded(value: str | None) -> bytes | None:
    """The section of a text."""
    return None if value is None else value.encode()
