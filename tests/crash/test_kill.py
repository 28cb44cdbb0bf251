"""The small kill -9 test that every `make test` runs; `make crash` runs the long one."""

from __future__ import annotations

from pathlib import Path

from kill_loop import run

SEED = 3


def test_two_kills_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    assert run(kills=2, seconds=2.0, seed=SEED, home=tmp_path) == []
