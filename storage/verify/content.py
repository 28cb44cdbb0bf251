"""The content of objects and parts: their chunks in order, and everything stored about them recomputed.

Belongs here: manifests to bytes, sizes, ETags, checksums. Does not belong here: rows about each other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from storage.verify.digests import MD5, NAMES, Digest, start
from storage.verify.places import Lost, Places
from storage.verify.rows import ENTRY_BYTES, BadRow, Entry, Manifest, ObjectRow, PartRow, entries


def data_chunks(places: Places, manifest: Manifest, domain_key: bytes | None) -> Iterator[Entry]:
    """The chunks that hold the data, whether or not the manifest is indirect. Lost."""
    if not manifest.indirect:
        yield from manifest.chunks
        return
    rest = b""
    for chunk in manifest.chunks:
        rest += places.read(chunk, domain_key)
        whole = len(rest) - len(rest) % ENTRY_BYTES
        yield from entries(rest[:whole])
        rest = rest[whole:]
    if rest:
        raise Lost("the indirect manifest ends inside an entry")


def pieces(places: Places, manifest: Manifest, domain_key: bytes | None) -> Iterator[bytes]:
    """The content, chunk by chunk, each verified. Lost."""
    for chunk in data_chunks(places, manifest, domain_key):
        yield places.read(chunk, domain_key)


def lost_chunks(places: Places, manifest: Manifest, domain_key: bytes | None) -> Iterator[str]:
    """Every chunk that cannot be read, in words."""
    try:
        for chunk in data_chunks(places, manifest, domain_key):
            try:
                places.read(chunk, domain_key)
            except Lost as lost:
                yield str(lost)
    except (Lost, BadRow) as lost:
        yield f"the indirect manifest: {lost}"


@dataclass(slots=True)
class _Expected:
    """What a content must hash to: digests of the whole, and of each part."""

    size: int
    whole: list[tuple[int, bytes, str]] = field(default_factory=list)
    composite: list[tuple[int, bytes, str]] = field(default_factory=list)
    """Digests over the digests of the parts."""
    parts: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Size, algorithm, digest (empty: none) of each part."""
    faults: list[str] = field(default_factory=list)


def _of_object(row: ObjectRow) -> _Expected:
    expected = _Expected(row.size)
    if not row.multipart:
        expected.whole.append((MD5, row.etag, "the ETag"))
    elif row.parts:
        expected.composite.append((MD5, row.etag, "the ETag"))
    for each in row.sums:
        if each.algorithm not in NAMES:
            expected.faults.append(f"checksum algorithm {each.algorithm} is not known")
            continue
        target = expected.composite if each.composite else expected.whole
        target.append((each.algorithm, each.value, f"the stored {NAMES[each.algorithm]}"))
    if row.multipart and len(row.parts) != row.part_count:
        expected.faults.append(f"{len(row.parts)} parts are listed where the ETag says {row.part_count}")
    if row.parts and sum(part.size for part in row.parts) != row.size:
        expected.faults.append("its parts do not add up to its size")
        expected.composite.clear()
    elif row.parts:
        algorithm = row.sums[0].algorithm if row.sums and row.sums[0].algorithm in NAMES else 0
        expected.parts = [(part.size, algorithm, part.checksum if algorithm else b"") for part in row.parts]
    elif expected.composite:
        expected.faults.append("it has a checksum of parts, and no parts")
        expected.composite.clear()
    return expected


class _Parts:
    """Digests of parts, fed with the content from front to back."""

    def __init__(self, expected: _Expected) -> None:
        self._expected = expected
        self._algorithms = {algorithm for algorithm, _, _ in expected.composite}
        self._algorithms |= {algorithm for _, algorithm, checksum in expected.parts if checksum}
        self._at = 0
        self._left = expected.parts[0][0] if expected.parts else 0
        self._running = self._started()
        self._digests: dict[int, list[bytes]] = {algorithm: [] for algorithm in self._algorithms}

    def _started(self) -> dict[int, Digest]:
        return {algorithm: start(algorithm) for algorithm in self._algorithms}

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._at < len(self._expected.parts):
            taken = view[: self._left]
            for digest in self._running.values():
                digest.update(taken)
            self._left -= len(taken)
            view = view[len(taken) :]
            while self._left == 0 and self._at < len(self._expected.parts):
                self._close()

    def _close(self) -> None:
        for algorithm, digest in self._running.items():
            self._digests[algorithm].append(digest.digest())
        self._running = self._started()
        self._at += 1
        if self._at < len(self._expected.parts):
            self._left = self._expected.parts[self._at][0]

    def faults(self) -> Iterator[str]:
        while self._left == 0 and self._at < len(self._expected.parts):
            self._close()
        for number, (_, algorithm, checksum) in enumerate(self._expected.parts):
            if checksum and self._digests[algorithm][number] != checksum:
                yield f"the stored {NAMES[algorithm]} of part {number + 1} in order does not match"
        for algorithm, value, what in self._expected.composite:
            over = start(algorithm)
            over.update(b"".join(self._digests[algorithm]))
            if over.digest() != value:
                yield f"{what} does not match the parts"


def _checked(expected: _Expected, content: Iterable[bytes]) -> Iterator[bytes]:
    """Passes the content through, and adds what does not match to the faults."""
    whole = [(start(algorithm), value, what) for algorithm, value, what in expected.whole]
    parts = _Parts(expected) if expected.composite or any(checksum for _, _, checksum in expected.parts) else None
    size = 0
    for data in content:
        size += len(data)
        for digest, _, _ in whole:
            digest.update(data)
        if parts is not None:
            parts.update(data)
        yield data
    if size != expected.size:
        expected.faults.append(f"its chunks have {size} bytes, its row says {expected.size}")
        return
    expected.faults += [
        f"{what} does not match the content" for digest, value, what in whole if digest.digest() != value
    ]
    if parts is not None:
        expected.faults += parts.faults()


class Content:
    """The content of a row. Iterate to its end, then ask for `faults`."""

    def __init__(self, places: Places, row: ObjectRow | PartRow, domain_key: bytes | None) -> None:
        self._expected = _of_object(row) if isinstance(row, ObjectRow) else _of_part(row)
        self._pieces = pieces(places, row.manifest, domain_key)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes. Lost."""
        return _checked(self._expected, self._pieces)

    @property
    def faults(self) -> list[str]:
        """What does not match."""
        return self._expected.faults


def _of_part(row: PartRow) -> _Expected:
    expected = _Expected(row.size, whole=[(MD5, row.md5, "the part's MD5")])
    if row.algorithm in NAMES:
        expected.whole.append((row.algorithm, row.checksum, f"the stored {NAMES[row.algorithm]}"))
    elif row.algorithm:
        expected.faults.append(f"checksum algorithm {row.algorithm} is not known")
    return expected
