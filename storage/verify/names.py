r"""File names for keys. Every key has one path, no two keys the same, and the path says the key.

Belongs here: the encoding (`docs/how-to/verify-and-rescue.md` explains it to people). Does not belong here: writing.

A key is cut at `/`; each piece is a name in a directory. `%XX` stands for a byte that a name should not have: control
characters, `\`, `%` itself, bytes that are not UTF-8, and the dots of `.` and `..`. A `%` without two digits behind it
can so be a mark: `%` alone is an empty piece (`a//b`, `a/`), `…%` a name that was too long and goes on in the next,
`…%@` a file whose own name another key needs for a directory.
"""

from typing import Final

NAME_BYTES: Final = 255
"""Longest name of nearly every file system."""
EMPTY: Final = b"%"
GOES_ON: Final = b"%"
CLASH: Final = b"%@"
_ROOM: Final = NAME_BYTES - len(CLASH)
_ESCAPED: Final = frozenset(b"%\\\x7f") | frozenset(range(32))


def path_of(key: bytes, *, clash: bool = False) -> bytes:
    """The relative path of a key's file. `clash`: another key has a piece more behind this one."""
    pieces = [name for piece in key.split(b"/") for name in _names(piece)]
    return b"/".join(pieces) + (CLASH if clash else b"")


def key_of(path: bytes) -> bytes:
    """The key of a path that `path_of` made."""
    names = path.removesuffix(CLASH).split(b"/")
    pieces, long = [], b""
    for name in names:
        if name == EMPTY and not long:
            pieces.append(b"")
        elif name.endswith(GOES_ON):
            long += _plain(name[:-1])
        else:
            pieces.append(long + _plain(name))
            long = b""
    return b"/".join(pieces)


def _names(piece: bytes) -> list[bytes]:
    """The names of one piece: one, or several when it is long."""
    if not piece:
        return [EMPTY]
    if piece in (b".", b".."):
        return [b"%2E" * len(piece)]
    names, name = [], b""
    for unit in _units(piece):
        if len(name) + len(unit) > _ROOM:
            names.append(name + GOES_ON)
            name = b""
        name += unit
    return [*names, name]


def _units(piece: bytes) -> list[bytes]:
    """What must not be cut: characters and escapes."""
    units = []
    for character in piece.decode("utf-8", "surrogateescape"):
        raw = character.encode("utf-8", "surrogateescape")
        is_byte = len(raw) == 1 and (raw[0] in _ESCAPED or raw[0] > 127)
        units.append(b"%%%02X" % raw[0] if is_byte else raw)
    return units


def _plain(name: bytes) -> bytes:
    first, *rest = name.split(b"%")
    return first + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in rest)
