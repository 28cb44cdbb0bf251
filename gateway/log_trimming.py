"""The job that lets go of old entries of the relations' log, while the server runs.

Belongs here: when. Does not belong here: how much is kept, and the removing (crates/authz/src/relations/log.rs).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from storage.api import RelationError
from storage.native import Relations as Engine
from storage.native import StoreError

_log: Final = logging.getLogger("panthera")

EVERY_S: Final = 3600.0
"""A week of history may become a week and an hour; even a busy server writes few hundred megabytes in an hour."""
BETWEEN_S: Final = 1.0
"""Between two removals: writers wait for each, and are let in between."""


async def keep_log_short(
    engine: Engine, clock_us: Callable[[], int], *, every_s: float = EVERY_S, between_s: float = BETWEEN_S
) -> None:
    """Removes what is too old, at once and then every hour, until it is cancelled.

    What goes wrong is logged and tried again: a long log takes room and does no harm.
    """
    while True:
        more = False
        try:
            more = await asyncio.to_thread(engine.trim_old, clock_us())
        except (RelationError, StoreError) as error:
            _log.warning("old entries of the relations' log stay for now: %s", error)
        await asyncio.sleep(between_s if more else every_s)
