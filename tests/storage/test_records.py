"""Record codecs: golden bytes, round trips, hostile bytes, order of keys. Golden bytes are shared with crate meta."""

import dataclasses
import enum
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.api import KEY_LIMIT
from storage.records import content_type, keys, pointer
from storage.records.audit import AuditKind, AuditOutcome, AuditRecord
from storage.records.bucket import BucketRecord, ListingMode
from storage.records.credential import CredentialRecord
from storage.records.fence import FenceRecord, Versioning
from storage.records.fields import RecordError
from storage.records.group import GroupRecord, RoleRecord
from storage.records.identity import IdentityRecord, InlinePolicy
from storage.records.managed_policy import ManagedPolicyRecord
from storage.records.manifest import ChunkRef, Manifest, decode_entries, encode_entries
from storage.records.object import Checksum, ObjectRecord, PartEntry
from storage.records.part import PartRecord
from storage.records.share import Cap, DownloadsRecord, MountRecord, PasswordHash, SharePointer, ShareRecord
from storage.records.tenant import TenantRecord
from storage.records.upload import UploadRecord
from storage.records.user import UserRecord
from storage.verify import rows

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "records"
RECORDS = {
    "object": ObjectRecord,
    "upload": UploadRecord,
    "part": PartRecord,
    "bucket": BucketRecord,
    "fence": FenceRecord,
    "tenant": TenantRecord,
    "user": UserRecord,
    "credential": CredentialRecord,
    "audit": AuditRecord,
    "identity": IdentityRecord,
    "managed_policy": ManagedPolicyRecord,
    "group": GroupRecord,
    "role": RoleRecord,
    "share": ShareRecord,
    "share_pointer": SharePointer,
    "downloads": DownloadsRecord,
    "mount": MountRecord,
}


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def golden():
    return [pytest.param(kind, case, id=f"{kind}: {case['name']}") for kind in RECORDS for case in vectors(kind)]


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, enum.IntEnum | enum.IntFlag) else value


@pytest.mark.parametrize(("kind", "case"), golden())
def test_golden_bytes_are_read_and_written(kind, case):
    data = bytes.fromhex(case["hex"])
    record = RECORDS[kind].decode(data)
    assert plain(record) == case["fields"]
    assert record.encode() == data


@pytest.mark.parametrize(("kind", "case"), golden())
def test_every_cut_of_golden_bytes_is_refused_or_another_record(kind, case):
    data = bytes.fromhex(case["hex"])
    whole = RECORDS[kind].decode(data)
    for end in range(len(data)):
        try:
            cut = RECORDS[kind].decode(data[:end])
        except RecordError:
            continue
        assert cut != whole


@pytest.mark.parametrize(("kind", "case"), golden())
def test_other_versions_and_flags_are_refused(kind, case):
    data = bytes.fromhex(case["hex"])
    for version in (0, 2, 255):
        with pytest.raises(RecordError, match="unknown version"):
            RECORDS[kind].decode(bytes([version]) + data[1:])
    flags_at = 2 if kind in ("fence", "bucket") else 1
    with pytest.raises(RecordError, match="unknown flag"):
        RECORDS[kind].decode(data[:flags_at] + b"\x80" + data[flags_at + 1 :])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in vectors("keys")])
def test_golden_keys(case):
    arguments = [bytes.fromhex(each["hex"]) if isinstance(each, dict) else each for each in case["arguments"]]
    assert getattr(keys, case["builder"])(*arguments).hex() == case["hex"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in vectors("pointers")])
def test_golden_pointers(case):
    arguments = [bytes.fromhex(each["hex"]) if isinstance(each, dict) else each for each in case["arguments"]]
    encoded = getattr(pointer, case["builder"])(*arguments)
    assert encoded.hex() == case["hex"]
    decoded = getattr(pointer, case["builder"].replace("encode", "decode"))(encoded)
    assert decoded == (arguments[0] if arguments else None)


def test_content_types_keep_their_numbers():
    table = [case["name"].encode() for case in vectors("content_types")]
    assert tuple(table) == content_type.NAMES
    assert len(set(table)) == len(table) < content_type.LITERAL


u8 = st.integers(0, 2**8 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
short = st.binary(max_size=40)
optional = st.none() | short
manifests = st.builds(
    Manifest,
    st.lists(st.builds(ChunkRef, st.binary(min_size=32, max_size=32), u32), max_size=4).map(tuple),
    st.booleans(),
)
part_entries = st.lists(
    st.builds(PartEntry, st.integers(0, 2**16 - 1), u64, short), max_size=4, unique_by=lambda part: part.number
).map(lambda parts: tuple(sorted(parts, key=lambda part: part.number)))
other_sections = st.lists(st.tuples(st.integers(64, 255), short), max_size=3, unique_by=lambda section: section[0]).map(
    lambda sections: tuple(sorted(sections))
)
objects = st.builds(
    ObjectRecord,
    size=u64,
    ordinal=u64,
    owner=u32,
    etag=st.binary(min_size=16, max_size=16),
    parts=u32,
    manifest=manifests,
    null_version=st.booleans(),
    delete_marker=st.booleans(),
    multipart_etag=st.booleans(),
    storage_class=st.integers(0, 10),
    content_type=st.sampled_from(content_type.NAMES) | short,
    cache_control=optional,
    content_disposition=optional,
    content_encoding=optional,
    content_language=optional,
    expires=optional,
    website_redirect=optional,
    user_metadata=st.lists(st.tuples(short, short), max_size=4).map(tuple),
    tags=st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4).map(tuple),
    checksums=st.lists(st.builds(Checksum, u8, u8, short), max_size=3).map(tuple),
    part_table=part_entries,
    others=other_sections,
)


@given(objects)
def test_object_records_round_trip(record):
    assert ObjectRecord.decode(record.encode()) == record


@given(st.builds(PartRecord, u64, u64, st.binary(min_size=16, max_size=16), manifests, u8, short))
def test_part_records_round_trip(record):
    assert PartRecord.decode(record.encode()) == record


@given(st.builds(UploadRecord, objects.map(lambda o: dataclasses.replace(o, manifest=Manifest())), u8, u8))
def test_upload_records_round_trip(record):
    assert UploadRecord.decode(record.encode()) == record


@given(st.sampled_from(sorted(RECORDS)), st.binary(max_size=200).map(lambda tail: b"\x01" + tail))
def test_random_bytes_are_a_record_or_a_record_error(kind, data):
    try:
        record = RECORDS[kind].decode(data)
    except RecordError:
        return
    assert RECORDS[kind].decode(record.encode()) == record


@given(st.data(), st.sampled_from([param.values for param in golden()]))
def test_damaged_golden_bytes_are_a_record_or_a_record_error(data, sample):
    kind, case = sample
    damaged = bytearray.fromhex(case["hex"])
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=4)):
        damaged[at] = data.draw(u8)
    try:
        record = RECORDS[kind].decode(bytes(damaged))
    except RecordError:
        return
    assert RECORDS[kind].decode(record.encode()) == record


names = st.text("abcXYZ09_+=,.@-", min_size=1, max_size=128)
sorted_names = st.lists(names, max_size=10, unique=True).map(lambda found: tuple(sorted(found)))
inline_policies = st.lists(st.builds(InlinePolicy, names, short, short), max_size=4, unique_by=lambda p: p.name).map(
    lambda found: tuple(sorted(found, key=lambda p: p.name))
)


@given(
    st.builds(
        IdentityRecord,
        changed_us=u64,
        attached=sorted_names,
        inline=inline_policies,
        boundary=st.none() | names,
        tags=st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4).map(tuple),
        trust_policy=optional,
        others=other_sections,
    )
)
def test_identity_records_round_trip(record):
    assert IdentityRecord.decode(record.encode()) == record
    assert record.empty == (record == IdentityRecord(record.changed_us))


def test_names_of_policies_ascend():
    for record in (
        IdentityRecord(0, attached=("b", "a")),
        IdentityRecord(0, attached=("a", "a")),
        IdentityRecord(0, inline=(InlinePolicy("b", b"", b""), InlinePolicy("a", b"", b""))),
    ):
        with pytest.raises(RecordError, match="ascending"):
            record.encode()
    data = IdentityRecord(0, attached=("a", "b")).encode()
    with pytest.raises(RecordError, match="ascending"):
        IdentityRecord.decode(data[:-1] + b"a")


def test_a_managed_policy_has_a_document_and_a_compiled_form():
    whole = ManagedPolicyRecord(1, 0, 0, b"{}", b"\x01")
    for lacking in (dataclasses.replace(whole, document=b""), dataclasses.replace(whole, compiled=b"")):
        with pytest.raises(ValueError, match="compiled"):
            lacking.encode()
    with pytest.raises(RecordError, match="compiled"):
        ManagedPolicyRecord.decode(whole.encode()[:24])


def test_secrets_are_not_shown():
    credential = CredentialRecord(1, 1, 0, bytes(32), b"hush", session_token=b"hush", session_policy=b"hush")
    assert "hush" not in repr(credential)
    assert "hush" not in repr(TenantRecord(1, 0, b"hush" * 8))
    password = PasswordHash(1, b"hush" * 4, b"hush" * 8)
    assert "hush" not in repr(ShareRecord(1, 1, 1, 1, 0, b"hush" * 8, password=password))


def test_a_credential_without_a_secret_is_refused():
    with pytest.raises(ValueError, match="secret"):
        CredentialRecord(1, 1, 0, bytes(32), b"").encode()
    whole = CredentialRecord(1, 1, 0, bytes(32), b"x").encode()
    with pytest.raises(RecordError, match="no secret key"):
        CredentialRecord.decode(whole[:64])
    with pytest.raises(RecordError, match="no secret key"):
        CredentialRecord.decode(whole[:65] + bytes(4))


@given(
    st.builds(
        AuditRecord,
        action=st.text(max_size=20),
        who=u64,
        kind=st.sampled_from(AuditKind),
        outcome=st.sampled_from(AuditOutcome),
        reason=u8,
        revision=u64,
        bucket=u32,
        acting=st.booleans(),
        request_id=st.none() | st.text(max_size=20),
        access_key=st.none() | st.text(max_size=20),
        source_ip=st.none() | st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
        name=st.none() | st.text(max_size=20),
        key=optional,
        changes=st.lists(st.tuples(short, short), max_size=3).map(tuple),
        detail=st.none() | st.text(max_size=20),
        others=other_sections,
    )
)
def test_audit_records_round_trip(record):
    assert AuditRecord.decode(record.encode()) == record


@pytest.mark.parametrize(
    ("at", "byte", "what"), [(2, 5, "unknown kind"), (3, 3, "unknown outcome"), (5, 1, "reserved"), (8, 0, "size")]
)
def test_what_an_audit_record_can_not_be_is_named(at, byte, what):
    damaged = bytearray(AuditRecord("s3:GetObject", 0).encode())
    damaged[at] = byte
    with pytest.raises(RecordError, match=what):
        AuditRecord.decode(bytes(damaged))


@pytest.mark.parametrize(
    "make",
    [
        lambda: TenantRecord(1, 0, bytes(31)).encode(),
        lambda: UserRecord(1, 1, 0, bytes(33)).encode(),
        lambda: CredentialRecord(1, 1, 0, bytes(31), b"x").encode(),
        lambda: encode_entries((ChunkRef(bytes(31), 1),)),
        lambda: ShareRecord(1, 1, 1, 1, 0, bytes(31)).encode(),
        lambda: PasswordHash(1, bytes(16), bytes(31)).encode(),
    ],
)
def test_ids_of_another_length_are_not_written(make):
    with pytest.raises(ValueError, match="32 bytes"):
        make()


def test_a_bucket_changes_by_replacing():
    bucket = BucketRecord(1, 2, 3, 4)
    changed = bucket.replace(versioning=Versioning.ENABLED, generation=1)
    assert (changed.versioning, changed.generation, changed.id) == (Versioning.ENABLED, 1, 1)
    assert changed.fence(9) == FenceRecord(Versioning.ENABLED, False, 9)
    assert not bucket.versioning


def test_entries_of_indirect_manifests():
    chunks = (ChunkRef(b"a" * 32, 1), ChunkRef(b"b" * 32, 2))
    assert decode_entries(encode_entries(chunks)) == chunks
    with pytest.raises(RecordError):
        decode_entries(encode_entries(chunks)[:-1])


object_keys = st.lists(
    st.sampled_from([b"\x00", b"\x01", b"\xff", b"a", b"/", b"\x00\xff", b"\x00\x01"]), max_size=6
).map(b"".join)


@given(object_keys, object_keys, u64, u64)
def test_escaping_keeps_order(one, other, first, second):
    assert (keys.escape(one) < keys.escape(other)) == (one < other)
    assert (keys.upload(1, one, first) < keys.upload(1, other, second)) == ((one, first) < (other, second))
    newest_first = (one, -first) < (other, -second)
    assert (keys.version(1, one, first) < keys.version(1, other, second)) == newest_first


@given(u32, object_keys, u64, st.integers(0, 2**16 - 1))
def test_keys_parse_to_what_they_were_built_from(bucket, key, ordinal, number):
    assert keys.unescape(keys.escape(key) + b"rest") == (key, b"rest")
    assert keys.parse_object(keys.object(bucket, key)) == (bucket, key)
    assert keys.parse_version(keys.version(bucket, key, ordinal)) == (bucket, key, ordinal)
    assert keys.parse_null_version(keys.null_version(bucket, key)) == (bucket, key)
    assert keys.parse_upload(keys.upload(bucket, key, ordinal)) == (bucket, key, ordinal)
    assert keys.parse_part(keys.part(bucket, ordinal, number)) == (bucket, ordinal, number)
    assert keys.parse_audit(keys.audit(bucket, ordinal, number)) == (bucket, ordinal, number)
    place = (keys.PrincipalOf.GROUP, bucket)
    assert keys.parse_identity(keys.identity(bucket, *place)) == (bucket, *place)
    attached = (bucket, key, keys.AttachedAs.BOUNDARY, *place)
    assert keys.parse_attachment(keys.attachment(*attached)) == attached


@given(st.binary(max_size=12))
def test_rows_of_another_shape_are_refused(data):
    parsers = (keys.parse_version, keys.parse_upload, keys.parse_null_version, keys.parse_part, keys.parse_audit)
    for parse in (*parsers, keys.parse_identity, keys.parse_attachment):
        with pytest.raises(ValueError, match=r"key|row"):
            parse(b"x" + data)


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_a_prefix_range_holds_exactly_the_keys_with_the_prefix(prefix, key):
    start, end = keys.prefix_range(prefix)
    assert (start <= key < end) == key.startswith(prefix)


def test_nothing_is_above_a_prefix_of_ff():
    assert keys.successor(b"a\xff\xff") == b"b"
    assert keys.successor(b"\xff" * 3) > b"\xff" * KEY_LIMIT


@given(object_keys, object_keys, u64)
def test_the_versions_of_a_key_lie_in_its_range(one, other, ordinal):
    start, end = keys.versions_of(1, one)
    assert (start <= keys.version(1, other, ordinal) < end) == (one == other)


def test_an_unknown_right_of_a_share_is_refused():
    whole = ShareRecord(1, 1, 1, 1, 0, bytes(32), cap=Cap.READER).encode()
    with pytest.raises(RecordError, match="unknown right"):
        ShareRecord.decode(whole[:2] + b"\x10" + whole[3:])


def test_a_listing_mode_is_strict_or_not_there():
    plain = BucketRecord(1, 1, 1, 1).encode()
    assert BucketRecord.decode(plain + b"\x44\x01\0\0\0\x01").listing is ListingMode.STRICT
    for section in (b"\x44\0\0\0\0", b"\x44\x01\0\0\0\0", b"\x44\x01\0\0\0\x02", b"\x44\x02\0\0\0\x01\x01"):
        with pytest.raises(RecordError, match="unknown listing mode"):
            BucketRecord.decode(plain + section)
        with pytest.raises(rows.BadRow, match="listing mode"):
            rows.read_bucket(plain + section)
