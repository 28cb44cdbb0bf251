"""Fixtures of the control plane's tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from world import World


@pytest.fixture
def world() -> World:
    """A fresh store with root in tenant `default`."""
    return World()
