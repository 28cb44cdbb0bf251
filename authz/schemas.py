"""Schemas of tenants: what is in force, and putting another one in force.

Belongs here: the language's compiler and the engine brought together, with names. Does not belong here: the language
(`schema`), HTTP.

    schemas = Schemas(core.relations(), core)
    schemas.show("acme").source
    schemas.apply(text, "acme", dry_run=True).warnings
"""

from dataclasses import dataclass
from typing import Final

from authz.acting import acting
from authz.answers import Stored
from authz.directory import Directory
from authz.schema import Class, Compiled, compile_schema, default_source
from authz.shown import stored
from authz.vocabulary import vocabulary_of
from storage.api import Metastore, RelationError
from storage.native import Relations as Engine

_ATTEMPTS: Final = 4
"""How often a schema is compiled anew when another one comes in between."""


class OrphansError(Exception):
    """Relations are there that the schema has no place for: it was refused. `relations` has the first hundred."""

    def __init__(self, relations: tuple[Stored, ...]) -> None:
        first = relations[0]
        super().__init__(
            f"the schema has no place for relations that are there, as {first.subject} {first.relation} "
            f"{first.resource}: remove them first, or declare what they need"
        )
        self.relations = relations


@dataclass(frozen=True, slots=True)
class SchemaInForce:
    """A tenant's schema. `built_in`: it has none of its own and `source` is the default schema."""

    tenant: str
    built_in: bool
    source: str
    relations: tuple[str, ...]
    permissions: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A schema that is in force now, or, after a dry run, could be. `warnings`: what is allowed and hardly meant."""

    tenant: str
    dry_run: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    warnings: tuple[str, ...]
    revision: int


class Schemas:
    """The schemas of one store, as root sees them or from within one tenant (`viewer`)."""

    def __init__(self, engine: Engine, store: Metastore, viewer: int | None = None) -> None:
        self._engine = engine
        self._store = store
        self._viewer = viewer

    def show(self, tenant: str | None = None) -> SchemaInForce:
        """What is in force. UnknownNameError."""
        directory = Directory(self._store, self._viewer)
        number = directory.start(tenant)
        revision, source, relations, permissions, _ = self._engine.schema(number)
        return SchemaInForce(
            tenant=directory.tenant_name(number),
            built_in=source is None,
            source=default_source() if source is None else source,
            relations=tuple(name for *_, name in relations),
            permissions=tuple(permissions),
            revision=revision,
        )

    def apply(self, source: str, tenant: str | None = None, *, dry_run: bool = False) -> Applied:
        """Puts a schema in force: durable, and what every check from now on is by, when this returns.

        SchemaError when it is wrong, OrphansError when relations would lose their meaning, UnknownNameError,
        RelationError of kind `schema_changed` when others change it all the time. Then nothing was written.
        """
        directory = Directory(self._store, self._viewer)
        number = directory.start(tenant)
        for attempt in range(_ATTEMPTS):
            against, _, relations, _, free = self._engine.schema(number)
            own = {name: (known, Class(kind)) for known, kind, _, _, name in relations}
            compiled = compile_schema(source, own, free)
            try:
                revision, orphans = self._engine.apply_schema(
                    number, source, compiled.encode(), against, dry_run, acting().value
                )
            except RelationError as error:
                if error.kind != "schema_changed" or attempt == _ATTEMPTS - 1:
                    raise
                continue
            if orphans:
                words = vocabulary_of(self._engine, number)
                raise OrphansError(tuple(stored(directory, number, value, words) for value in orphans))
            return _applied(directory.tenant_name(number), compiled, set(own), revision, dry_run=dry_run)
        raise AssertionError


def _applied(tenant: str, compiled: Compiled, before: set[str], revision: int, *, dry_run: bool) -> Applied:
    after = {numbered.relation.name for numbered in compiled.relations}
    return Applied(
        tenant=tenant,
        dry_run=dry_run,
        added=tuple(sorted(after - before)),
        removed=tuple(sorted(before - after)),
        warnings=compiled.warnings,
        revision=revision,
    )
