"""`storage.verify` over directories a real server wrote: silent when they are whole, loud about all damage."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import boto3
import lmdb
import pytest
from blake3 import blake3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.records import keys, pointer
from storage.records.bucket import BucketRecord
from storage.records.credential import CredentialRecord
from storage.records.fence import FenceRecord, Versioning
from storage.records.object import Checksum, ObjectRecord
from storage.records.part import PartRecord
from storage.records.tenant import TenantRecord
from storage.records.upload import UploadRecord
from storage.records.user import UserRecord
from storage.verify import CannotOpen, digests, layout, row_keys, rows, verify
from storage.verify.directory import Directory
from storage.verify.report import KEPT, Meter, Report
from storage.verify.volumes import Walk, walk_volumes

ROOT = pathlib.Path(__file__).parents[2]
PANTHERA = ROOT / ".venv" / "bin" / "panthera"
VECTORS = ROOT / "tests" / "vectors"


def panthera(*words):
    return subprocess.run([PANTHERA, *words], capture_output=True, text=True, timeout=60)


def said(report):
    return "\n".join(str(finding) for finding in report.problems)


def walked(data, *, deep=True):
    report, found = Report(), []
    with Directory(data) as directory:
        walk_volumes(directory, Walk(report, lambda *place: found.append(place), Meter(), deep))
    return report, found


def flip(path, offset, bits=0xFF):
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([old ^ bits]))


def volume(data, number=1):
    return data / "volumes" / f"{number:08x}.vol"


def log(data, number=1):
    return data / "volumes" / f"{number:08x}.log"


def batches(path):
    """Headers of the batches and of the needles in each."""
    data = path.read_bytes()
    number, at, found = int(path.stem, 16), layout.BATCH_ALIGN, []
    while (head := layout.read_batch_head(data[at : at + 64], number, None, at)) is not None:
        needles, place = [], at + 64
        while place < at + 64 + head.body:
            needles.append(layout.read_needle_head(data[place : place + 72], number, None, place))
            place += needles[-1].size
        found.append((head, needles))
        at = head.end
    return found


# A whole directory.


def test_a_closed_directory_is_sound(filled):
    report = verify(filled.data)
    assert (said(report), report.sound) == ("", True)
    counts = report.counts
    assert counts["objects"] == len(filled.current)
    assert counts["markers"] + counts["versions"] + counts["objects"] > 45
    assert (counts["tenants"], counts["uploads"], counts["parts"], counts["markers"]) == (2, 1, 2, 3)
    assert report.notes == []


def test_the_command_says_so(filled):
    done = panthera("verify", "--data", filled.data)
    assert (done.returncode, done.stderr) == (0, "")
    assert "problems 0" in done.stdout


def test_it_works_without_the_extension(filled):
    code = "import sys; sys.modules['storage._core'] = None; sys.modules['storage.native'] = None\n"
    code += "from pathlib import Path; from storage.verify import verify\n"
    code += f"report = verify(Path({str(filled.data)!r})); print(report.summary()); assert report.sound"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_progress_is_told(filled):
    told = []
    verify(filled.data, told.append)
    assert told and told[0].startswith("volumes: ")


def test_a_directory_that_is_none(tmp_path):
    with pytest.raises(CannotOpen, match="holds no data"):
        verify(tmp_path)
    assert panthera("verify", "--data", tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_use_is_left_alone(copied):
    with Directory(copied):
        with pytest.raises(CannotOpen, match=f"in use by pid {os.getpid()}"):
            verify(copied)
        done = panthera("verify", "--data", copied)
        assert done.returncode == 2 and f"pid {os.getpid()}" in done.stderr
    assert panthera("verify", "--data", copied).returncode == 0


def test_a_running_server_keeps_it_out(tmp_path):
    from running import running

    with running(tmp_path / "data") as server, pytest.raises(CannotOpen, match=f"in use by pid {server.process.pid}"):
        verify(server.data)


def test_a_server_starts_again_on_what_was_verified(copied):
    from running import running

    assert verify(copied).sound
    with running(copied) as server:
        assert server.stop() == 0
    assert verify(copied).sound


def test_a_killed_server_leaves_no_problem(tmp_path):
    """What a crash leaves is sound before anything repairs it, and after the next start."""
    from running import ROOT_KEY, ROOT_SECRET, running, start

    def put(client, worker):
        with contextlib.suppress(BotoCoreError, ClientError):
            for number in range(10_000):
                size = (10, 5_000, 3_000_000)[number % 3]
                client.put_object(Bucket="bucket", Key=f"{worker}/{number % 7}", Body=os.urandom(size))

    server = start(tmp_path / "data")
    config = Config(retries={"max_attempts": 0})
    secrets = {"aws_access_key_id": ROOT_KEY, "aws_secret_access_key": ROOT_SECRET, "region_name": "us-east-1"}
    clients = [boto3.client("s3", endpoint_url=server.url, config=config, **secrets) for _ in range(4)]
    clients[0].create_bucket(Bucket="bucket")
    workers = [threading.Thread(target=put, args=(client, n)) for n, client in enumerate(clients)]
    for worker in workers:
        worker.start()
    time.sleep(1.5)
    server.kill()
    for worker in workers:
        worker.join(60)
    report = verify(tmp_path / "data")
    assert said(report) == "" and report.counts["objects"] > 4
    with running(tmp_path / "data"):
        pass
    assert said(verify(tmp_path / "data")) == ""


# Volumes and logs.


def small_batch(data):
    """A batch with one needle and padding, from the middle."""
    return next((head, needles) for head, needles in batches(volume(data))[3:] if needles[0].stored % 8 == 3)


PLACES = {
    "volume header": (lambda head, needle: 17, "volume header is damaged"),
    "volume header reserved": (lambda head, needle: 40, "volume header is damaged"),
    "behind the volume header": (lambda head, needle: 2000, "behind the volume header"),
    "batch magic": (lambda head, needle: head.offset, "no readable batch header"),
    "batch length": (lambda head, needle: head.offset + 41, "no readable batch header"),
    "batch crc": (lambda head, needle: head.offset + 61, "no readable batch header"),
    "needle magic": (lambda head, needle: needle.offset + 2, "no needle header where one must be"),
    "needle length": (lambda head, needle: needle.offset + 25, "no needle header where one must be"),
    "needle name": (lambda head, needle: needle.offset + 40, "no needle header where one must be"),
    "needle crc": (lambda head, needle: needle.offset + 70, "no needle header where one must be"),
    "block checksum": (lambda head, needle: needle.offset + 73, "does not match its checksum"),
    "payload": (lambda head, needle: needle.offset + needle.payload_at + 1, "does not match its checksum"),
    "needle padding": (lambda head, needle: needle.offset + needle.size - 1, "are not zero"),
    "batch padding": (lambda head, needle: head.end - 1, "bytes behind the batch are not zero"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_flipped_byte_of_each_class_is_found(copied, place):
    where, words = PLACES[place]
    head, needles = small_batch(copied)
    flip(volume(copied), where(head, needles[0]))
    assert words in said(verify(copied))


def test_any_flipped_byte_of_any_volume_is_found(copied):
    draw = random.Random(20261121)
    for number in (1, 2):
        end = batches(volume(copied, number))[-1][0].end
        for _ in range(40):
            offset, bits = draw.randrange(end), 1 << draw.randrange(8)
            flip(volume(copied, number), offset, bits)
            report, _ = walked(copied)
            assert not report.sound, (number, offset, bits)
            flip(volume(copied, number), offset, bits)
    assert walked(copied)[0].sound


def test_any_flipped_byte_of_an_index_log_is_found(copied):
    draw = random.Random(7)
    size = log(copied).stat().st_size
    for _ in range(60):
        offset = draw.randrange(size)
        flip(log(copied), offset)
        report, _ = walked(copied, deep=False)
        assert "row" in said(report), offset
        flip(log(copied), offset)


def test_a_log_that_names_another_needle_is_found(copied):
    path, place = log(copied), 1
    data = bytearray(path.read_bytes())
    generation = layout.read_volume_head(volume(copied).read_bytes()[:64]).generation
    data[48] ^= 1
    crc = digests.crc32c(bytes(data[48:92])) ^ (generation & 0xFFFFFFFF) ^ place
    data[92:96] = crc.to_bytes(4, "little")
    path.write_bytes(data)
    assert "names another needle" in said(walked(copied)[0])


@pytest.mark.parametrize("size", [None, 0, 48, 48 * 9, 1000])
def test_a_missing_or_short_log_is_no_problem(copied, size):
    if size is None:
        log(copied).unlink()
    else:
        os.truncate(log(copied), size)
    report = verify(copied)
    assert said(report) == ""
    assert size in (0, 48, 48 * 9) or "log" in str(report.notes[0])


def test_a_torn_tail_is_information(copied):
    path, end = volume(copied), batches(volume(copied))[-1][0].end
    with path.open("r+b") as file:
        file.seek(end)
        file.write(b"PNBT and half a batch" * 100)
    report = verify(copied)
    assert said(report) == ""
    assert "torn tail" in str(report.notes[0])


def test_a_last_batch_that_nothing_proves_is_a_torn_tail(copied):
    log(copied).unlink()
    _, needles = batches(volume(copied))[-1]
    flip(volume(copied), needles[-1].offset + needles[-1].payload_at)
    report, _ = walked(copied)
    assert said(report) == ""
    assert any("torn tail" in str(note) for note in report.notes)
    # The object that was in it is acknowledged all the same, and is missed.
    assert "does not hash to its name" in said(verify(copied))


def test_a_last_batch_that_the_log_proves_is_damage(copied):
    _, needles = batches(volume(copied))[-1]
    flip(volume(copied), needles[-1].offset + needles[-1].payload_at)
    assert "does not match its checksum" in said(walked(copied)[0])


def test_a_cut_volume_is_damage(copied):
    found = batches(volume(copied))
    os.truncate(volume(copied), found[-4][0].offset)
    report = verify(copied)
    assert "were durable batches" in said(report)
    assert "is in no volume" in said(report)


def test_a_volume_of_another_number_is_damage(copied):
    volume(copied).rename(volume(copied, 9))
    assert "says it is volume 00000001" in said(verify(copied))


def test_a_lost_volume_is_a_problem_of_its_objects(copied):
    volume(copied, 2).unlink()
    report = verify(copied)
    assert "plain/'big'" in said(report) and "is in no volume" in said(report)
    assert "plain/'empty'" not in said(report)


def test_a_volume_that_a_crash_left_empty_is_information(copied):
    volume(copied, 3).write_bytes(bytes(1 << 20))
    report = verify(copied)
    assert said(report) == "" and "is empty" in str(report.notes[0])
    volume(copied, 3).write_bytes(bytes(5000) + b"x")
    assert "no readable header" in said(verify(copied))


def test_needles_are_found_without_their_batch_header(copied):
    head, _ = small_batch(copied)
    whole = set(walked(copied)[1])
    flip(volume(copied), head.offset)
    flip(volume(copied), 10)
    report, found = walked(copied)
    assert set(found) == whole and not report.sound


def test_golden_volumes_are_read(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "data.mdb").touch()
    (tmp_path / "volumes").symlink_to(VECTORS / "volume" / "v1")
    report, found = walked(tmp_path)
    assert said(report) == ""
    listed = [line.split("\t") for line in (VECTORS / "volume/v1/chunks.tsv").read_text().splitlines()[1:]]
    places = {chunk.hex(): (number, offset) for chunk, number, offset in found}
    assert set(places) == {name for name, _, _ in listed}
    for name, length, digest in listed:
        number, offset = places[name]
        data = volume(tmp_path, number).read_bytes()
        head = layout.read_needle_head(data[offset : offset + 72], number, None, offset)
        payload = data[offset + head.payload_at : offset + head.payload_at + head.stored]
        assert (len(payload), blake3(payload).hexdigest()) == (int(length), digest)


# Rows.

RECORDS = {
    "object": (ObjectRecord, rows.read_object),
    "upload": (UploadRecord, rows.read_upload),
    "part": (PartRecord, rows.read_part),
    "bucket": (BucketRecord, rows.read_bucket),
    "fence": (FenceRecord, rows.read_fence),
    "tenant": (TenantRecord, rows.read_tenant),
    "user": (UserRecord, rows.read_user),
    "credential": (CredentialRecord, rows.read_credential),
}
SAME = [
    "size",
    "ordinal",
    "owner",
    "etag",
    "id",
    "tenant",
    "user",
    "name",
    "canonical_id",
    "domain_key",
    "md5",
    "region",
]


def golden():
    for kind in RECORDS:
        for case in json.loads((VECTORS / "records" / f"{kind}.json").read_text()):
            yield pytest.param(kind, bytes.fromhex(case["hex"]), id=f"{kind}: {case['name']}")


@pytest.mark.parametrize(("kind", "data"), list(golden()))
def test_golden_rows_mean_the_same_to_both_readers(kind, data):
    record, row = RECORDS[kind][0].decode(data), RECORDS[kind][1](data)
    record = getattr(record, "object", record)
    for name in SAME:
        if hasattr(record, name) and hasattr(row, name):
            assert getattr(record, name) == getattr(row, name), name
    if isinstance(row, rows.ObjectRow):
        assert (record.tags, record.user_metadata) == (tuple(row.tags), tuple(row.metadata))
        assert (record.content_type, len(record.part_table)) == (row.content_type, len(row.parts))
        assert [(c.algorithm, c.kind, c.value) for c in record.checksums] == [
            (c.algorithm, c.composite, c.value) for c in row.sums
        ]
        assert [(c.id, c.len) for c in record.manifest.chunks] == row.manifest.chunks
    for cut in range(len(data)):
        try:
            RECORDS[kind][1](data[:cut])
        except rows.BadRow:
            continue
        RECORDS[kind][0].decode(data[:cut])  # Both take it, or neither.


def test_escaped_keys_are_those_of_the_other_reader():
    for key in (b"a", b"\0", b"a\0\xffb\0\x01", b"\xff" * 9):
        assert row_keys.version_key(7, key, 12) == keys.version(7, key, 12)
        assert row_keys.version_of(keys.version(7, key, 12)) == (key, 12)
        assert row_keys.upload_of(keys.upload(7, key, 12)) == (key, 12)
        assert row_keys.null_of(keys.null_version(7, key)) == key
    assert row_keys.part_of(keys.part(7, 12, 3)) == (12, 3)
    for bad in (b"v\0\0\0\1abc", b"v\0\0\0\1a\0\x02", b"v\0\0\0\1a\0\x01short"):
        with pytest.raises(rows.BadRow):
            row_keys.version_of(bad)


@pytest.mark.parametrize("number", digests.NAMES)
def test_digests_do_not_depend_on_the_pieces(number):
    whole = bytes(range(256)) * 30
    pieces = digests.start(number)
    for at in range(0, len(whole), 1000):
        pieces.update(whole[at : at + 1000])
    assert pieces.digest() == digests.digest(number, whole) != digests.digest(number, whole[1:])
    golden = {1: "cbf43926", 2: "e3069283", 3: "ae8b14860a799888"}
    if number in golden:
        assert digests.digest(number, b"123456789").hex() == golden[number]


class Edit:
    """Changes of rows, by the words of what they are."""

    def __init__(self, txn):
        self.txn = txn
        self.plain = BucketRecord.decode(txn.get(keys.bucket(b"plain"))).id
        self.versions = BucketRecord.decode(txn.get(keys.bucket(b"versions"))).id

    def delete(self, key):
        assert self.txn.delete(key)

    def first(self, prefix):
        with self.txn.cursor() as cursor:
            assert cursor.set_range(prefix) and cursor.key().startswith(prefix)
            return cursor.key(), cursor.value()

    def change(self, key, kind, **changes):
        record = kind.decode(self.txn.get(key))
        self.txn.put(key, dataclasses.replace(record, **changes).encode())

    def object(self, name, **changes):
        self.change(keys.object(self.plain, name), ObjectRecord, **changes)

    def newest(self, name):
        return self.first(keys.versions_of(self.versions, name)[0])

    def move(self, key, to):
        value = self.txn.get(key)
        self.delete(key)
        self.txn.put(to, value)

    def null(self):
        return keys.null_version(self.versions, b"null")


def spoil(kind):
    def edit(rows_):
        key, value = rows_.first(kind)
        rows_.txn.put(key, b"\x09" + value[1:])

    return edit


def other_chunk(e):
    record = ObjectRecord.decode(e.txn.get(keys.object(e.plain, b"blocks")))
    chunk = dataclasses.replace(record.manifest.chunks[0], id=bytes(32))
    e.object(b"blocks", manifest=dataclasses.replace(record.manifest, chunks=(chunk,)))


def longer_chunk(e):
    record = ObjectRecord.decode(e.txn.get(keys.object(e.plain, b"blocks")))
    chunk = dataclasses.replace(record.manifest.chunks[0], len=200_001)
    e.object(b"blocks", size=200_001, manifest=dataclasses.replace(record.manifest, chunks=(chunk,)))


def swapped_chunks(e):
    record = ObjectRecord.decode(e.txn.get(keys.object(e.plain, b"parts/full")))
    chunks = record.manifest.chunks[::-1]
    e.object(b"parts/full", manifest=dataclasses.replace(record.manifest, chunks=chunks), checksums=())


def part_table(name, **changes):
    def edit(e):
        record = ObjectRecord.decode(e.txn.get(keys.object(e.plain, name)))
        first, *others = record.part_table
        e.object(name, part_table=(dataclasses.replace(first, **changes), *others))

    return edit


def half_of_the_lists(e):
    record = ObjectRecord.decode(e.txn.get(keys.object(e.plain, b"indirect")))
    e.object(b"indirect", manifest=dataclasses.replace(record.manifest, chunks=record.manifest.chunks[:1]))


def foreign_content(e):
    """An object of one tenant named in another's bucket: its chunks have names that are not this tenant's."""
    other = BucketRecord.decode(e.txn.get(keys.bucket(b"acme-1"))).id
    e.txn.put(keys.object(e.plain, b"blocks"), e.txn.get(keys.object(other, b"blocks")))


EDITS = {
    "etag": (lambda e: e.object(b"blocks", etag=bytes(15) + b"x"), "the ETag does not match the content"),
    "size": (lambda e: e.object(b"blocks", size=199_999), "its chunks have 200000 bytes, its row says 199999"),
    "size and tally": (lambda e: e.object(b"blocks", size=199_999), "tally of objects in plain"),
    "checksum": (
        lambda e: e.object(b"blocks", checksums=(Checksum(5, 0, bytes(32)),)),
        "the stored SHA256 does not match the content",
    ),
    "checksum algorithm": (lambda e: e.object(b"blocks", checksums=(Checksum(99, 0, b"x"),)), "algorithm 99"),
    "composite checksum": (
        lambda e: e.object(b"parts/composite", checksums=(Checksum(5, 1, bytes(32)),)),
        "the stored SHA256 does not match the parts",
    ),
    "multipart etag": (lambda e: e.object(b"parts/full", etag=bytes(15) + b"x"), "the ETag does not match the parts"),
    "checksum of a part": (part_table(b"parts/composite", checksum=bytes(32)), "of part 1 in order does not match"),
    "size of a part": (part_table(b"parts/composite", size=1), "its parts do not add up to its size"),
    "number of parts": (lambda e: e.object(b"parts/full", parts=9), "3 parts are listed where the ETag says 9"),
    "chunk name": (other_chunk, "is in no volume"),
    "chunk length": (longer_chunk, "has 200000 bytes where the manifest says 200001"),
    "order of chunks": (swapped_chunks, "the ETag does not match the parts"),
    "another tenant's chunks": (foreign_content, "does not hash to its name"),
    "indirect manifest": (half_of_the_lists, "the indirect manifest ends inside an entry"),
    "owner": (lambda e: e.object(b"blocks", owner=77), "is owned by user 77, who is missing"),
    "object gone": (lambda e: e.delete(keys.object(e.plain, b"blocks")), "tally of objects in plain"),
    "marker as object": (
        lambda e: e.txn.put(keys.object(e.plain, b"blocks"), e.newest(b"gone")[1]),
        "is a delete marker in the place of an object",
    ),
    "marker gone": (lambda e: e.delete(e.newest(b"twice")[0]), "no delete marker, and there is no current one"),
    "version gone": (lambda e: e.delete(e.newest(b"twice")[0]), "tally of versions in versions"),
    "version moved": (
        lambda e: e.move(e.newest(b"twice")[0], keys.version(e.versions, b"twice", 1)),
        "has another ordinal in its record",
    ),
    "newer version": (
        lambda e: e.txn.put(keys.version(e.versions, b"old", 1 << 60), e.newest(b"old")[1]),
        "is newer than the current version",
    ),
    "null pointer gone": (lambda e: e.delete(e.null()), "the row that finds it does not say so"),
    "null pointer astray": (lambda e: e.txn.put(e.null(), pointer.encode_ordinal(5)), "which is missing"),
    "null flag": (
        lambda e: e.change(
            keys.version(e.versions, b"null", pointer.decode_ordinal(e.txn.get(e.null()))),
            ObjectRecord,
            null_version=False,
        ),
        "which is not null",
    ),
    "second null version": (
        lambda e: e.change(keys.object(e.versions, b"null"), ObjectRecord, null_version=True),
        "is a second null version",
    ),
    "versions where none can be": (
        lambda e: e.change(keys.bucket(b"versions"), BucketRecord, versioning=Versioning.NEVER),
        "is in a bucket that never had versions",
    ),
    "upload gone": (lambda e: e.delete(e.first(b"u")[0]), "has no upload"),
    "part md5": (lambda e: e.change(e.first(b"p")[0], PartRecord, md5=bytes(16)), "the part's MD5 does not match"),
    "part checksum": (lambda e: e.change(e.first(b"p")[0], PartRecord, checksum=bytes(4)), "stored CRC32C does not"),
    "part gone": (lambda e: e.delete(e.first(b"p")[0]), "tally of parts in plain"),
    "tally gone": (lambda e: e.delete(keys.tally(e.plain, keys.TallyOf.OBJECTS)), "tally of objects in plain: says 0"),
    "tally of nothing": (lambda e: e.txn.put(b"t" + bytes(3) + b"\x01\x09", bytes(16)), "something that is not known"),
    "fence": (
        lambda e: e.change(keys.fence(e.plain), FenceRecord, versioning=Versioning.ENABLED),
        "says something else than the bucket",
    ),
    "fence gone": (lambda e: e.delete(keys.fence(e.plain)), "has no fence"),
    "bucket gone": (lambda e: e.delete(keys.bucket(b"plain")), "which is missing"),
    "bucket of a tenant gone": (lambda e: e.delete(e.first(b"B")[0]), "is not listed at its tenant"),
    "bucket of another tenant": (
        lambda e: e.change(keys.bucket(b"plain"), BucketRecord, tenant=99),
        "belongs to tenant 99, which is missing",
    ),
    "bucket number twice": (
        lambda e: e.change(keys.bucket(b"versions"), BucketRecord, id=e.plain),
        "has the number of bucket plain",
    ),
    "tenant name gone": (lambda e: e.delete(keys.tenant_name(b"acme")), "has no name row"),
    "tenant gone": (lambda e: e.delete(keys.tenant(2)), "leads to tenant 2, which has not this name"),
    "user gone": (lambda e: e.delete(keys.user(1)), "belongs to user 1, who is missing"),
    "user name gone": (lambda e: e.delete(keys.user_name(1, b"root")), "user 1: has no name row"),
    "credential's identity": (
        lambda e: e.change(e.first(b"k")[0], CredentialRecord, canonical_id=bytes(32)),
        "has another canonical id than its user",
    ),
    "credential's rights": (
        lambda e: [e.change(k, UserRecord, root=False, tenant_admin=False) for k in (keys.user(1), keys.user(2))],
        "may do more than its user",
    ),
    "counter": (lambda e: e.txn.put(keys.NEXT_BUCKET, bytes(8)), "is 0, below a number that was given"),
    "counter gone": (lambda e: e.delete(keys.NEXT_USER), "is missing"),
    "format": (lambda e: e.txn.put(keys.FORMAT, b"\x02\0\0\0"), "is not format 1"),
    "unknown store row": (lambda e: e.txn.put(b"mnews", b""), "is a name that is not known"),
    "unknown kind": (lambda e: e.txn.put(b"Xyz", b""), "is of a kind that is not known"),
    **{
        f"version of {kind!r} rows": (spoil(kind), "version")
        for kind in (b"T", b"U", b"k", b"b", b"f", b"o", b"v", b"u", b"p")
    },
    **{f"version of {kind!r} rows": (spoil(kind), "version 9 is not known") for kind in (b"n", b"N", b"B", b"z")},
}


@pytest.mark.parametrize("edit", EDITS)
def test_every_invariant_of_the_rows_is_checked(change_rows, edit):
    make, words = EDITS[edit]
    data = change_rows(lambda txn: make(Edit(txn)))
    assert words in said(verify(data))


def test_damaged_pages_are_found_before_the_engine_reads_them(copied):
    path = copied / "meta" / "data.mdb"
    leaf = 2
    data = path.read_bytes()
    for page in range(2 * 4096, len(data), 4096):
        if data[page + 10] & leaf:
            flip(path, page)
    report = verify(copied)
    assert "meta/data.mdb" in said(report) and "were not checked" in said(report)
    assert report.counts["needles"] > 40


def test_a_device_that_refuses_to_read_is_read_around(copied, monkeypatch):
    _, needles = batches(volume(copied))[5]
    bad, pread = range(needles[0].offset, needles[0].offset + 1), os.pread

    def refusing(file, size, offset):
        if os.readlink(f"/proc/self/fd/{file}").endswith("1.vol") and offset <= bad.start < offset + size:
            raise OSError(5, "Input/output error")
        return pread(file, size, offset)

    monkeypatch.setattr(os, "pread", refusing)
    report = verify(copied)
    assert f"00000001.vol at {bad.start & -4096}: the device refuses to read: Input/output error" in said(report)
    lost = [finding for finding in report.problems if finding.where.startswith(("plain/", "versions/", "acme"))]
    assert len(lost) == 1, said(report)


def test_a_metastore_that_is_none_is_a_problem(copied):
    (copied / "meta" / "data.mdb").write_bytes(b"nothing" * 2000)
    done = panthera("verify", "--data", copied)
    assert done.returncode == 1 and "problem: meta/data.mdb" in done.stdout


def test_the_command_lists_what_is_wrong(copied):
    _, needles = small_batch(copied)
    flip(volume(copied), needles[0].offset + needles[0].payload_at)
    done = panthera("verify", "--data", copied)
    assert done.returncode == 1
    assert "problem: 00000001.vol at" in done.stdout


def test_problems_beyond_the_limit_are_counted():
    report = Report()
    for number in range(KEPT + 1):
        report.problem("here", str(number))
    assert len(report.problems) == KEPT and "1 of them not listed" in report.summary()
    assert report.problem_count == KEPT + 1


def test_rows_are_read_by_an_engine_of_another_build(filled):
    """Which of py-lmdb's formats it is: LMDB 0.9's, with keys longer than py-lmdb itself would write."""
    with lmdb.open(str(filled.data / "meta"), readonly=True, lock=False) as env, env.begin() as txn:
        lengths = [len(key) for key, _ in txn.cursor()]
    assert max(lengths) > 1000
