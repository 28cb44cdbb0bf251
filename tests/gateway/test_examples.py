"""Examples in the documentation of the Python faces run as they stand, and both faces are the same.

Belongs here: the page's blocks and the docstrings' lines. Does not belong here: what the methods do
(`tests/authz/test_api.py`).
"""

import doctest
import gc
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from world import World

import authz.api
import authz.asynchronous
from authz.api import Relations
from authz.asynchronous import AsyncRelations
from gateway.accounts.groups import GROUP, Groups
from storage.native import Core

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "authorize-from-python.md"
UNLIKE = {"seen_from", "mark", "watch", "schemas"}
"""Methods that differ: one gives its own kind, one waits for nothing, one is an iterator, one a property."""


def store_with_people(data: Path) -> None:
    """Alice and bob, who is in group devs, and bucket photos of `default`; tenant acme."""
    core = Core(str(data), sync=False)
    world = World(store=core)
    for name in ("alice", "bob"):
        world.accounts.add_user("default", name)
    world.accounts.add_tenant("acme")
    relations = Relations(core.relations(), core, clock_us=lambda: world.now_us)
    groups = Groups(GROUP, core, relations, lambda: world.now_us)
    groups.add("devs")
    groups.add_member("devs", "user:bob")
    world.bucket("photos")
    core.drain(1)


def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    store_with_people(tmp_path)
    gc.collect()  # the data directory is one core's alone
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, Any] = {"data": tmp_path}
    try:
        for block in blocks:
            # Lines of a failure are those of the page.
            above = PAGE.read_text("utf-8").partition(block)[0].count("\n")
            exec(compile("\n" * above + block, str(PAGE), "exec"), names)
    finally:
        names["core"].drain(1)


@pytest.fixture
def world() -> World:
    """What the docstrings' lines speak of."""
    found = World()
    found.accounts.add_user("default", "alice")
    found.bucket("photos")
    return found


@pytest.mark.parametrize(("module", "count"), [(authz.api, 2), (authz.asynchronous, 3)])
def test_lines_of_docstrings_run(world: World, module: ModuleType, count: int) -> None:
    names = {**vars(module), **vars(authz.api), "relations": world.relations, "Facts": authz.api.Facts}
    ran = 0
    for one in doctest.DocTestFinder(recurse=True).find(module, globs=names):
        for example in one.examples:
            line = example.source.strip()
            code = f"async def main():\n    {line}\nasyncio.run(main())" if line.startswith("await") else line
            exec(compile(code, one.name, "exec"), names)
            ran += 1
    assert ran == count


def public(face: type) -> dict[str, Callable[..., Any]]:
    return {name: method for name, method in vars(face).items() if callable(method) and not name.startswith("_")}


def test_both_faces_have_the_same_methods() -> None:
    blocking = {name: method for name, method in public(Relations).items() if name not in UNLIKE}
    waiting = public(AsyncRelations)
    assert blocking.keys() <= waiting.keys()
    for name, method in blocking.items():
        assert inspect.iscoroutinefunction(waiting[name]), name
        assert waiting[name].__doc__ == method.__doc__
    parameters = [inspect.signature(face.watch).parameters for face in (Relations, AsyncRelations)]
    assert list(parameters[0]) == list(parameters[1])
    assert inspect.isasyncgenfunction(AsyncRelations.watch)
