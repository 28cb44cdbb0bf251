"""The default schema. Belongs here: its text and what it declares. Does not belong here: compiling it."""

from functools import lru_cache
from importlib.resources import files

from authz.schema.checker import Declarations, check
from authz.schema.parser import parse


@lru_cache(maxsize=1)
def default_source() -> str:
    """The text of the default schema."""
    return files("authz").joinpath("default.schema").read_text()


@lru_cache(maxsize=1)
def default_declarations() -> Declarations:
    """What it declares."""
    return check(parse(default_source()), None)
