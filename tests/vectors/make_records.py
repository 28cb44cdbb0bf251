"""Writes new golden bytes of records and keys: `python tests/vectors/make_records.py`.

Existing cases are never changed: bytes once stored stay readable for ever. A case whose bytes would differ from what is
on disk stops the script; a new record version gets new cases. Both languages read the files (`tests/storage` and the
tests of crate meta), so bytes made by the Python encoder here are checked by an independent decoder there.
"""

import dataclasses
import enum
import json
import pathlib
import sys
from typing import Any

from storage.records import content_type, keys, pointer
from storage.records.acl import Grant, Kind, Permission, encode_acl, full_control
from storage.records.audit import AuditKind, AuditOutcome, AuditRecord
from storage.records.bucket import BucketRecord, ListingMode, Ownership, PublicAccessBlock
from storage.records.credential import CredentialRecord
from storage.records.fence import FenceRecord, Versioning
from storage.records.group import GroupRecord, RoleRecord
from storage.records.identity import IdentityRecord, InlinePolicy
from storage.records.managed_policy import ManagedPolicyRecord
from storage.records.manifest import ChunkRef, Manifest
from storage.records.object import Checksum, ObjectRecord, PartEntry
from storage.records.part import PartRecord
from storage.records.share import Cap, DownloadsRecord, MountRecord, PasswordHash, SharePointer, ShareRecord
from storage.records.tenant import TenantRecord
from storage.records.upload import UploadRecord
from storage.records.user import UserRecord

FOLDER = pathlib.Path(__file__).parent / "records"
NOW = 1_795_000_000_123_456
LATER = NOW + 77
CHUNK = ChunkRef(bytes(range(32)), 4096)
ACL = encode_acl(
    (full_control(7), Grant(Kind.ALL_USERS, 0, Permission.READ), Grant(Kind.LOG_DELIVERY, 0, Permission.WRITE))
)
OTHERS = ((200, b"from a later version"), (255, b""))

OBJECTS = {
    "empty": ObjectRecord(ordinal=NOW, owner=1, etag=bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")),
    "one chunk": ObjectRecord(
        size=4096,
        ordinal=NOW,
        owner=7,
        etag=bytes(range(16)),
        manifest=Manifest((CHUNK,)),
        content_type=b"text/plain",
        null_version=True,
    ),
    "delete marker": ObjectRecord(ordinal=LATER, owner=7, delete_marker=True),
    "indirect": ObjectRecord(
        size=5 << 40, ordinal=NOW, owner=2**32 - 1, manifest=Manifest((CHUNK, ChunkRef(b"\xff" * 32, 2**32 - 1)), True)
    ),
    "everything": ObjectRecord(
        size=2**64 - 1,
        ordinal=2**64 - 1,
        owner=3,
        etag=b"\xab" * 16,
        parts=2,
        manifest=Manifest((CHUNK, CHUNK)),
        multipart_etag=True,
        storage_class=6,
        content_type=b"text/x-unheard-of; charset=\xe9",
        cache_control=b"no-cache",
        content_disposition=b'attachment; filename="a b.txt"',
        content_encoding=b"gzip",
        content_language=b"",
        expires=b"Thu, 01 Dec 2094 16:00:00 GMT",
        website_redirect=b"/other",
        user_metadata=((b"name", b"value"), (b"empty", b""), (b"bytes", b"\xff\x00")),
        tags=(("key", "value"), ("größe", "日本"), ("", "")),
        checksums=(Checksum(2, 0, b"\x01\x02\x03\x04"), Checksum(5, 1, b"\x77" * 32)),
        part_table=(PartEntry(1, 5 << 20, b"\x01\x02\x03\x04"), PartEntry(10_000, 0, b"")),
        others=OTHERS,
    ),
    "with a list": ObjectRecord(ordinal=NOW, owner=7, tags=(("a", ""),), acl=ACL, others=OTHERS),
}
CASES: dict[str, dict[str, Any]] = {
    "object": OBJECTS,
    "upload": {
        "plain": UploadRecord(ObjectRecord(ordinal=NOW, owner=7)),
        "with checksum and metadata": UploadRecord(
            ObjectRecord(ordinal=NOW, owner=7, storage_class=1, user_metadata=((b"a", b"b"),), others=OTHERS), 3, 0
        ),
        "with a list, for somebody else": UploadRecord(ObjectRecord(ordinal=NOW, owner=7, acl=ACL), 0, 0, 66051),
        "through a mount": UploadRecord(ObjectRecord(ordinal=NOW, owner=7), 0, 0, 66051, (5, 66, 257)),
    },
    "part": {
        "empty": PartRecord(ordinal=NOW),
        "with checksum": PartRecord(8192, NOW, b"\xcd" * 16, Manifest((CHUNK, CHUNK)), 1, b"\x0a\x0b\x0c\x0d"),
        "indirect": PartRecord(5 << 30, NOW, b"\xcd" * 16, Manifest((CHUNK,), True)),
    },
    "bucket": {
        "new": BucketRecord(1, 1, 1, NOW),
        "with everything": BucketRecord(
            2**32 - 1, 2, 3, NOW, Versioning.SUSPENDED, True, 2**64 - 1, "eu-central-1", others=OTHERS
        ),
        "with lists": BucketRecord(1, 1, 7, NOW, ownership=Ownership.OBJECT_WRITER, acl=ACL, others=OTHERS),
        "preferred": BucketRecord(1, 1, 7, NOW, ownership=Ownership.BUCKET_OWNER_PREFERRED, acl=encode_acl(())),
        "with policy": BucketRecord(
            1, 1, 7, NOW, policy=b"\x01\x00\x00\x00", public_access_block=PublicAccessBlock(10)
        ),
        "nothing blocked": BucketRecord(1, 1, 7, NOW, public_access_block=PublicAccessBlock(0), others=OTHERS),
        "strict listings": BucketRecord(1, 1, 1, NOW, listing=ListingMode.STRICT, others=OTHERS),
        "mounts": BucketRecord(1, 1, 1, NOW, mounts=3, others=OTHERS),
    },
    "fence": {
        "new": FenceRecord(),
        "enabled": FenceRecord(Versioning.ENABLED, False, 1),
        "locked": FenceRecord(Versioning.ENABLED, True, 2**64 - 1),
    },
    "tenant": {
        "plain": TenantRecord(1, NOW, bytes(range(32)), "main"),
        "disabled": TenantRecord(2**32 - 1, NOW, b"\xff" * 32, "größe", True, OTHERS),
    },
    "user": {
        "plain": UserRecord(1, 1, NOW, bytes(range(32)), "root"),
        "with everything": UserRecord(
            9, 2, NOW, b"\xee" * 32, "anna", "Anna Ä", "anna@example.com", True, True, True, OTHERS
        ),
    },
    "credential": {
        "plain": CredentialRecord(1, 1, NOW, bytes(range(32)), b"secret"),
        "session": CredentialRecord(
            tenant=2,
            user=9,
            created_us=NOW,
            canonical_id=b"\xee" * 32,
            secret_key=b"wJalrXUtnFEMI/K7MDENG",
            expires_us=LATER,
            display_name="Anna Ä",
            disabled=True,
            tenant_admin=True,
            root=True,
            session_token=b"token",
            session_policy=b"\x00\x01",
            others=OTHERS,
        ),
    },
    "group": {
        "plain": GroupRecord(id=1, tenant=1, created_us=NOW, name="devs"),
        "with everything": GroupRecord(2**32 - 1, 2**32 - 1, LATER, "ops", "Who is called at night: Zoë", OTHERS),
    },
    "role": {"plain": RoleRecord(id=66051, tenant=2, created_us=NOW, name="auditor", description="Reads all logs")},
    "share": {
        "link to a prefix": ShareRecord(
            1,
            1,
            7,
            3,
            NOW,
            b"\x5a" * 32,
            "photos",
            b"2024/",
            Cap.READER | Cap.LISTER,
            bearer=True,
            audience=("anyone-with-the-link",),
        ),
        "with everything": ShareRecord(
            tenant=2**28 - 1,
            share=2**32 - 1,
            bucket=7,
            creator=9,
            created_us=NOW,
            secret_sha256=bytes(range(32)),
            bucket_name="photos",
            path=b"2024/a\0\xff.jpg",
            cap=Cap.READER | Cap.LISTER | Cap.WRITER | Cap.DELETER,
            revoked=True,
            object=True,
            bearer=True,
            expires_us=LATER,
            generation=2**64 - 1,
            downloads=3,
            tenants=(2, 3),
            groups=((2, 5), (3, 2**32 - 1)),
            password=PasswordHash(600_000, bytes(range(16)), b"\xa5" * 32),
            others=OTHERS,
        ),
    },
    "share_pointer": {"one": SharePointer(66051, 2**32 - 1)},
    "downloads": {"none": DownloadsRecord(), "some": DownloadsRecord(3, NOW)},
    "mount": {"one": MountRecord(2, 5, 9, NOW)},
}
CASES |= {
    "identity": {
        "nothing": IdentityRecord(NOW),
        "everything": IdentityRecord(
            changed_us=LATER,
            attached=("a", "read+write=,.@-_", "z" * 128),
            inline=(
                InlinePolicy("empty", b"", b""),
                InlinePolicy("own", b'{"Version":"2012-10-17","Statement":[]}', b"\x01\x02\x00\x00"),
            ),
            boundary="fence",
            tags=(("team", "red"), ("größe", "日本"), ("empty", "")),
            trust_policy=b'{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}',
            others=OTHERS,
        ),
    },
    "managed_policy": {
        "plain": ManagedPolicyRecord(1, NOW, NOW, b"{}", b"\x01\x02\x00\x00"),
        "with everything": ManagedPolicyRecord(
            2**32 - 1, NOW, LATER, b'{"Id":"\xc3\xa4"}', b"\x01\x02\x01\x00", "für alle", OTHERS
        ),
    },
    "audit": {
        "least": AuditRecord("s3:GetObject", 1 << 60),
        "decision": AuditRecord(
            action="s3:GetObject",
            who=0x4000000200000009,
            outcome=AuditOutcome.ALLOWED,
            reason=3,
            revision=2**64 - 1,
            bucket=7,
            request_id="0006400000000001",
            source_ip=bytes([192, 0, 2, 1]),
            name="photos",
            key="a/é".encode() + b"\0\xff",
        ),
        "change": AuditRecord(
            action="panthera:WriteRelations",
            who=0x4000000300000005,
            kind=AuditKind.RELATIONS,
            outcome=AuditOutcome.DONE,
            revision=2,
            acting=True,
            access_key="AKIAIOSFODNN7EXAMPLE",
            source_ip=bytes(15) + b"\x01",
            changes=((b"r\0\0\0\x03\0\x01", b"\x01\0"), (b"r\0\0\0\x03\0\x02", b"")),
            detail="größe",
            others=OTHERS,
        ),
    },
}
KEYS: list[tuple[str, list[Any]]] = [
    ("store", ["format"]),
    ("store", ["next/bucket"]),
    ("tenant", [1]),
    ("tenant_name", [b"main"]),
    ("user", [2**32 - 1]),
    ("user_name", [1, b"anna"]),
    ("credential", [b"AKIAIOSFODNN7EXAMPLE"]),
    ("bucket", [b"photos"]),
    ("tenant_bucket", [258, b"photos"]),
    ("fence", [66051]),
    ("document", [1, "tagging"]),
    ("tally", [1, 2]),
    ("object", [1, "a/b\0c/é".encode()]),
    ("object", [1, b""]),
    ("version", [1, b"a/b", NOW]),
    ("version", [1, b"\0a\0\0\xff\0", 0]),
    ("null_version", [1, b"a\0b"]),
    ("upload", [1, b"a\0b", NOW]),
    ("part", [1, NOW, 10_000]),
    ("identity", [258, keys.PrincipalOf.USER, 66051]),
    ("identity", [1, keys.PrincipalOf.ROLE, 2**32 - 1]),
    ("managed_policy", [258, b"read+write"]),
    ("attachment", [258, b"read", keys.AttachedAs.POLICY, keys.PrincipalOf.GROUP, 66051]),
    ("attachment", [1, b"fence", keys.AttachedAs.BOUNDARY, keys.PrincipalOf.USER, 1]),
    ("share", [1, 258]),
    ("share_secret", [bytes(range(32))]),
    ("downloads", [1, 258]),
    ("mount", [1, b"partner/"]),
    ("canonical_id", [bytes(range(32))]),
    ("email", ["Änna@Example.com".encode(), 66051]),
    ("audit", [258, NOW, 2**64 - 2]),
    ("upload_through", [1, 258, 66051, b"a\0b", NOW]),
]
VALUES: list[tuple[str, list[Any]]] = [
    ("encode_id", [66051]),
    ("encode_ordinal", [NOW]),
    ("encode_document", [b"<Tagging/>"]),
    ("encode_document", [b""]),
    ("encode_format", [1]),
    ("encode_mark", []),
]


def plain(value: Any) -> Any:
    """The value as JSON: bytes as hex, records as objects, enumerations as numbers."""
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, enum.IntEnum | enum.IntFlag) else value


def argument(value: Any) -> Any:
    """A builder's argument: bytes as {"hex": …}, so that they differ from text."""
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def write(name: str, cases: list[dict[str, Any]]) -> None:
    """Appends the cases that are new. What a case's fields are may grow with the records, its bytes never change."""
    path = FOLDER / f"{name}.json"
    old = json.loads(path.read_text()) if path.exists() else []
    known = {case["name"]: case for case in old}
    for case in cases:
        before = known.get(case["name"], case)
        if before.get("hex") != case.get("hex") or ("hex" not in case and before != case):
            sys.exit(f"{path.name}: {case['name']}: the bytes have changed; old bytes must stay readable")
        known[case["name"]] = case
    path.write_text(json.dumps(list(known.values()), indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Writes every file."""
    for kind, records in CASES.items():
        cases = [{"name": n, "hex": r.encode().hex(), "fields": plain(r)} for n, r in records.items()]
        write(kind, cases)
    for name, module, calls in (("keys", keys, KEYS), ("pointers", pointer, VALUES)):
        cases = [
            {
                "name": f"{builder} {number}",
                "builder": builder,
                "arguments": [argument(each) for each in arguments],
                "hex": getattr(module, builder)(*arguments).hex(),
            }
            for number, (builder, arguments) in enumerate(calls)
        ]
        write(name, cases)
    write("content_types", [{"name": n.decode(), "number": i} for i, n in enumerate(content_type.NAMES)])


if __name__ == "__main__":
    main()
