"""The door to the extension module: the only importer of `storage._core`.

Belongs here: the check that the extension fits this code, and its errors as those of `storage.api`. Does not belong
here: logic. Everything else in Python sees protocols.
"""

from collections.abc import Sequence
from typing import Final, TypedDict, Unpack

from storage import _core
from storage._core import (
    ConfigError,
    ControlRequest,
    Relations,
    Watch,
    audit_changes,
    audit_reasons,
    error_codes,
    generate_key,
    permission_names,
    permission_of_action,
    relation_names,
)
from storage.api import Conflict, Guard, Op, StoreError

__all__ = [
    "ConfigError",
    "Conflict",
    "ControlRequest",
    "Core",
    "Relations",
    "StoreError",
    "Watch",
    "audit_changes",
    "audit_reasons",
    "error_codes",
    "generate_key",
    "permission_names",
    "permission_of_action",
    "relation_names",
]

_ABI: Final = 4

if _core.ABI != _ABI:
    raise ImportError(f"storage._core has ABI {_core.ABI} and this code needs {_ABI}: build again with `make build`")


class CoreOptions(TypedDict, total=False):
    """Settings of the stores; defaults and meanings in `_core.pyi`."""

    min_free_bytes: int
    volume_bytes: int
    sync: bool
    audit: tuple[int, int, int, bool, bool]
    caches: bool


class Core:
    """The open stores of one data directory and the listeners over them. A Metastore and a RecordStore.

    Raises StoreError when the directory cannot be opened (its text names the owner's pid when another process has it),
    ConfigError for a setting the core refuses.
    """

    def __init__(self, data_dir: str, **options: Unpack[CoreOptions]) -> None:
        try:
            self._core = _core.Core(data_dir, **options)
        except _core.StoreError as error:
            raise StoreError(*error.args) from error
        # The listeners' calls raise nothing that needs translating; their signatures are those of the stub.
        self.serve = self._core.serve
        self.reload_tls = self._core.reload_tls
        self.drain = self._core.drain
        self.metrics = self._core.metrics
        self.audit_size = self._core.audit_size
        # Raises errors of `storage.api` by itself, so that the shortest check has nothing around it.
        self.relations = self._core.relations
        self.explain = self._core.explain
        self.known_buckets = self._core.known_buckets

    def get(self, key: bytes) -> bytes | None:
        """See `storage.api.Metastore`."""
        try:
            return self._core.get(key)
        except _core.StoreError as error:
            raise StoreError(*error.args) from error

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `storage.api.Metastore`."""
        try:
            return self._core.scan(start, end, max(limit, 0))
        except _core.StoreError as error:
            raise StoreError(*error.args) from error

    def commit(self, guards: Sequence[Guard], ops: Sequence[Op], audit: Sequence[tuple[int, bytes]] = ()) -> int:
        """See `storage.api.Metastore`; `audit` in `_core.pyi`."""
        try:
            return self._core.commit(guards, ops, audit)
        except _core.Conflict as conflict:
            raise Conflict(conflict.args[0]) from conflict
        except _core.StoreError as error:
            raise StoreError(*error.args) from error

    def trim_audit(
        self, before_us: int, tenant: int | None, by: tuple[int, str, str | None, str | None]
    ) -> tuple[int, bool]:
        """Removes audit entries from before a moment, of one tenant or of all: how many, and whether there are more."""
        try:
            return self._core.trim_audit(before_us, tenant, by)
        except _core.StoreError as error:
            raise StoreError(*error.args) from error

    def share_password(self, tenant: int, share: int, given: bytes) -> bool | None:
        """Whether this is the share's password; None when too many were wrong lately. Takes a tenth of a second."""
        try:
            return self._core.share_password(tenant, share, given)
        except _core.StoreError as error:
            raise StoreError(*error.args) from error

    def volumes(self) -> list[tuple[int, str, int, int, int, int]]:
        """Per volume: id, state, needles, live bytes, dead bytes, file bytes. Seconds on large stores."""
        try:
            return self._core.volumes()
        except _core.StoreError as error:
            raise StoreError(*error.args) from error
