"""The relations and permissions of one tenant by name: those that are built in, or what its schema says.

Belongs here: names to numbers and back. Does not belong here: the schema language (`schema`), putting one in force
(`schemas.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz.model import PERMISSIONS, RELATIONS
from storage.native import Relations as Engine


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Numbers of relations by name, and names of permissions by number."""

    relations: Mapping[str, int]
    permissions: tuple[str, ...]

    def relation_name(self, number: int) -> str:
        """The name of a relation; of one that was removed, which old entries of the log may have, its number."""
        found = next((name for name, known in self.relations.items() if known == number), None)
        if found is not None:
            return found
        return RELATIONS[number] if number < len(RELATIONS) else f"#{number}"


BUILT_IN: Final = Vocabulary({name: number for number, name in enumerate(RELATIONS)}, PERMISSIONS)
"""Of a tenant that has no schema of its own."""


def vocabulary_of(engine: Engine, tenant: int) -> Vocabulary:
    """What a tenant calls them now. Takes no lock."""
    found = engine.vocabulary(tenant)
    if found is None:
        return BUILT_IN
    relations, permissions = found
    return Vocabulary({name: number for number, name in relations}, tuple(permissions))
