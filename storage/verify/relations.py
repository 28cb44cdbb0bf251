"""Relations: that the log has no gap, that the tuples are what it says, and that they name what is there.

Belongs here: what rows `r`, `S`, `l` and `m | authz` must say about each other. What a tuple names and is no longer
there is a note and no problem: numbers are never given twice, so such a tuple gives nothing to anybody.
"""

from storage.verify import relation_rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.directory import Rows
from storage.verify.relation_rows import (
    BUILT_IN,
    GROUP,
    GROUP_MEMBER,
    IN_BUCKET,
    ROLE,
    ROLE_ASSIGNEE,
    SERVICE,
    USER,
    State,
    TupleKey,
)
from storage.verify.report import Report
from storage.verify.rows import BadRow
from storage.verify.schema_rows import COMPILED, SCHEMA, SchemaRow, read_schema, read_schema_key, read_source

_STATE = b"mauthz"
_NO_STATE = State(0, 1)


def check_relations(stored: Rows, catalog: Catalog, report: Report) -> None:
    """Checks every row of relations. Remembers each tuple the log names: as much memory as the log is long."""
    _Relations(stored, catalog, report).check()


class _Relations:
    def __init__(self, stored: Rows, catalog: Catalog, report: Report) -> None:
        self.stored = stored
        self.catalog = catalog
        self.report = report
        self.noted: set[str] = set()
        self.schemas: dict[int, SchemaRow] = {}

    def check(self) -> None:
        state = self.state()
        logged = self.log(state)
        self.read_schemas({} if logged is None else logged, state)
        if logged is not None:
            self.tuples(logged, whole=state.oldest == 1)
        self.idempotency(state)

    def state(self) -> State:
        value = self.stored.get(_STATE)
        if value is None:
            if self.stored.any_under(b"r") or self.stored.any_under(b"l"):
                self.report.problem(f"row {shown(_STATE)}", "is missing, and there are relations")
            return _NO_STATE
        try:
            return relation_rows.read_state(value)
        except BadRow as bad:
            self.report.problem(f"row {shown(_STATE)}", str(bad))
            return _NO_STATE

    def log(self, state: State) -> dict[bytes, bytes] | None:
        """What the log says last about each tuple it names; empty for one that is gone. None when it is damaged."""
        latest: dict[bytes, bytes] = {}
        expected, sound = state.oldest, True
        for key, value in scanned(self.stored, relation_rows.ENTRY, self.report):
            where = f"relation log {shown(key)}"
            try:
                revision = relation_rows.read_entry_key(key)
                where = f"relation log, revision {revision}"
                if revision != expected:
                    self.report.problem(where, f"follows where revision {expected} must be")
                    sound = False
                expected = revision + 1
                latest.update(relation_rows.read_entry(value))
            except BadRow as bad:
                self.report.problem(where, str(bad))
                sound = False
        if expected != state.revision + 1:
            self.report.problem("relation log", f"ends before revision {expected}, the newest is {state.revision}")
            sound = False
        return latest if sound else None

    def read_schemas(self, logged: dict[bytes, bytes], state: State) -> None:
        """Reads and remembers the schemas of tenants; takes them out of what the log says."""
        parts: dict[int, set[int]] = {}
        for key, value in scanned(self.stored, SCHEMA, self.report):
            where = f"schema {shown(key)}"
            said = logged.pop(key, None)
            try:
                tenant, part = read_schema_key(key)
                parts.setdefault(tenant, set()).add(part)
                if part != COMPILED:
                    read_source(value)
                    continue
                self.schemas[tenant] = read_schema(value)
                if self.schemas[tenant].revision > state.revision:
                    self.report.problem(where, f"is of revision {self.schemas[tenant].revision}, which is not there")
                if said is not None and said != value:
                    self.report.problem(where, "is not what the log says" if said else "was removed, says the log")
            except BadRow as bad:
                self.report.problem(where, str(bad))
        for tenant, found in parts.items():
            if tenant not in self.catalog.tenants:
                self.report.note(f"schema of tenant {tenant}", "is left over: the tenant is not there")
            if len(found) != 2:
                self.report.problem(f"schema of tenant {tenant}", "has a text or a compiled form, and not both")
        for key in [key for key in logged if key.startswith(SCHEMA)]:
            if logged.pop(key):
                self.report.problem(f"schema {shown(key)}", "is missing, says the log")

    def conforms(self, named: TupleKey, where: str) -> None:
        """Whether the tenant's schema has such tuples; of the built-in one the engine is sure."""
        schema = self.schemas.get(named.tenant)
        if schema is None:
            if named.relation >= BUILT_IN:
                self.report.problem(where, f"is of relation {named.relation}, and the tenant has no schema")
            return
        targets, subjects = schema.relations.get(named.relation, (0, 0))
        if not targets & named.type_bit or not subjects >> named.grantee.kind & 1:
            self.report.problem(where, "has no place in the tenant's schema")

    def tuples(self, logged: dict[bytes, bytes], *, whole: bool) -> None:
        """Compares tuples with the log. What a log that is not whole says nothing about is older than it."""
        for key, value in scanned(self.stored, b"r", self.report):
            where = f"relation {shown(key)}"
            self.report.counts["relations"] += 1
            try:
                named = relation_rows.read_tuple_key(key)
                relation_rows.check_tuple_value(value)
            except BadRow as bad:
                self.report.problem(where, str(bad))
                continue
            finally:
                said = logged.pop(key, None)
            if said is None and whole:
                self.report.problem(where, "is not in the log")
            elif said is not None and said != value:
                self.report.problem(where, "is not what the log says" if said else "was removed, says the log")
            self.names(named)
            self.conforms(named, where)
        for key, value in logged.items():
            if value:
                self.report.problem(f"relation {shown(key)}", "is missing, says the log")

    def names(self, named: TupleKey) -> None:
        """Whether what the tuple names is there."""
        if named.tenant not in self.catalog.tenants:
            self.note(f"tenant {named.tenant}")
        elif named.place == IN_BUCKET:
            bucket = self.catalog.buckets.get(named.number)
            if bucket is None:
                self.note(f"bucket {named.number}")
            elif bucket.tenant != named.tenant:
                where = f"relations of bucket {self.catalog.bucket_name(named.number)}"
                self.report.problem(where, f"stand at tenant {named.tenant}, whose it is not")
        elif named.place == GROUP:
            self.group("group", named.number, named.tenant)
        elif named.place == ROLE:
            self.group("role", named.number, named.tenant)
        grantee = named.grantee
        if grantee.kind in (GROUP_MEMBER, ROLE_ASSIGNEE):
            self.group("group" if grantee.kind == GROUP_MEMBER else "role", grantee.number, grantee.tenant)
        elif grantee.kind in (USER, SERVICE):
            user = self.catalog.users.get(grantee.number)
            if user is None or user.tenant != grantee.tenant:
                self.note(f"user {grantee.number} of tenant {grantee.tenant}")
        elif grantee.tenant and grantee.tenant not in self.catalog.tenants:
            self.note(f"tenant {grantee.tenant}")

    def group(self, word: str, number: int, tenant: int) -> None:
        """Whether the group or role of this tenant is there."""
        found = (self.catalog.groups if word == "group" else self.catalog.roles).get(number)
        if found is None or found.tenant != tenant:
            self.note(f"{word} {number} of tenant {tenant}")

    def note(self, what: str) -> None:
        if what not in self.noted:
            self.noted.add(what)
            self.report.note(f"relations of {what}", "are left over: it is not there, and they give nothing")

    def idempotency(self, state: State) -> None:
        for key, value in scanned(self.stored, b"l", self.report):
            where = f"idempotency row {shown(key)}"
            if key.startswith(relation_rows.ENTRY):
                continue
            try:
                if not key.startswith(relation_rows.IDEMPOTENCY) or len(key) < 7:
                    self.report.problem(f"row {shown(key)}", "is neither a log entry nor an idempotency row")
                    continue
                revision = relation_rows.read_idempotency(value)
            except BadRow as bad:
                self.report.problem(where, str(bad))
                continue
            if not state.oldest <= revision <= state.revision:
                kept = f"{state.oldest} to {state.revision}"
                self.report.problem(where, f"names revision {revision}; the log has {kept}")
