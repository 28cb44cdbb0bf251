"""What a CacheStore must do; the stores that several gateways share will have to pass the same."""

from storage.api import CacheStore
from storage.local_cache import ENTRY_BYTES, LocalCache


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_value_is_there_until_its_time_is_over_and_not_at_it() -> None:
    clock = Clock()
    cache: CacheStore = LocalCache(clock_s=clock)
    cache.set(b"k", b"v", 5.0)
    clock.now_s += 4.999
    assert cache.get(b"k") == b"v"
    clock.now_s += 0.001
    assert cache.get(b"k") is None


def test_setting_again_replaces_value_and_time() -> None:
    clock = Clock()
    cache = LocalCache(clock_s=clock)
    cache.set(b"k", b"old", 5.0)
    clock.now_s += 4
    cache.set(b"k", b"new", 5.0)
    clock.now_s += 4
    assert cache.get(b"k") == b"new"
    cache.set(b"k", b"never", 0)
    assert cache.get(b"k") is None, "no time left is the same as forgotten"


def test_what_is_deleted_is_gone_and_deleting_nothing_is_fine() -> None:
    cache = LocalCache()
    cache.set(b"k", b"v", 5.0)
    cache.delete(b"k")
    cache.delete(b"k")
    assert cache.get(b"k") is None


def test_the_least_recently_used_value_makes_room() -> None:
    cache = LocalCache(limit_bytes=3 * (2 + ENTRY_BYTES))
    for key in (b"a", b"b", b"c"):
        cache.set(key, b"v", 60.0)
    assert cache.get(b"a") == b"v"
    cache.set(b"d", b"v", 60.0)
    assert [cache.get(key) for key in (b"a", b"b", b"c", b"d")] == [b"v", None, b"v", b"v"]


def test_a_value_larger_than_the_cache_is_not_kept_and_one_as_large_is() -> None:
    cache = LocalCache(limit_bytes=100)
    cache.set(b"k", b"v" * (100 - 1 - ENTRY_BYTES), 60.0)
    assert cache.get(b"k") is not None
    cache.set(b"k", b"v" * (101 - 1 - ENTRY_BYTES), 60.0)
    assert cache.get(b"k") is None
