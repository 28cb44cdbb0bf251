"""What one row of the table of operations is, and how it crosses to Rust.

Belongs here: the shape of a row and the checks a row must pass to load. Does not belong here: the rows (`table.py`),
the matching of requests (crate `front`), anything an operation does (its family's file).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.model import Answer, Call

Handler = Callable[[Call], Answer]

Also = tuple[tuple[str, str], ...]
"""What a request may carry and the action it then asks for too: a header (`x-amz-tagging`; `x-amz-grant-*` for a
beginning; `if-match=` for one that says something else than `*`), a query key that is there (`+versionId`) or is not
(`-versionId`). A query key with `?` (`?versionId`) puts its action in the place of the row's own."""

CoreRow = tuple[str, str, str, tuple[str, ...], str | None, tuple[str, ...], str, Also, str, str, str, int]
"""The border's form of a row: `storage._core.Row`."""

COMMON_PARAMS: Final = ("x-id",)
"""Parameters that may accompany every operation: newer SDKs repeat the operation's name in `x-id`."""

METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"})


class Scope(StrEnum):
    """What the path of the request names: of `/-/TOKEN/...` one object behind a share link, or a folder there."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"
    LINK = "link"
    LINK_FOLDER = "link-folder"


class Auth(StrEnum):
    """How step 4 authenticates: a signature, the policy of a browser form, the token of a share link, or nothing (CORS
    preflight).
    """

    SIGNED = "signed"
    FORM = "form"
    LINK = "link"
    NONE = "none"


class Kind(StrEnum):
    """Who runs the operation: Rust, a handler of this package, or nobody yet (501 by name)."""

    NATIVE = "native"
    PYTHON = "python"
    ABSENT = "absent"


class TableError(Exception):
    """A row that must not load, with the reason. The server does not start."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: Amazon's name, what selects it, what it asks of authorization, who runs it."""

    name: str
    method: str
    scope: Scope
    selectors: tuple[str, ...]
    params: tuple[str, ...]
    action: str
    also: Also = ()
    header: str | None = None
    auth: Auth = Auth.SIGNED
    reveal: str = "403"
    event: str | None = None
    native: bool = False
    handler: Handler | None = None
    body_bytes: int = 0
    checksum: bool = False
    alias_of: str | None = None

    def __post_init__(self) -> None:
        """Refuses a row that Rust could not run safely."""
        if not self.action:
            raise TableError(f"{self.name}: a row needs an action")
        if self.method not in METHODS:
            raise TableError(f"{self.name}: unknown method {self.method}")
        if self.reveal not in ("403", "404"):
            raise TableError(f"{self.name}: reveal is 403 or 404")
        if self.native and self.handler is not None:
            raise TableError(f"{self.name}: native, or a handler, not both")
        if self.body_bytes and self.handler is None:
            raise TableError(f"{self.name}: only rows with a handler take a body here")
        if self.header is not None and self.header != self.header.lower():
            raise TableError(f"{self.name}: header names are lower-case")

    @property
    def kind(self) -> Kind:
        """Who runs it."""
        if self.native:
            return Kind.NATIVE
        return Kind.PYTHON if self.handler is not None else Kind.ABSENT

    @property
    def match_key(self) -> tuple[str, str, frozenset[str], str | None]:
        """What must be unique over the table: two rows with one key could not be told apart."""
        return (self.method, self.scope.value, frozenset(self.selectors), self.header)

    def to_core(self) -> CoreRow:
        """The row as Rust receives it."""
        params = self.params + COMMON_PARAMS
        head = (self.name, self.method, self.scope.value, self.selectors, self.header, params)
        return (*head, self.action, self.also, self.reveal, self.auth.value, self.kind.value, self.body_bytes)
