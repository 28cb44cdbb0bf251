"""What a parsed schema is. Belongs here: shapes. Does not belong here: rules."""

from dataclasses import dataclass

from authz.schema.lexer import Token


@dataclass(frozen=True)
class Name:
    """A relation, a permission or `tenant_admin`; with `of_default`, the permission as the default schema has it."""

    token: Token
    of_default: bool = False


@dataclass(frozen=True)
class FromParent:
    """`parent->name`."""

    token: Token


@dataclass(frozen=True)
class Combined:
    """Two or more operands under one operator: `+`, `&`, or `-` with exactly two."""

    operator: str
    operands: tuple["Expression", ...]


Expression = Name | FromParent | Combined


@dataclass(frozen=True)
class Subject:
    """A subject type or an alias: `user`, `group#member`, `named`."""

    token: Token
    text: str


@dataclass(frozen=True)
class RelationLine:
    """`relation name: subjects`, `deny relation …`, or `flag name` (no subjects)."""

    token: Token
    deny: bool
    subjects: tuple[Subject, ...] | None


@dataclass(frozen=True)
class PermissionLine:
    """`permission name = expression`."""

    token: Token
    expression: Expression


@dataclass(frozen=True)
class Definition:
    """`definition type { … }`."""

    token: Token
    relations: tuple[RelationLine, ...]
    permissions: tuple[PermissionLine, ...]


@dataclass(frozen=True)
class Alias:
    """`subjects name = …`."""

    token: Token
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class Schema:
    """A whole file."""

    use_default: bool
    aliases: tuple[Alias, ...]
    definitions: tuple[Definition, ...]
