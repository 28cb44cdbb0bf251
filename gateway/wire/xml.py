"""XML in and out for control documents.

Belongs here: a strict reader into plain elements, and a writer from plain values. Does not belong here: what any
document means (its family's file). The reader refuses what S3 documents never contain: a DOCTYPE, processing
instructions, deep nesting, more elements than the largest document has. It resolves no entity but the five of XML.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape as _escape

from gateway.errors import Code, S3Error
from gateway.limits import XML_DEPTH, XML_NODES

S3_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI_NAMESPACE: Final = "http://www.w3.org/2001/XMLSchema-instance"

_SEPARATOR: Final = " "
"""Between namespace and local name in what expat reports; a blank occurs in neither."""

_UNQUOTED: Final = {'"': "&quot;", "\r": "&#13;"}
"""A bare carriage return would come back as a line feed."""

_FORBIDDEN: Final = frozenset({*map(chr, range(32)), chr(0xFFFE), chr(0xFFFF)} - {"\t", "\n", "\r"})
"""Characters XML 1.0 cannot hold, not even as references (XML 2.2)."""


@dataclass(slots=True)
class Element:
    """An element without its namespace: local name, attributes by local name, children, and the text between them."""

    name: str
    attributes: dict[str, str]
    children: "list[Element]" = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> "list[Element]":
        """The children with this name, in order."""
        return [child for child in self.children if child.name == name]

    def optional(self, name: str) -> "Element | None":
        """The child with this name, or None. Twice the same child is MalformedXML."""
        found = self.all(name)
        if len(found) > 1:
            raise malformed()
        return found[0] if found else None

    def required(self, name: str) -> "Element":
        """The one child with this name; MalformedXML without it."""
        found = self.optional(name)
        if found is None:
            raise malformed()
        return found

    def leaf(self) -> str:
        """The text of an element that holds nothing else; MalformedXML when it does."""
        if self.children:
            raise malformed()
        return self.text

    def only(self, *names: str) -> None:
        """Refuses children that the document does not know: a setting that is ignored is worse than an error."""
        if any(child.name not in names for child in self.children) or (self.children and self.text.strip()):
            raise malformed()


def malformed(message: str | None = None) -> S3Error:
    """The error for a document that is not well-formed or not what the operation's schema says."""
    return S3Error(Code.MALFORMED_XML, message)


class _Builder:
    """Collects expat's events into elements, refusing what no S3 document contains."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._nodes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._open) >= XML_DEPTH or self._nodes > XML_NODES:
            raise malformed()
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def text(self, data: str) -> None:
        self._texts[-1].append(data)

    def refuse(self, *_event: object) -> None:
        raise malformed()


def _local(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]


def parse(body: bytes, root: str) -> Element:
    """The document's root element, which must be `root`. MissingRequestBodyError when empty, else MalformedXML."""
    if not body.strip():
        raise S3Error(Code.MISSING_REQUEST_BODY)
    builder = _Builder()
    parser = expat.ParserCreate(encoding=None, namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ProcessingInstructionHandler = builder.refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat takes its arguments by position only
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise malformed() from error
    if builder.root is None or builder.root.name != root:
        raise malformed()
    return builder.root


@dataclass(frozen=True, slots=True)
class Tree:
    """An element to write: a text, or children. Children that are None are left out."""

    name: str
    content: "str | tuple[Tree | None, ...]" = ""
    attributes: tuple[tuple[str, str], ...] = ()


def tree(name: str, *children: "Tree | None") -> Tree:
    """An element with children."""
    return Tree(name, children)


def text(name: str, value: str | int | bool) -> Tree:  # noqa: FBT001 - the value is a value
    """An element with a text, booleans as `true` and `false`."""
    return Tree(name, ("true" if value else "false") if isinstance(value, bool) else str(value))


def escape(value: str) -> str:
    """Text for between tags or quotes. Characters XML cannot hold become U+FFFD rather than a broken document."""
    if not _FORBIDDEN.isdisjoint(value):
        value = "".join("\N{REPLACEMENT CHARACTER}" if char in _FORBIDDEN else char for char in value)
    return _escape(value, _UNQUOTED)


def _write(node: Tree) -> Iterator[str]:
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in node.attributes)
    if not node.content:
        yield f"<{node.name}{attributes}/>"
        return
    yield f"<{node.name}{attributes}>"
    if isinstance(node.content, str):
        yield escape(node.content)
    else:
        for child in node.content:
            if child is not None:
                yield from _write(child)
    yield f"</{node.name}>"


def document(root: Tree) -> bytes:
    """The whole document, in S3's namespace."""
    rooted = Tree(root.name, root.content, (("xmlns", S3_NAMESPACE), *root.attributes))
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(_write(rooted))).encode()
