"""A closed data directory: its lock, its rows, its volume files. Nothing in it is written but the lock's owner.

Belongs here: opening and reading. Does not belong here: what bytes mean.
"""

import contextlib
import errno
import fcntl
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import lmdb
import lmdb.verify

from storage.verify.report import Report

OPEN_FILES: Final = 64
"""Volume files held open at once: far below any limit of a process."""
PIECE_BYTES: Final = 4096
"""What the device refuses is read around in such pieces."""
_VOLUME_NAME: Final = re.compile(r"([0-9a-f]{8})\.(vol|log)")


class CannotOpen(Exception):  # noqa: N818
    """The directory is in use, or is none of ours."""


class Directory:
    """A data directory that this process owns while the context lasts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._env: lmdb.Environment | None = None

    def __enter__(self) -> Self:
        if not (self.path / "meta" / "data.mdb").is_file():
            raise CannotOpen(f"{self.path} holds no data: there is no meta/data.mdb")
        self._lock = _own(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._env is not None:
            self._env.close()
        if self._lock is not None:
            os.close(self._lock)

    def page_faults(self) -> list[str]:
        """What is wrong with the pages of the LMDB file. Reads it without the engine, which trusts what it maps."""
        try:
            check: Callable[[str], list[str]] = lmdb.verify.verify
            return check(str(self.path / "meta"))
        except (lmdb.verify.VerifyError, OSError) as error:
            return [str(error)]

    def rows(self) -> "Rows":
        """The rows. CannotOpen when the engine refuses the file."""
        try:
            # Our own lock keeps every writer out; LMDB's would need a writable directory.
            self._env = lmdb.open(str(self.path / "meta"), readonly=True, lock=False, create=False, readahead=False)
            return Rows(self._env.begin(buffers=False))
        except (lmdb.Error, OSError) as error:
            raise CannotOpen(f"the rows cannot be opened: {error}") from error

    def volume_files(self) -> list[tuple[int, Path, Path]]:
        """Number, volume and log of each volume; either file may be missing."""
        home = self.path / "volumes"
        names = [_VOLUME_NAME.fullmatch(name) for name in os.listdir(home)] if home.is_dir() else []
        numbers = sorted({int(name[1], 16) for name in names if name is not None})
        return [(number, home / f"{number:08x}.vol", home / f"{number:08x}.log") for number in numbers]


def _own(path: Path) -> int | None:
    """The same lock the server takes. CannotOpen names its owner. None on a file system nobody can write."""
    flags = os.O_CLOEXEC
    try:
        lock = os.open(path / "LOCK", os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise CannotOpen(f"cannot open {path}/LOCK: {error.strerror}") from error
        try:
            lock = os.open(path / "LOCK", os.O_RDONLY | flags)
        except FileNotFoundError:
            return None
        except OSError as again:
            raise CannotOpen(f"cannot open {path}/LOCK: {again.strerror}") from again
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(lock, 100, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise CannotOpen(f"the data directory {path} is in use by {owner or 'another process'}") from error
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"pid {os.getpid()}\n".encode(), 0)
    return lock


class Rows:
    """The rows of one moment. Errors of the engine are BrokenRows."""

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction

    def get(self, key: bytes) -> bytes | None:
        """One row."""
        with _broken():
            found = self._transaction.get(key)
            return None if found is None else bytes(found)

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every row whose key begins so, in order."""
        with _broken(), self._transaction.cursor() as cursor:
            there = cursor.set_range(prefix) if prefix else cursor.first()
            while there:
                key, value = bytes(cursor.key()), bytes(cursor.value())
                if not key.startswith(prefix):
                    return
                yield key, value
                there = cursor.next()

    def first_from(self, start: bytes, prefix: bytes) -> bytes | None:
        """The first key from `start` on, when it begins with the prefix."""
        with _broken(), self._transaction.cursor() as cursor:
            if not cursor.set_range(start):
                return None
            key = bytes(cursor.key())
            return key if key.startswith(prefix) else None

    def any_under(self, prefix: bytes) -> bool:
        """Whether a key begins so."""
        return next(self.under(prefix), None) is not None


class BrokenRows(Exception):  # noqa: N818
    """The engine cannot go on: pages are damaged."""


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:
        raise BrokenRows(str(error)) from error


class VolumeFile:
    """A volume or log, read by place. What the device refuses reads as zeros and is reported once."""

    def __init__(self, path: Path, report: Report) -> None:
        self.path = path
        self._report = report
        self._refused: set[int] = set()
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._file).st_size

    def close(self) -> None:
        """Gives the file back."""
        os.close(self._file)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes at a place; fewer at the end."""
        size = max(0, min(size, self.size - offset))
        try:
            data = os.pread(self._file, size, offset)
            while len(data) < size and (more := os.pread(self._file, size - len(data), offset + len(data))):
                data += more
        except OSError:
            return self._around(offset, offset + size)
        return data

    def _around(self, at: int, end: int) -> bytes:
        """What can be read, and zeros where nothing can."""
        pieces = []
        while at < end:
            stop = min(end, at - at % PIECE_BYTES + PIECE_BYTES)
            try:
                pieces.append(os.pread(self._file, stop - at, at).ljust(stop - at, b"\0"))
            except OSError as error:
                pieces.append(bytes(stop - at))
                piece = at // PIECE_BYTES
                if piece not in self._refused:
                    self._refused.add(piece)
                    where = f"{self.path.name} at {piece * PIECE_BYTES}"
                    self._report.problem(where, f"the device refuses to read: {error.strerror}")
            at = stop
        return b"".join(pieces)

    def next_data(self, offset: int) -> int:
        """Where the file system has data, from a place on: what is reserved and was never written is passed over."""
        try:
            return os.lseek(self._file, offset, os.SEEK_DATA)
        except OSError as error:
            return self.size if error.errno == errno.ENXIO else offset


class Window:
    """Reads a file mostly forwards through one buffer."""

    def __init__(self, file: VolumeFile, size: int) -> None:
        self._file = file
        self._size = size
        self._start = 0
        self._data = memoryview(b"")

    def get(self, offset: int, size: int) -> memoryview:
        """Bytes at a place; fewer at the end of the file."""
        at = offset - self._start
        if at < 0 or at + size > len(self._data):
            self._start, at = offset, 0
            self._data = memoryview(self._file.read(offset, max(size, self._size)))
        return self._data[at : at + size]


class OpenVolumes:
    """Volume files by number, the least recently used closed."""

    def __init__(self, directory: Directory, report: Report) -> None:
        self._paths = {number: volume for number, volume, _ in directory.volume_files()}
        self._report = report
        self._open: OrderedDict[int, VolumeFile] = OrderedDict()

    def get(self, number: int) -> VolumeFile:
        """The file. OSError."""
        if number not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            self._open[number] = VolumeFile(self._paths[number], self._report)
        self._open.move_to_end(number)
        return self._open[number]

    def close(self) -> None:
        """Closes all."""
        while self._open:
            self._open.popitem()[1].close()
