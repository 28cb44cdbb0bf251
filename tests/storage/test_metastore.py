"""What every Metastore does: the memory engine, and Rust's LMDB through `storage.native` when it is built."""

import importlib
import importlib.util
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import api
from storage.memory import MemoryMetastore

NATIVE = importlib.util.find_spec("storage._core") is not None
END = b"\xff" * (api.KEY_LIMIT + 1)


@pytest.fixture(params=["memory", pytest.param("native", marks=pytest.mark.skipif(not NATIVE, reason="not built"))])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryMetastore()
        return
    core = importlib.import_module("storage.native").Core(str(tmp_path), min_free_bytes=1)
    # The core writes rows of its own when it opens (format); the cases look at keys from x on.
    yield core
    core.drain(5.0)


def key(name):
    """A key outside the kinds the core itself writes."""
    return b"x" + name


def rows(store):
    return [(found[1:], value) for found, value in store.scan(b"x", b"y", 1000)]


def conflict(store, guards):
    with pytest.raises(api.Conflict) as caught:
        store.commit(guards, [api.put(key(b"written"), b"")])
    assert store.get(key(b"written")) is None
    return caught.value.guard


def test_it_is_a_metastore(store):
    assert isinstance(store, api.Metastore)


def test_an_empty_store_has_nothing(store):
    assert store.get(key(b"a")) is None
    assert store.get(b"") is None
    assert store.get(END) is None
    assert rows(store) == []


def test_puts_are_found_replaced_and_deleted(store):
    first = store.commit([], [api.put(key(b"a"), b"1"), api.put(key(b"b"), b"")])
    assert (store.get(key(b"a")), store.get(key(b"b"))) == (b"1", b"")
    second = store.commit([], [api.put(key(b"a"), b"2"), api.delete(key(b"b")), api.delete(key(b"none"))])
    assert second > first
    assert rows(store) == [(b"a", b"2")]


def test_guards(store):
    store.commit([], [api.put(key(b"k"), b"v")])
    k, none = key(b"k"), key(b"none")
    held = [api.present(k), api.absent(none), api.equals(k, b"v"), api.empty_range(key(b"l"), key(b"z"))]
    store.commit(held, [])
    assert conflict(store, [api.absent(k)]) == 0
    assert conflict(store, [*held, api.present(none)]) == 4
    assert conflict(store, [api.equals(k, b"V")]) == 0
    assert conflict(store, [api.equals(none, b"")]) == 0
    assert conflict(store, [api.empty_range(key(b""), key(b"z"))]) == 0
    store.commit([api.empty_range(key(b"z"), key(b"a")), api.empty_range(k, k)], [])


def test_guards_see_the_state_before_the_batch(store):
    store.commit([api.absent(key(b"a"))], [api.put(key(b"a"), b"")])
    assert conflict(store, [api.absent(key(b"a"))]) == 0


def test_nothing_changes_on_a_conflict(store):
    store.commit([], [api.put(key(b"a"), b"1")])
    before = store.commit([], [])
    with pytest.raises(api.Conflict):
        store.commit(
            [api.present(key(b"a")), api.present(key(b"b"))],
            [api.put(key(b"c"), b""), api.delete(key(b"a")), api.add(key(b"n"), 1), api.delete_range(b"x", b"y")],
        )
    assert rows(store) == [(b"a", b"1")]
    assert store.commit([], []) == before


def test_what_changes_nothing_keeps_the_revision(store):
    before = store.commit([], [api.put(key(b"a"), b"")])
    assert store.commit([api.present(key(b"a"))], []) == before
    assert store.commit([], [api.delete(key(b"none")), api.delete_range(key(b"m"), key(b"n"))]) == before
    assert store.commit([], [api.put(key(b"a"), b"")]) > before


def test_operations_apply_in_order(store):
    a, b, c = key(b"a"), key(b"b"), key(b"c")
    store.commit(
        [], [api.put(a, b"1"), api.put(a, b"2"), api.delete(b), api.put(b, b"3"), api.put(c, b""), api.delete(c)]
    )
    assert rows(store) == [(b"a", b"2"), (b"b", b"3")]


def test_scans(store):
    names = [b"", b"\x00", b"\x00\xff", b"a", b"a\x00", b"aa", b"b", b"\x7f", b"\x80", b"\xff", "é".encode()]
    store.commit([], [api.put(key(name), name) for name in reversed(names)])
    assert rows(store) == [(name, name) for name in sorted(names)]

    def found(start, end, limit):
        return [row[1:] for row, _ in store.scan(key(start), key(end), limit)]

    assert found(b"a", b"b", 10) == [b"a", b"a\x00", b"aa"]
    assert found(b"a", b"b", 2) == [b"a", b"a\x00"]
    assert found(b"a", b"a\x00", 10) == [b"a"]
    for nothing in [(b"a", b"a", 10), (b"b", b"a", 10), (b"c", b"d", 10), (b"a", b"b", 0)]:
        assert found(*nothing) == []


def test_ranges_are_deleted(store):
    store.commit([], [api.put(key(b"%05d" % n), b"x" * 100) for n in range(2000)])
    store.commit([], [api.delete_range(key(b"00001"), key(b"01999")), api.delete_range(key(b"z"), key(b"a"))])
    assert [name for name, _ in rows(store)] == [b"00000", b"01999"]


def test_counters(store):
    n = key(b"n")
    store.commit([], [api.add(n, 5)])
    store.commit([], [api.add(n, -7, 3), api.add(n, 1)])
    assert api.counters(store.get(n)) == (-1, 3)
    store.commit([], [api.add(n, 2**63 - 1, -(2**63))])
    store.commit([], [api.add(n, 2**63 - 1, -(2**63))])
    assert api.counters(store.get(n)) == (2**63 - 1, -(2**63))
    assert api.counters(None) == ()
    with pytest.raises(OverflowError):
        api.add(n, 2**63)


@pytest.mark.parametrize(
    ("guards", "ops"),
    [
        ([("exists", b"k", None)], []),
        ([], [("append", b"k", b"v")]),
        ([], [("put", b"k", None)]),
        ([], [("add", b"k", b"1234567")]),
        ([], [("add", b"k", b"")]),
        ([("equals", b"k", None)], []),
        ([("put", b"k", b"v")], []),
        ([], [("absent", b"k", None)]),
    ],
)
def test_what_is_no_batch_is_a_value_error(store, guards, ops):
    with pytest.raises(ValueError, match=r"guard|operation|needs"):
        store.commit(guards, [api.put(key(b"a"), b""), *ops])
    assert rows(store) == []


def test_limits(store):
    longest = b"x" * api.KEY_LIMIT
    store.commit([], [api.put(longest, b"v")])
    assert store.get(longest) == b"v"
    store.commit([], [api.delete(longest)])
    for op in (
        api.put(longest + b"x", b""),
        api.put(b"", b""),
        api.delete(longest + b"x"),
        api.add(longest + b"x", 1),
        api.put(key(b"v"), bytes(api.VALUE_LIMIT + 1)),
    ):
        with pytest.raises(api.StoreError):
            store.commit([], [api.put(key(b"a"), b""), op])
    assert rows(store) == []
    store.commit([], [api.put(key(b"v"), bytes(api.VALUE_LIMIT))])
    assert store.get(key(b"v")) == bytes(api.VALUE_LIMIT)


def test_one_committer_wins(store):
    wins = []

    def claim(thread):
        for number in range(20):
            name = key(b"round%d" % number)
            try:
                store.commit([api.absent(name)], [api.put(name, thread), api.add(key(b"wins"), 1)])
            except api.Conflict:
                continue
            wins.append(number)

    threads = [threading.Thread(target=claim, args=(b"%d" % n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == list(range(20))
    assert api.counters(store.get(key(b"wins"))) == (20,)


few = st.binary(min_size=1, max_size=2).map(lambda name: b"x" + bytes(byte % 4 for byte in name))
batches = st.tuples(
    st.lists(
        st.one_of(
            st.builds(api.absent, few),
            st.builds(api.present, few),
            st.builds(api.equals, few, few),
            st.builds(api.empty_range, few, few),
        ),
        max_size=2,
    ),
    st.lists(
        st.one_of(
            st.builds(api.put, few, few),
            st.builds(api.delete, few),
            st.builds(api.delete_range, few, few),
            st.builds(api.add, few, st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5)),
        ),
        max_size=5,
    ),
)


def outcome(store, batch):
    try:
        store.commit(*batch)
    except api.Conflict as conflict:
        return conflict.guard
    return None


@pytest.mark.skipif(not NATIVE, reason="not built")
@settings(max_examples=30, deadline=None)
@given(st.lists(batches, max_size=20))
def test_native_agrees_with_memory(tmp_path_factory, history):
    core = importlib.import_module("storage.native").Core(
        str(tmp_path_factory.mktemp("store")), min_free_bytes=1, sync=False
    )
    memory = MemoryMetastore()
    try:
        for batch in history:
            assert outcome(core, batch) == outcome(memory, batch)
            assert rows(core) == rows(memory)
    finally:
        core.drain(5.0)
