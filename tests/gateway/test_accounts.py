"""Tenants, users and keys: rules, races, and removals that can be asked for again."""

from collections.abc import Callable
from functools import partial

import pytest
from world import ROOT, World

from gateway.accounts.accounts import Accounts, RootKey
from gateway.errors import AccountError
from gateway.limits import ACCESS_KEY_MAX, ACCESS_KEY_MIN, DISPLAY_NAME_CHARS, SECRET_KEY_MAX, SECRET_KEY_MIN
from storage.api import Conflict
from storage.records import keys
from storage.records.credential import CredentialRecord
from storage.records.pointer import decode_id
from storage.records.user import UserRecord


def refused(kind: str, *call: object) -> None:
    act, *words = call
    with pytest.raises(AccountError) as caught:
        act(*words)  # type: ignore[operator]
    assert caught.value.kind == kind


def test_the_first_start_makes_a_tenant_root_and_its_key_once(world: World) -> None:
    rows = world.store.scan(b"", b"\xff", 1000)
    world.accounts.bootstrap(ROOT, replaces=ROOT.access_key)
    assert world.store.scan(b"", b"\xff", 1000) == rows
    record = CredentialRecord.decode(world.store.get(keys.credential(ROOT.access_key.encode())))
    assert record.root
    assert record.tenant_admin
    assert world.accounts.is_root(ROOT.access_key, ROOT.secret_key)
    assert not world.accounts.is_root(ROOT.access_key, ROOT.secret_key + "x")
    assert not world.accounts.is_root("", "")


def test_new_root_credentials_replace_those_before(world: World) -> None:
    new = RootKey("NEWROOT", "another-secret")
    world.accounts.bootstrap(new, replaces=ROOT.access_key)
    assert world.accounts.is_root(new.access_key, new.secret_key)
    assert not world.accounts.is_root(ROOT.access_key, ROOT.secret_key)
    changed = RootKey("NEWROOT", "yet-another-secret")
    world.accounts.bootstrap(changed, replaces="NEWROOT")
    assert world.accounts.root_key("NEWROOT") == changed
    assert world.accounts.root_key(None) == changed


def test_data_of_another_format_is_refused(world: World) -> None:
    world.store.commit([], [("put", keys.FORMAT, (99).to_bytes(4, "little"))])
    refused("invalid", world.accounts.bootstrap, ROOT)


def test_a_key_of_a_tenants_administrator_is_no_root_key(world: World) -> None:
    world.other()
    key = world.accounts.add_key("other", "ann")
    assert not world.accounts.is_root(key["access_key"], key["secret_key"])
    record = CredentialRecord.decode(world.store.get(keys.credential(key["access_key"].encode())))
    assert (record.tenant_admin, record.root, record.secret_key) == (True, False, key["secret_key"].encode())
    assert record.canonical_id.hex() == world.other().canonical_id


def test_names_are_unique_where_they_must_be(world: World) -> None:
    world.other()
    refused("conflict", world.accounts.add_tenant, "other")
    refused("conflict", world.accounts.add_user, "other", "ann")
    world.accounts.add_user("default", "ann")
    refused("invalid", world.accounts.add_tenant, "a b")
    refused("invalid", world.accounts.add_user, "other", "")
    refused("missing", world.accounts.add_user, "nobody", "ann")
    refused("missing", world.accounts.add_key, "other", "bob")


def test_display_names_and_addresses_have_a_limit(world: World) -> None:
    world.accounts.add_user("default", "a", display_name="ü" * DISPLAY_NAME_CHARS, email="e" * DISPLAY_NAME_CHARS)
    for more in ({"display_name": "x" * (DISPLAY_NAME_CHARS + 1)}, {"email": "a\nb"}):
        with pytest.raises(AccountError):
            world.accounts.add_user("default", "b", **more)


@pytest.mark.parametrize(
    ("access_key", "secret_key", "good"),
    [
        ("a" * ACCESS_KEY_MIN, "s" * SECRET_KEY_MIN, True),
        ("a" * ACCESS_KEY_MAX, "s" * SECRET_KEY_MAX, True),
        ("a" * (ACCESS_KEY_MIN - 1), "s" * 20, False),
        ("a" * (ACCESS_KEY_MAX + 1), "s" * 20, False),
        ("a/b/c", "s" * 20, False),
        ("a,b", "s" * 20, False),
        ("key", "s" * (SECRET_KEY_MIN - 1), False),
        ("key", "s" * (SECRET_KEY_MAX + 1), False),
        ("key", "ssssssss\n", False),
        ("key", "ssssssssü", False),
    ],
)
def test_own_keys_have_limits(world: World, access_key: str, secret_key: str, good: bool) -> None:
    def add() -> dict[str, object]:
        return world.accounts.add_key("default", "root", access_key=access_key, secret_key=secret_key)

    if good:
        assert add()["access_key"] == access_key
    else:
        refused("invalid", add)


def test_half_a_key_and_a_taken_key_are_refused(world: World) -> None:
    with pytest.raises(AccountError):
        world.accounts.add_key("default", "root", access_key="half")
    with pytest.raises(AccountError) as caught:
        world.accounts.add_key("default", "root", access_key=ROOT.access_key, secret_key="another-secret")
    assert caught.value.kind == "conflict"


def test_generated_keys_look_like_amazons_and_differ(world: World) -> None:
    found = {world.accounts.new_key() for _ in range(20)}
    assert len({key.access_key for key in found}) == 20
    for key in found:
        assert len(key.access_key) == 20
        assert key.access_key.isalnum()
        assert len(key.secret_key) == 64


def test_lists_show_no_secret_and_filter(world: World) -> None:
    world.other()
    own = world.accounts.add_key("other", "ann")["access_key"]
    assert [shown["access_key"] for shown in world.accounts.keys("other", "ann")] == [own]
    assert {shown["access_key"] for shown in world.accounts.keys(None)} == {own, ROOT.access_key}
    assert "secret" not in str(world.accounts.keys(None))
    refused("invalid", world.accounts.keys, None, "ann")
    refused("missing", world.accounts.keys, "other", "bob")


def test_removing_a_user_removes_its_keys_and_frees_its_name_and_keeps_who_it_was(world: World) -> None:
    ann = world.other()
    access_key = world.accounts.add_key("other", "ann")["access_key"]
    world.accounts.remove_user("other", "ann")
    assert world.store.get(keys.credential(access_key.encode())) is None
    assert world.accounts.users("other") == []
    record = UserRecord.decode(world.store.get(keys.user(ann.user)))
    assert record.disabled
    assert record.canonical_id.hex() == ann.canonical_id
    world.accounts.add_user("other", "ann")
    assert world.caller("other", "ann").user != ann.user


def test_a_user_being_removed_gets_no_further_key(world: World) -> None:
    ann = world.other()
    from dataclasses import replace

    record = UserRecord.decode(world.store.get(keys.user(ann.user)))
    world.store.commit([], [("put", keys.user(ann.user), replace(record, disabled=True).encode())])
    refused("conflict", world.accounts.add_key, "other", "ann")
    world.accounts.remove_user("other", "ann")
    refused("missing", world.accounts.remove_user, "other", "ann")


def test_a_tenant_goes_with_its_users_and_keys_but_not_with_its_buckets(world: World) -> None:
    ann = world.other()
    access_key = world.accounts.add_key("other", "ann")["access_key"]
    world.call("CreateBucket", "theirs", caller=ann)
    refused("conflict", world.accounts.remove_tenant, "other")
    assert world.accounts.keys("other")
    world.call("DeleteBucket", "theirs", caller=ann)
    world.accounts.remove_tenant("other")
    assert [shown["name"] for shown in world.accounts.tenants()] == ["default"]
    assert world.store.get(keys.credential(access_key.encode())) is None
    refused("missing", world.accounts.remove_tenant, "other")


def test_a_tenant_being_removed_gets_no_further_bucket_or_user(world: World) -> None:
    ann = world.other()
    store = world.store

    class Interrupted:
        get, scan = staticmethod(store.get), staticmethod(store.scan)
        commits = 0

        def commit(self, guards: object, ops: object) -> int:
            self.commits += 1
            if self.commits > 1:
                raise RuntimeError("the power went")
            return int(store.commit(guards, ops))

    with pytest.raises(RuntimeError):
        Accounts(Interrupted(), clock_us=lambda: 0, entropy=lambda: bytes(32)).remove_tenant("other")
    refused("conflict", world.accounts.add_user, "other", "bob")
    from gateway.errors import Code, S3Error

    with pytest.raises(S3Error) as caught:
        world.call("CreateBucket", "theirs", caller=ann)
    assert caught.value.code is Code.ACCESS_DENIED
    world.accounts.remove_tenant("other")


def test_what_the_server_needs_stays(world: World) -> None:
    refused("refused", world.accounts.remove_tenant, "default")
    refused("refused", world.accounts.remove_user, "default", "root")
    refused("refused", world.accounts.remove_key, ROOT.access_key)
    refused("missing", world.accounts.remove_key, "nothing")
    second = world.accounts.add_key("default", "root")["access_key"]
    world.accounts.remove_key(ROOT.access_key)
    refused("refused", world.accounts.remove_key, second)


def overtaken(world: World, race: Callable[[], object]) -> Accounts:
    """Accounts before whose first commit something else happens."""
    store, racing = world.store, iter([race])

    class Racing:
        get, scan = staticmethod(store.get), staticmethod(store.scan)

        def commit(self, guards: object, ops: object) -> int:
            for ahead in racing:
                ahead()
            return int(store.commit(guards, ops))

    return Accounts(Racing(), clock_us=lambda: 0, entropy=lambda: bytes(32))


def test_the_last_two_keys_of_root_do_not_end_at_once(world: World) -> None:
    second = world.accounts.add_key("default", "root")["access_key"]
    for end in (
        lambda accounts, key: accounts.remove_key(key),
        lambda accounts, key: accounts.disable_key(key, disabled=True),
    ):
        slower = overtaken(world, partial(end, world.accounts, second))
        refused("refused", end, slower, ROOT.access_key)
        left = [key["access_key"] for key in world.accounts.keys("default", "root") if not key["disabled"]]
        assert left == [ROOT.access_key]
        second = world.accounts.add_key("default", "root")["access_key"]


def test_two_who_add_at_once_get_numbers_of_their_own(world: World) -> None:
    slower = overtaken(world, lambda: world.accounts.add_user("default", "first"))
    slower.add_user("default", "second")
    numbers = [shown["id"] for shown in world.accounts.users("default")]
    assert len(set(numbers)) == 3


def test_an_account_that_never_stands_still_is_a_conflict_and_not_a_hang(world: World) -> None:
    class Busy:
        get, scan = staticmethod(world.store.get), staticmethod(world.store.scan)

        def commit(self, guards: object, ops: object) -> int:
            raise Conflict(0)

    refused("conflict", Accounts(Busy(), clock_us=lambda: 0, entropy=lambda: bytes(32)).add_tenant, "new")


def test_users_are_found_by_id_and_address_while_they_are_there(world: World) -> None:
    world.other()
    ann = world.accounts.add_user("default", "ann", email="Ann@Example.com")
    bob = world.accounts.add_user("other", "bob", email="ann@example.COM")
    assert decode_id(world.store.get(keys.canonical_id(bytes.fromhex(ann["canonical_id"])))) == ann["id"]
    start, end = keys.email_range(b"ANN@example.com")
    assert [decode_id(value) for _, value in world.store.scan(start, end, 10)] == [ann["id"], bob["id"]]
    assert world.store.scan(*keys.email_range(b"ann@example.co"), 10) == []
    world.accounts.remove_user("default", "ann")
    assert world.store.get(keys.canonical_id(bytes.fromhex(ann["canonical_id"]))) is None
    assert [decode_id(value) for _, value in world.store.scan(start, end, 10)] == [bob["id"]]


def test_a_store_from_before_grants_gets_the_rows_that_find_grantees(world: World) -> None:
    world.other()
    world.accounts.add_user("default", "ann", email="ann@example.com")
    world.accounts.add_user("default", "gone")
    world.accounts.remove_user("default", "gone")
    rows = world.store.scan(b"", b"\xff", 1000)
    for key, _ in rows:
        if key[:1] in (keys.CANONICAL_ID, keys.EMAIL):
            world.store.commit([], [("delete", key, None)])
    world.accounts.bootstrap(ROOT)
    assert world.store.scan(b"", b"\xff", 1000) == rows


def test_a_disabled_key_is_none_until_it_is_enabled(world: World) -> None:
    world.other()
    key = world.accounts.add_key("other", "ann")
    pair = (key["access_key"], key["secret_key"])
    world.accounts.disable_key(key["access_key"], disabled=True)
    assert world.accounts.credential(*pair) is None
    assert [shown["disabled"] for shown in world.accounts.keys("other", "ann")] == [True]
    world.accounts.disable_key(key["access_key"], disabled=False)
    record = world.accounts.credential(*pair)
    assert record is not None
    assert record.tenant_admin
    refused("missing", lambda: world.accounts.disable_key("nothing", disabled=True))


def test_one_key_of_root_stays_enabled(world: World) -> None:
    second = world.accounts.add_key("default", "root")["access_key"]
    world.accounts.disable_key(second, disabled=True)
    refused("refused", lambda: world.accounts.disable_key(ROOT.access_key, disabled=True))
    refused("refused", world.accounts.remove_key, ROOT.access_key)
    world.accounts.disable_key(second, disabled=False)
    world.accounts.disable_key(ROOT.access_key, disabled=True)
    refused("refused", world.accounts.remove_key, second)
    world.accounts.remove_key(ROOT.access_key)
