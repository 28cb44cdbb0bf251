"""The CacheStore in process: the default, where one gateway has nobody to share with.

Belongs here: bounded memory, expiry, nothing else. Does not belong here: anything that must not be forgotten.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

CACHE_BYTES: Final = 64 << 20
"""Keys and values together. Wake-up signals and leases are a few dozen bytes each; this is for shared decisions."""

ENTRY_BYTES: Final = 64
"""What an entry costs beside its key and value: dictionary slot, tuple, deadline."""


class LocalCache:
    """Least recently used values go first. Safe to use from several threads."""

    def __init__(self, limit_bytes: int = CACHE_BYTES, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_bytes = limit_bytes
        self._clock_s = clock_s
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: bytes) -> bytes | None:
        """See `storage.api.CacheStore`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            deadline, value = entry
            if self._clock_s() >= deadline:
                self._forget(key)
                return None
            self._entries.move_to_end(key)
            return value

    def set(self, key: bytes, value: bytes, ttl_s: float) -> None:
        """See `storage.api.CacheStore`. A value that is larger than the whole cache is not kept."""
        with self._lock:
            self._forget(key)
            cost = len(key) + len(value) + ENTRY_BYTES
            if ttl_s <= 0 or cost > self._limit_bytes:
                return
            self._entries[key] = (self._clock_s() + ttl_s, value)
            self._bytes += cost
            while self._bytes > self._limit_bytes:
                self._forget(next(iter(self._entries)))

    def delete(self, key: bytes) -> None:
        """See `storage.api.CacheStore`."""
        with self._lock:
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(key) + len(entry[1]) + ENTRY_BYTES
