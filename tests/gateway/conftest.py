"""Fixtures of the control plane's tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from serving import Admin, served
from world import World


@pytest.fixture
def world() -> World:
    """A fresh store with root in tenant `default`."""
    return World()


@pytest.fixture
def admin(world: World) -> Iterator[Admin]:
    """The admin API over that store, on a socket."""
    with served(world) as here:
        yield here
