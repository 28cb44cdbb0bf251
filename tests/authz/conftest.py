"""A store with two tenants, their people and buckets, and relations over an engine in memory; the clock stands.

Belongs here: what every test of the Python face needs. Does not belong here: what is tested.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from authz.api import Relations
from gateway.accounts.accounts import Accounts, RootKey
from gateway.accounts.groups import GROUP, ROLE, Groups
from storage.api import put
from storage.memory import MemoryMetastore
from storage.native import Relations as Engine
from storage.records import keys
from storage.records.bucket import BucketRecord
from storage.records.pointer import encode_id

NOW_US = 1_763_700_000_000_000
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutBucketPolicy")


@dataclass
class People:
    """Tenants `default` (root, alice, bob; buckets photos, docs) and `acme` (ann, carl; bucket vault)."""

    store: Any = field(default_factory=MemoryMetastore)
    now_us: int = NOW_US

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self.clock = lambda: self.now_us
        self.accounts = Accounts(
            self.store, clock_us=self.clock, entropy=lambda: hashlib.sha256(b"%d" % next(numbers)).digest()
        )
        self.accounts.bootstrap(RootKey("ROOTKEY0000000000000", "root-secret-for-tests"))
        for name in ("alice", "bob"):
            self.accounts.add_user("default", name)
        self.accounts.add_tenant("acme")
        self.accounts.add_user("acme", "ann", admin=True)
        self.accounts.add_user("acme", "carl")
        self.engine = Engine.in_memory()
        self.relations = Relations(self.engine, self.store, clock_us=self.clock, actions=ACTIONS)
        self.groups = Groups(GROUP, self.store, self.relations, self.clock)
        self.roles = Groups(ROLE, self.store, self.relations, self.clock)
        for number, (name, tenant) in enumerate((("photos", 1), ("docs", 1), ("vault", 2)), 1):
            self.bucket(name, number, tenant)

    def bucket(self, name: str, number: int, tenant: int) -> None:
        """A bucket's rows, as far as names need them."""
        record = BucketRecord(id=number, tenant=tenant, owner=1, created_us=NOW_US)
        own = keys.tenant_bucket(tenant, name.encode())
        self.store.commit([], [put(keys.bucket(name.encode()), record.encode()), put(own, encode_id(number))])

    def allowed(self, subject: str, action: str, resource: str) -> bool:
        """What a check says; an explanation must say the same."""
        decision = self.relations.check(subject, action, resource)
        assert self.relations.explain(subject, action, resource).allowed == decision.allowed
        return decision.allowed


@pytest.fixture
def people() -> People:
    """A fresh world."""
    return People()
