"""The extension module `storage._core` (rust/crates/py): everything Rust does for Python.

Only `storage/native.py` imports it. All calls release the GIL while they wait. Errors: `Conflict` (a guard did not
hold), `StoreError` (disk, corruption, full), `ConfigError` (a setting the core refuses).
"""

from collections.abc import Callable, Sequence
from typing import final

ABI: int

class StoreError(Exception): ...

class Conflict(Exception):
    """A guard did not hold. `args[0]` is its index; nothing changed."""

class ConfigError(Exception): ...

# (kind, key, value): ("absent", k, None) ("present", k, None) ("equals", k, v) ("empty_range", start, end)
Guard = tuple[str, bytes, bytes | None]
# ("put", k, v) ("delete", k, None) ("delete_range", start, end) ("add", k, consecutive little-endian i64 deltas)
Op = tuple[str, bytes, bytes | None]
# name, method, scope ("service" | "bucket" | "object"), sub-resource selectors ("acl", "list-type=2", "uploadId"),
# header that selects it or None, parameters that may accompany it, action, what else is asked (a header or "?key", its action),
# reveal ("404" | "403"), auth ("signed" | "form" | "none"), kind ("native" | "python" | "absent"), largest body in bytes for
# python rows (0: none expected)
Row = tuple[str, str, str, Sequence[str], str | None, Sequence[str], str, Sequence[tuple[str, str]], str, str, str, int]

@final
class Core:
    """The open stores of one data directory, and the listeners over them. Raises StoreError when it cannot open."""

    def __init__(
        self, data_dir: str, *, min_free_bytes: int = ..., volume_bytes: int = ..., sync: bool = True
    ) -> None: ...
    def get(self, key: bytes) -> bytes | None: ...
    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Rows of the half-open range in ascending order, at most `limit`."""
    def commit(self, guards: Sequence[Guard], ops: Sequence[Op]) -> int:
        """All or nothing; durable when it returns. Returns the revision."""
    def volumes(self) -> list[tuple[int, str, int, int, int, int]]:
        """Per volume: id, state, needles, live bytes, dead bytes, file bytes. Marks every manifest: seconds on large stores."""
    def serve(
        self,
        *,
        listen: Sequence[str],
        rows: Sequence[Row],
        dispatch: Callable[[ControlRequest], None],
        complain: Callable[[str], None],
        domains: Sequence[str] = (),
        pinned_region: str | None = None,
        external_url: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        trusted_proxies: Sequence[str] = (),
        sigv2: bool = True,
        access_log: str | None = None,
        workers: int = 0,
        control_queue: int = 256,
        control_deadline_s: float = 30.0,
        connections_per_address: int = 4096,
        header_timeout_s: float = 30.0,
        idle_timeout_s: float = 75.0,
        body_timeout_s: float = 60.0,
    ) -> list[str]:
        """Binds and accepts. Returns the bound addresses in the order given.

        `dispatch` is called with each control request, `complain` with each log line of the data plane (what only we can
        repair), both on threads of their own.
        """
    def reload_tls(self) -> None: ...
    def drain(self, timeout_s: float) -> bool:
        """Stops accepting, finishes what runs, closes the stores. False when the time was not enough."""
    def metrics(self) -> str:
        """Prometheus text of the data plane."""

@final
class ControlRequest:
    """One request for a Python handler: parsed, routed, authenticated, authorized. Answer it once."""

    op: str
    request_id: str
    method: str
    bucket: str
    key: bytes
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: bytes
    tenant: int
    user: int
    admin: bool
    canonical_id: str
    display_name: str
    source_ip: str
    secure: bool
    now_us: int
    bucket_record: bytes | None
    def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None: ...
    def fail(self, code: str, message: str | None = None, fields: Sequence[tuple[str, str]] = ()) -> None:
        """Answers with an error of the closed list. An unknown code is an InternalError and a log line."""

def generate_key() -> bytes:
    """32 bytes from the system's generator."""

def error_codes() -> list[tuple[str, int, str]]:
    """The closed list: code, status, message."""
