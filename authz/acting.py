"""Who acts at this moment, for the audit log.

Belongs here: the actor of a request, carried with it. Does not belong here: what is written down (crate `authz`), who
may do what.

It travels in a context variable: between the request and the write lie many functions, on other threads too, that have
nothing to do with it. Whoever begins a request says so; without one, it is the server itself that acts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

ActorValue = tuple[int, str, str | None, str | None]
"""As it crosses to the engine: grantee, request id, access key, source address."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who (a packed grantee, 0 the server), by which request, with which access key, from where."""

    who: int = 0
    request_id: str = ""
    access_key: str | None = None
    source_ip: str | None = None

    @property
    def value(self) -> ActorValue:
        """As it crosses to the engine."""
        return (self.who, self.request_id, self.access_key, self.source_ip)


SERVER: Final = Actor()
"""Nobody asked."""

_ACTING: Final[ContextVar[Actor]] = ContextVar("acting", default=SERVER)


def acting() -> Actor:
    """Who acts now."""
    return _ACTING.get()


@contextmanager
def acts(actor: Actor) -> Iterator[None]:
    """What is written inside is this actor's doing."""
    token = _ACTING.set(actor)
    try:
        yield
    finally:
        _ACTING.reset(token)
