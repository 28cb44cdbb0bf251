"""The Tagging document, in and out, and what a tag may be.

Belongs here: XML to pairs and back, AWS's rules for one tag and for a set. Does not belong here: where tags are stored.
The x-amz-tagging header is Rust's business (`crates/wire/src/tagging.rs`); both sides refuse the same sets.
"""

import unicodedata
from typing import Final

from gateway.errors import Code, S3Error
from gateway.limits import OBJECT_TAGS, TAG_KEY_CHARS, TAG_VALUE_CHARS
from gateway.wire.xml import Element, document, parse, text, tree

Tags = tuple[tuple[str, str], ...]

_PUNCTUATION: Final = frozenset(" +-=._:/@")
"""Beside letters, digits and spaces of any script (S3 User Guide, "Categorizing your objects using tags")."""


def parse_tagging(body: bytes, *, limit: int) -> Tags:
    """The tags of a document, checked. MalformedXML, or InvalidTag with what is wrong."""
    root = parse(body, "Tagging")
    root.only("TagSet")
    return tags_of(root.required("TagSet"), limit=limit)


def tags_of(tag_set: Element, *, limit: int) -> Tags:
    """The tags among an element's children, checked."""
    tag_set.only("Tag")
    tags: list[tuple[str, str]] = []
    for tag in tag_set.children:
        tag.only("Key", "Value")
        tags.append((tag.required("Key").leaf(), tag.required("Value").leaf()))
    check_tags(tags, limit=limit)
    return tuple(tags)


def check_tags(tags: list[tuple[str, str]], *, limit: int) -> None:
    """InvalidTag unless AWS would take the set."""
    if len(tags) > limit:
        count = "Object tags" if limit == OBJECT_TAGS else "Bucket tag count"
        raise _invalid(f"{count} cannot be greater than {limit}")
    seen: set[str] = set()
    for key, value in tags:
        if key in seen:
            raise _invalid("Cannot provide multiple Tags with the same key", key)
        seen.add(key)
        if not key or len(key) > TAG_KEY_CHARS or not _allowed(key):
            raise _invalid("The TagKey you have provided is invalid", key)
        if key.lower().startswith("aws:"):
            raise _invalid("System tags cannot be added/updated by requester", key)
        if len(value) > TAG_VALUE_CHARS or not _allowed(value):
            raise _invalid("The TagValue you have provided is invalid", key, value)


def tagging_document(tags: Tags) -> bytes:
    """The document that carries the tags."""
    elements = (tree("Tag", text("Key", key), text("Value", value)) for key, value in tags)
    return document(tree("Tagging", tree("TagSet", *elements)))


def _allowed(value: str) -> bool:
    return all(
        char in _PUNCTUATION or unicodedata.category(char)[0] in "LNM" or (not char.isascii() and char.isspace())
        for char in value
    )


def _invalid(message: str, key: str | None = None, value: str | None = None) -> S3Error:
    fields = [(name, text_) for name, text_ in (("TagKey", key), ("TagValue", value)) if text_ is not None]
    return S3Error(Code.INVALID_TAG, message, tuple(fields))
