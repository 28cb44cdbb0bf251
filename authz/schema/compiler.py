"""Expressions to clauses, and a schema to the bytes that the engine executes (meta/FORMAT.md, rows `s`).

Belongs here: what a permission may be made of. Does not belong here: bytes of rows around it, storing, the engine.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from authz.schema import logic
from authz.schema.checker import Declarations, Relation, check
from authz.schema.default import default_declarations, default_source
from authz.schema.evaluator import Evaluator
from authz.schema.lexer import Token
from authz.schema.logic import Clause, Terms
from authz.schema.parser import parse
from authz.schema.tree import Combined, Expression, FromParent, Name
from authz.schema.words import (
    ASKED,
    BUILT_IN,
    CLAUSES,
    OWN_NUMBERS,
    PLACE_TARGETS,
    TENANT_ADMIN,
    TENANT_ADMIN_BIT,
    Class,
    SchemaError,
)

_VERSION: Final = 1


@dataclass(frozen=True)
class Numbered:
    """A relation and its number."""

    number: int
    relation: Relation


@dataclass(frozen=True)
class Permission:
    """A permission that can be asked."""

    name: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Compiled:
    """A schema as the engine has it."""

    relations: tuple[Numbered, ...]
    """By number."""
    permissions: tuple[Permission, ...]
    """Those that S3 needs in the order of their numbers, then the others by name; the place is the number."""
    warnings: tuple[str, ...]
    """What is allowed and hardly meant."""

    def encode(self) -> bytes:
        """The bytes of meta/FORMAT.md."""
        out = bytearray([_VERSION, len(self.relations)])
        for number, relation in ((n.number, n.relation) for n in self.relations):
            out += struct.pack("<BBBH", number, relation.kind, relation.targets, relation.subjects)
            out += bytes([len(relation.name)]) + relation.name.encode()
        out.append(len(self.permissions))
        for permission in self.permissions:
            out += bytes([len(permission.name)]) + permission.name.encode() + bytes([len(permission.clauses)])
            for clause in permission.clauses:
                out += struct.pack("<III", clause.some, clause.every, clause.absent)
        return bytes(out)


def _numbers(declared: Declarations, known: Mapping[str, tuple[int, Class]], free: Sequence[int]) -> dict[str, int]:
    """A number for each relation: the built-in one, the one it has, or a free one."""
    left = [number for number in free if number in OWN_NUMBERS]
    numbers: dict[str, int] = {}
    for name, relation in sorted(declared.relations.items()):
        if name in BUILT_IN:
            numbers[name] = BUILT_IN[name].number
        elif known.get(name, (0, None))[1] is relation.kind:
            numbers[name] = known[name][0]
        elif left:
            numbers[name] = left.pop(0)
        else:
            raise relation.token.error(
                "no number is left for another relation: those of removed relations come back when the log of changes "
                "has been trimmed past their removal"
            )
    return numbers


def _asked(
    name: str, terms: Terms, declared: Declarations, numbers: Mapping[str, int], token: Token
) -> Permission | None:
    """The permission, or None when it consists of deny relations and is there to be excluded."""
    denies = sum(1 << numbers[r.name] for r in declared.relations.values() if r.kind is Class.DENY)
    named = {1 << number: relation for relation, number in numbers.items()} | {TENANT_ADMIN_BIT: TENANT_ADMIN}
    if terms and all(t.absent == 0 and t.held & ~denies == 0 for t in terms):
        return None
    for term in sorted(terms):
        if wrong := term.held & denies:
            relation = named[logic.bits(wrong)[0]]
            raise token.error(f"{name} gives something to who is {relation}: a deny relation stands after `-` only")
        if wrong := term.absent & ~denies:
            relation = named[logic.bits(wrong)[0]]
            raise token.error(
                f"{name} excludes {relation}, which is no deny relation: where it cannot be known who holds it, "
                f"excluding would allow. Declare a `deny relation` and exclude that"
            )
    clauses = logic.clauses(terms)
    if len(clauses) > CLAUSES:
        raise token.error(f"{name} has {len(clauses)} clauses when it is multiplied out; {CLAUSES} can be")
    return Permission(name, clauses)


def _flags_outside(declared: Declarations, evaluator: Evaluator) -> None:
    """A flag is held by nobody, so no permission can be made of it; nor of what stands on no place."""
    for of, expression in evaluator.expressions.items():
        if of.startswith("default."):
            continue
        for name in _names(expression):
            relation = declared.relations.get(name.token.text) if not name.of_default else None
            if relation and relation.kind is Class.FLAG:
                raise name.token.error(f"{relation.name} is a flag: it marks a place and is held by nobody")
            if relation and not relation.targets & PLACE_TARGETS and name.token.text not in declared.permissions:
                raise name.token.error(f"{relation.name} stands on no tenant, bucket, prefix or object")


def _names(expression: Expression) -> list[Name]:
    match expression:
        case Name():
            return [expression]
        case Combined(_, operands):
            return [name for operand in operands for name in _names(operand)]
        case FromParent():
            return []


def _warnings(declared: Declarations, numbers: Mapping[str, int], permissions: Sequence[Permission]) -> tuple[str, ...]:
    given = taken = 0
    for permission in permissions:
        for clause in permission.clauses:
            given |= clause.some | clause.every
            taken |= clause.absent
    found = []
    for relation in sorted(declared.relations.values(), key=lambda r: numbers[r.name]):
        bit = 1 << numbers[relation.name]
        if relation.kind is Class.DENY and not taken & bit:
            found.append(f"deny relation {relation.name} takes nothing away: no permission excludes it")
        if relation.kind is Class.ALLOW and relation.targets & PLACE_TARGETS and not given & bit:
            found.append(f"relation {relation.name} gives nothing: no permission is made of it")
    return tuple(found)


def compile_schema(
    source: str,
    known: Mapping[str, tuple[int, Class]] | None = None,
    free: Sequence[int] = tuple(OWN_NUMBERS),
) -> Compiled:
    """Compiles a source.

    `known` has number and class of the own relations that the tenant's present schema declares: a relation that stays
    keeps its number. `free` are the numbers that new ones may get. Raises SchemaError.
    """
    tree = parse(source)
    is_default = source == default_source()
    declared = check(tree, None if is_default else default_declarations())
    numbers = _numbers(declared, known or {}, free)
    evaluator = Evaluator(declared, numbers)
    _flags_outside(declared, evaluator)
    terms = evaluator.run()
    asked: dict[str, Permission] = {}
    for name, line in declared.permissions.items():
        permission = _asked(name, terms[name], declared, numbers, line.token)
        if permission is None and name in ASKED:
            raise line.token.error(f"{name} consists of deny relations only, and S3 actions need it")
        if permission is not None:
            asked[name] = permission
    order = [*ASKED, *sorted(name for name in asked if name not in ASKED)]
    permissions = tuple(asked[name] for name in order)
    relations = sorted((Numbered(numbers[r.name], r) for r in declared.relations.values()), key=lambda n: n.number)
    return Compiled(tuple(relations), permissions, _warnings(declared, numbers, permissions))


__all__ = ["Compiled", "SchemaError", "compile_schema", "default_source"]
