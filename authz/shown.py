"""What the engine answers, shown with names; and its bytes as text and back: cursors and tokens.

Belongs here: rendering. Does not belong here: asking (`api.py`).
"""

import base64
import binascii
from enum import Enum
from typing import Final

from authz.answers import LogEntry, LoggedChange, Stored
from authz.directory import Directory
from authz.model import Condition, ConditionValue, EntryValue, Place, Subject, TupleValue
from authz.names import WordError, show_conditions, show_moment
from authz.vocabulary import Vocabulary, vocabulary_of
from storage.api import RelationError
from storage.native import Relations as Engine
from storage.records import keys

NO_CURSOR: Final = "is no cursor of this question: give back the one of its own page before"
_GRANTEE_BYTES: Final = 8


def stored(directory: Directory, tenant: int, value: TupleValue, words: Vocabulary) -> Stored:
    """A tuple of a tenant."""
    place, relation, grantee, expires_us, when = value
    return Stored(
        resource=directory.show_place(Place.of(place), tenant),
        relation=words.relation_name(relation),
        subject=directory.show_subject(Subject.of(grantee), tenant),
        expires=show_moment(expires_us),
        conditions=tuple(show_conditions(_condition(when))),
    )


def _condition(value: ConditionValue | None) -> Condition | None:
    return None if value is None else Condition(*value)


def entry(engine: Engine, directory: Directory, value: EntryValue) -> LogEntry:
    """A revision of the log."""
    revision, at_us, tenant, changes = value
    words = vocabulary_of(engine, tenant)
    named = tuple(LoggedChange(not is_set, stored(directory, tenant, one, words)) for is_set, one in changes)
    at = show_moment(at_us) or ""
    return LogEntry(revision, token(engine, tenant, revision), directory.tenant_name(tenant), at, named)


def token(engine: Engine, tenant: int, revision: int) -> str | None:
    """None before the first write, when there is nothing a token could stand for."""
    try:
        return packed(engine.token(tenant, revision))
    except RelationError:
        return None


def key_range(bucket: str, start: bytes, end: bytes | None) -> str:
    """Keys from `start` to before `end`, as people would write it."""
    text = start.decode("utf-8", "backslashreplace")
    if end is None:
        return f"{bucket}/{text}… to the end" if start else bucket
    if end == start + b"\0" or (start.endswith(b"/") and end == keys.successor(start)):
        return f"{bucket}/{text}"
    return f"{bucket}/{text}… to before {bucket}/{end.decode('utf-8', 'backslashreplace')}"


def packed(data: bytes) -> str:
    """Bytes as text for URLs."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Pages(Enum):
    """What a cursor is of: its first byte. One that is given to another question means nothing there."""

    RELATIONS = b"t"
    RANGES = b"k"
    WEIGHED_RANGES = b"K"
    SUBJECTS = b"s"
    WEIGHED_SUBJECTS = b"S"

    def cursor(self, last: bytes | None) -> str | None:
        """The cursor behind a page that ended there; None behind the last."""
        return None if last is None else packed(self.value + last)

    def after(self, cursor: str | None) -> bytes | None:
        """Where the page before ended; None for the first. WordError for what is no cursor of such pages."""
        if cursor is None:
            return None
        data = unpacked(cursor, "cursor")
        if data[:1] != self.value or len(data) == 1:
            raise WordError(f"{cursor!r} {NO_CURSOR}")
        return data[1:]


def bits_of(last: bytes) -> int:
    """The grantee that a page ended with. WordError."""
    if len(last) != _GRANTEE_BYTES:
        raise WordError(f"that {NO_CURSOR}")
    return int.from_bytes(last, "big")


def unpacked(text: str, what: str) -> bytes:
    """The bytes again; WordError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise WordError(f"{text!r} is no {what} of this server") from error
