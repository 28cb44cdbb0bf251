"""A store with one tenant, its people and a frozen clock, and calls into handlers without a server.

Belongs here: what every test of a handler needs. Does not belong here: what is tested.
"""

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import pytest

from authz.api import Relations
from gateway.accounts.accounts import Accounts, RootKey
from gateway.accounts.forgetting import Forgetting
from gateway.accounts.groups import GROUP, ROLE, Groups
from gateway.accounts.identity import Identities
from gateway.errors import Code, S3Error
from gateway.model import Answer, Call, Caller, Place
from gateway.ops.table import ACTIONS, HANDLERS
from gateway.sharing.mounts import Mounts
from gateway.sharing.shares import Shares
from gateway.wire import checksums
from storage.memory import MemoryMetastore
from storage.native import Relations as Engine
from storage.native import generate_key
from storage.records import keys
from storage.records.bucket import BucketRecord, Ownership
from storage.records.object import ObjectRecord
from storage.records.pointer import encode_ordinal

NOW_US = 1_763_700_000_123_456
ROOT = RootKey("ROOTKEY0000000000000", "root-secret-for-tests")


@dataclass(frozen=True)
class KnowsItsOwn:
    """A caller that knows of every bucket of its tenant. What others know is the core's to say."""

    store: Any
    tenant: int

    def buckets(
        self, *, prefix: str, after: str, limit: int, region: tuple[str, str] | None
    ) -> list[tuple[str, bytes]]:
        start, end = keys.tenant_bucket_range(self.tenant)
        names = (row[len(start) :].decode() for row, _ in self.store.scan(start, end, 100_000))
        meant = [name for name in names if name.startswith(prefix) and name > after]
        found = [(name, self.store.get(keys.bucket(name.encode()))) for name in meant]
        here = [
            (name, value)
            for name, value in found
            if region is None or (BucketRecord.decode(value).region or region[1]) == region[0]
        ]
        return here[:limit]


@dataclass
class World:
    """One store, as one server would see it."""

    region: str = "us-east-1"
    ownership: Ownership = Ownership.BUCKET_OWNER_ENFORCED
    store: Any = field(default_factory=MemoryMetastore)
    engine: Any = field(default_factory=Engine.in_memory)
    now_us: int = NOW_US
    entropy_from: int = 1

    def __post_init__(self) -> None:
        numbers = itertools.count(self.entropy_from)
        self.accounts = Accounts(
            self.store, clock_us=lambda: self.now_us, entropy=lambda: hashlib.sha256(b"%d" % next(numbers)).digest()
        )
        self.accounts.bootstrap(ROOT)
        self.root = self.caller("default", "root")
        self.relations = Relations(self.engine, self.store, clock_us=lambda: self.now_us, actions=ACTIONS)
        self.forgetting = Forgetting(self.relations.engine, lambda: self.now_us)
        self.shares = Shares(self.store, self.relations.engine, lambda: self.now_us, generate_key)
        self.mounts = Mounts(self.store, self.relations.engine, lambda: self.now_us, lambda *_: False)
        self.groups, self.roles = (
            Groups(sort, self.store, self.relations, lambda: self.now_us) for sort in (GROUP, ROLE)
        )
        self.identities = Identities(self.store, lambda: self.now_us)

    def caller(self, tenant: str, user: str) -> Caller:
        """The caller that a key of this user would be."""
        found = next(shown for shown in self.accounts.users(tenant) if shown["name"] == user)
        number = next(shown["id"] for shown in self.accounts.tenants() if shown["name"] == tenant)
        return Caller(number, found["id"], found["admin"], found["canonical_id"], found["display_name"])

    def other(self) -> Caller:
        """An administrator of another tenant."""
        if all(shown["name"] != "other" for shown in self.accounts.tenants()):
            self.accounts.add_tenant("other")
            self.accounts.add_user("other", "ann", admin=True)
        return self.caller("other", "ann")

    def call(
        self,
        op: str,
        bucket: str = "",
        key: bytes = b"",
        *,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        caller: Caller | None = None,
        decided: int | None = None,
    ) -> Answer:
        """Runs a handler as dispatch would; raises S3Error as it does."""
        row = HANDLERS[op]
        if row.body_bytes:
            checksums.verify(headers or {}, body, required=False)
        assert row.handler is not None
        more: dict[str, Any] = {"query": query, "headers": headers, "caller": caller, "decided": decided}
        return row.handler(self.made(op, bucket, key, body=body, **more))

    def made(
        self,
        op: str,
        bucket: str = "",
        key: bytes = b"",
        *,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        caller: Caller | None = None,
        decided: int | None = None,
    ) -> Call:
        """What a handler takes."""
        return Call(
            op=op,
            request_id="REQUEST",
            bucket=bucket,
            key=key,
            query=query or {},
            headers=headers or {},
            body=body,
            caller=caller or self.root,
            now_us=self.now_us,
            bucket_record=self.store.get(keys.bucket(bucket.encode())) if bucket else None,
            store=self.store,
            place=Place(self.region, self.ownership),
            decided=decided,
            leftovers=self.forgetting,
            known=KnowsItsOwn(self.store, (caller or self.root).tenant),
        )

    def bucket(self, name: str = "bucket") -> int:
        """A new bucket's number."""
        self.call("CreateBucket", name)
        return self.number(name)

    def number(self, name: str) -> int:
        """A bucket's number."""
        return BucketRecord.decode(self.store.get(keys.bucket(name.encode()))).id

    def put_current(self, bucket: int, key: bytes, **fields: Any) -> ObjectRecord:
        """An object's current version, as Rust would store it."""
        record = ObjectRecord(**{"ordinal": self.now_us, "owner": self.root.user, "null_version": True, **fields})
        self.store.commit([], [("put", keys.object(bucket, key), record.encode())])
        return record

    def put_noncurrent(self, bucket: int, key: bytes, ordinal: int, **fields: Any) -> ObjectRecord:
        """A noncurrent version or delete marker, with the null version's pointer when it is the null version."""
        record = ObjectRecord(**{"owner": self.root.user, **fields, "ordinal": ordinal})
        ops = [("put", keys.version(bucket, key, ordinal), record.encode())]
        if record.null_version:
            ops.append(("put", keys.null_version(bucket, key), encode_ordinal(ordinal)))
        self.store.commit([], ops)
        return record


def refused(code: Code, act: Callable[[], object]) -> S3Error:
    """The S3Error `act` ends with, which must have this code."""
    with pytest.raises(S3Error) as caught:
        act()
    assert caught.value.code is code
    return caught.value


def xml(answer: Answer) -> ElementTree.Element:
    """The answer's document with its namespace removed from every name."""
    root = ElementTree.fromstring(answer.body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
