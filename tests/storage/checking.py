"""A directory as a first start makes it, with rows of a test's own beside, and what the offline checker says of it."""

from collections.abc import Mapping
from pathlib import Path

from gateway.accounts.accounts import Accounts, RootKey
from storage.native import Core, generate_key
from storage.verify import verify
from storage.verify.report import Report


def checked(data: Path, rows: Mapping[bytes, bytes | None]) -> Report:
    """The report on such a directory. None takes a row away."""
    core = Core(str(data), sync=False)
    Accounts(core, lambda: 5, generate_key).bootstrap(RootKey("KEYKEYKEY", "secret-secret"))
    core.commit([], [("put", key, value) for key, value in rows.items() if value is not None])
    core.drain(1)
    del core
    return verify(data)


def problems(data: Path, rows: Mapping[bytes, bytes | None]) -> str:
    """What is wrong with such a directory, a line each."""
    return "\n".join(map(str, checked(data, rows).problems))
