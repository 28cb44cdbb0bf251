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
# name, method, scope ("service" | "bucket" | "object" | "link" | "link-folder"), sub-resource selectors ("acl", "list-type=2", "uploadId"),
# header that selects it or None, parameters that may accompany it, action, what else is asked (a header or "?key", its action),
# reveal ("404" | "403"), auth ("signed" | "form" | "link" | "none"), kind ("native" | "python" | "absent"), largest body in bytes for
# python rows (0: none expected)
Row = tuple[str, str, str, Sequence[str], str | None, Sequence[str], str, Sequence[tuple[str, str]], str, str, str, int]

# kind (0 tenant, 1 group, 2 role, 3 share, 4 bucket, 5 prefix, 6 object), number, path
Place = tuple[int, int, bytes]
# networks (address, bits), window (weekdays with bit 0 Monday, first and end minute of the UTC day), TLS, MFA seconds
Condition = tuple[Sequence[tuple[str, int]], tuple[int, int, int] | None, bool, int | None]
# place, relation, grantee (64 bits as in FORMAT.md), expiry in microseconds, condition
Tuple = tuple[Place, int, int, int | None, Condition | None]
# "create" | "touch" | "delete", then a tuple's parts
Change = tuple[str, Place, int, int, int | None, Condition | None]
# "present" | "absent", place, relation, grantee
Precondition = tuple[str, Place, int, int]
# allowed, denied, tenant admin, revision, valid until in microseconds (0: for ever), conditional
Answer = tuple[bool, bool, bool, int, int, bool]
# grantee, and whether its key says that it administers its tenant
Principal = tuple[int, bool]
# now in microseconds (0: the clock's), source address, over TLS, when MFA was proved (0: known to be without)
Moment = tuple[int, str | None, bool | None, int | None]
# revision, microseconds, tenant, changes: set (else removed), tuple
LogEntry = tuple[int, int, int, list[tuple[bool, Tuple]]]

# grantee (0: the server itself), request id, access key, source address
Actor = tuple[int, str, str | None, str | None]

@final
class Core:
    """The open stores of one data directory, and the listeners over them. Raises StoreError when it cannot open."""

    def __init__(
        self,
        data_dir: str,
        *,
        min_free_bytes: int = ...,
        volume_bytes: int = ...,
        sync: bool = True,
        audit: tuple[int, int, int, bool, bool] = (0, 0, 0, True, False),
        caches: bool = True,
    ) -> None:
        """`audit`: bytes at which the audit log of all is full, and that of a tenant, microseconds after which entries go
        (0 each: never), whether what cannot be written down is refused, whether decisions about unsigned requests are
        written down. `caches`: whether authorization keeps anything between requests."""
    def get(self, key: bytes) -> bytes | None: ...
    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Rows of the half-open range in ascending order, at most `limit`."""
    def explain(
        self,
        who: tuple[int, bool],
        action: str,
        bucket: tuple[str, bytes],
        key: bytes | None,
        when: tuple[int, str | None, bool | None, int | None],
    ) -> tuple[bool, str, int, tuple[str, int | None, str, int] | None, tuple[tuple[int, int, bytes], int, int] | None]:
        """What a request would be answered: allowed, reason, revision, and what decided: a statement (policy, group, Sid,
        index) or a tuple."""
    def commit(self, guards: Sequence[Guard], ops: Sequence[Op], audit: Sequence[tuple[int, bytes]] = ()) -> int:
        """All or nothing; durable when it returns. Returns the revision. `audit`: tenants, and entries for their logs;
        RelationError of kind "audit" when those cannot be written."""
    def trim_audit(self, before_us: int, tenant: int | None, by: Actor) -> tuple[int, bool]:
        """Removes audit entries from before a moment, of one tenant or of all: how many, and whether there are more."""
    def audit_size(self) -> tuple[int, int, int, int]:
        """Bytes of the audit log, bytes at which it is full (0: never), entries written and lost by this process."""
    def share_password(self, tenant: int, share: int, given: bytes) -> bool | None:
        """Whether this is the share's password. None when too many were wrong lately, or too many are being checked."""
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
        region: str = "us-east-1",
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
    def relations(self) -> Relations: ...
    def known_buckets(
        self,
        who: tuple[int, int, bool],
        page: tuple[str, str, int, tuple[str, str] | None],
        when: tuple[int, str, bool],
    ) -> list[tuple[str, bytes]]:
        """The first buckets, as name and record, that the user may know of.

        `who` is tenant, user and whether it administers its tenant; `page` the names' beginning, the name they come
        after, how many at most, and a region with the one of records that name none; `when` microseconds, address,
        whether over TLS.
        """

@final
class Relations:
    """The relationship engine of a store. Raises `storage.api.RelationError` and, for the store, `storage.api.StoreError`."""

    @staticmethod
    def in_memory() -> Relations:
        """An engine over memory, for tests."""
    def check(
        self, grantee: int, permission: int, tenant: int, bucket: int, key: bytes | str, admin: bool = False, /
    ) -> bool:
        """The shortest check: on an object, by the clock, without facts for conditions."""
    def answer(self, who: Principal, wanted: int, tenant: int, at: Place, when: Moment) -> Answer: ...
    def check_keys(
        self,
        who: Principal,
        wanted: int,
        place: tuple[int, int],
        keys: list[bytes] | list[str] | list[bytes | str],
        when: Moment,
    ) -> tuple[int, bytes]:
        """Revision, and 1 or 0 for each key. `place` is tenant and bucket."""
    def stands(self, who: Principal, relation: int, tenant: int, at: Place, when: Moment) -> bool: ...
    def explain(
        self, who: Principal, wanted: int, tenant: int, at: Place, when: Moment
    ) -> tuple[Answer, tuple[Place, int, int] | None]:
        """The answer, and place, relation and grantee of the tuple that decided."""
    def expand(self, tenant: int, at: Place) -> list[Tuple]: ...
    def write(
        self,
        tenant: int,
        changes: Sequence[Change],
        preconditions: Sequence[Precondition] = (),
        idempotency_key: bytes | None = None,
        now_us: int = 0,
        by: Actor | None = None,
    ) -> int:
        """All or nothing; durable and in force when it returns. The revision. `by` is for the audit log."""
    def has(self, tenant: int, at: Place, relation: int, grantee: int) -> bool:
        """Whether a tuple is there, expired or not."""
    def read(
        self,
        tenant: int,
        limit: int,
        at: Place | None = None,
        bucket: int | None = None,
        relation: int | None = None,
        grantee: int | None = None,
        cursor: bytes | None = None,
    ) -> tuple[list[Tuple], bytes | None]: ...
    def lookup_resources(
        self,
        who: Principal,
        wanted: int,
        place: tuple[int, int],
        limit: int,
        when: Moment,
        cursor: bytes | None = None,
        undenied: bool = False,
    ) -> tuple[list[tuple[bytes, bytes | None]], bytes | None, int]:
        """Ranges of keys, cursor, revision. `undenied`: those on which no deny takes the permission away, whatever
        allows it."""
    def lookup_subjects(
        self, wanted: int, tenant: int, at: Place, limit: int, when: Moment, cursor: int | None = None
    ) -> tuple[list[int], list[int], list[int], list[int], int | None, int]:
        """Subjects, classes, excluded classes, excluded subjects, cursor, revision."""
    def watch(self, after: int, tenant: int | None = None) -> Watch: ...
    def token(self, tenant: int, revision: int) -> bytes: ...
    def accept(self, tenant: int, token: bytes) -> int: ...
    def revision(self) -> int: ...
    def catch_up(self) -> int: ...
    def schema(self, tenant: int) -> tuple[int, str | None, list[tuple[int, int, int, int, str]], list[str], list[int]]:
        """Revision (0: built in), text (None: built in), relations as (number, class, targets, subjects, name), names of
        permissions by number, numbers that new relations may get."""
    def vocabulary(self, tenant: int) -> tuple[list[tuple[int, str]], list[str]] | None:
        """Numbers and names of relations, names of permissions by number; None: as built in. Takes no lock."""
    def apply_schema(
        self,
        tenant: int,
        source: str,
        compiled: bytes,
        against: int,
        dry_run: bool = False,
        by: Actor | None = None,
    ) -> tuple[int, list[Tuple]]:
        """Puts a schema in force. The revision, and tuples it has no place for: then it was refused. RelationError of
        kind "schema_changed" when the schema in force is not of revision `against`."""
    def remove_schema(self, tenant: int, *, now_us: int, by: Actor | None = None) -> bool:
        """Removes the schema of a tenant that is being removed; whether it had one of its own."""
    def trim_log(self, keep_from: int) -> bool: ...
    def trim_old(self, now_us: int) -> bool:
        """Removes entries of the log that are a week old or have a million behind them, a bounded number a call;
        whether there are more."""

@final
class Watch:
    """A reader of the log of relations. Keeps its place."""

    position: int
    def poll(self, limit: int) -> list[LogEntry]: ...
    def wait(self, timeout_s: float) -> bool:
        """False when the time is over before there is something to poll."""

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
    decided: int | None
    """The version that was decided about, where the decision looked at one; 0: there was none, or more than one."""
    bucket_record: bytes | None
    def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None: ...
    def fail(self, code: str, message: str | None = None, fields: Sequence[tuple[str, str]] = ()) -> None:
        """Answers with an error of the closed list. An unknown code is an InternalError and a log line."""

def audit_reasons() -> list[tuple[int, str]]:
    """Reasons of decisions by their numbers in audit entries."""

def audit_changes(changes: Sequence[tuple[bytes, bytes]]) -> list[tuple[bool, Tuple]]:
    """The changes of an audit entry: set (else removed), and the tuple."""

def generate_key() -> bytes:
    """32 bytes from the system's generator."""

def error_codes() -> list[tuple[str, int, str]]:
    """The closed list: code, status, message."""

def relation_names() -> list[str]:
    """In the order of their numbers."""

def permission_names() -> list[str]:
    """In the order of their numbers."""

def permission_of_action(action: str) -> int:
    """What one of Amazon's actions needs of relations. One that is not known needs `manage`."""
