"""What the names of a schema mean: relations merged over definitions and held against the engine's, permissions found.

Belongs here: every rule about declarations. Does not belong here: expressions (`compiler`).
"""

from dataclasses import dataclass, field
from difflib import get_close_matches

from authz.schema.lexer import Token
from authz.schema.tree import Alias, Definition, PermissionLine, RelationLine, Schema, Subject
from authz.schema.words import (
    ASKED,
    BUILT_IN,
    ITSELF,
    OWN_RELATIONS,
    PERMISSIONS,
    PLACE,
    PLACE_TARGETS,
    SUBJECTS,
    TARGETS,
    Class,
    SchemaError,
    subjects_text,
    targets_text,
)


@dataclass(frozen=True)
class Relation:
    """A declared relation, over all definitions."""

    name: str
    kind: Class
    targets: int
    subjects: int
    token: Token


@dataclass
class Declarations:
    """What a schema declares, by name."""

    relations: dict[str, Relation] = field(default_factory=dict)
    permissions: dict[str, PermissionLine] = field(default_factory=dict)


def closest(name: str, names: list[str]) -> str:
    """The end of a message about an unknown name."""
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"


def _aliases(lines: tuple[Alias, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        name = line.token.text
        if name in found or name in SUBJECTS:
            raise line.token.error(f"{name!r} is already a name for subjects")
        found[name] = _subjects(line.subjects, found)
    return found


def _subjects(parts: tuple[Subject, ...], aliases: dict[str, int]) -> int:
    found = 0
    for part in parts:
        bits = SUBJECTS.get(part.text, aliases.get(part.text, 0))
        if bits:
            found |= bits
            continue
        whole = next((name for name in SUBJECTS if name.startswith(f"{part.text}#")), None)
        if whole:
            raise part.token.error(f"a {part.text} itself is no subject: write {whole}")
        raise part.token.error(f"{part.text!r} is no subject type; {closest(part.text, [*SUBJECTS, *aliases])}")
    return found


def _kind(line: RelationLine) -> Class:
    if line.subjects is None:
        return Class.FLAG
    return Class.DENY if line.deny else Class.ALLOW


def _words(kind: Class) -> str:
    return {Class.ALLOW: "relation", Class.DENY: "deny relation", Class.FLAG: "flag"}[kind]


def _targets(definition: Definition) -> int:
    name = definition.token.text
    if name == PLACE:
        return PLACE_TARGETS
    if name in TARGETS:
        return TARGETS[name]
    if name in {"user", "service"}:
        raise definition.token.error(f"a {name} has no relations: leave the definition out")
    raise definition.token.error(f"{name!r} is no type; {closest(name, [PLACE, *TARGETS])}")


def _against_engine(relation: Relation) -> None:
    built_in = BUILT_IN.get(relation.name)
    error = relation.token.error
    if built_in is None:
        if relation.kind is Class.FLAG:
            raise error("flags are built in: there are isolated, exported and open")
        if relation.targets & ~PLACE_TARGETS:
            wrong = targets_text(relation.targets & ~PLACE_TARGETS)
            raise error(f"relations of one's own stand on {targets_text(PLACE_TARGETS)}, not on {wrong}")
        return
    if relation.kind is not built_in.kind:
        raise error(f"{relation.name} is built in as a {_words(built_in.kind)}: declare it so, or choose another name")
    if too_far := relation.targets & ~built_in.targets:
        raise error(
            f"{relation.name} is built in for {targets_text(built_in.targets)}, not for {targets_text(too_far)}: "
            "built-in relations can be narrowed, not widened; declare one of your own"
        )
    if too_many := relation.subjects & ~built_in.subjects:
        raise error(
            f"{relation.name} cannot be granted to {subjects_text(too_many)}, only to "
            f"{subjects_text(built_in.subjects)}"
        )


def _own(schema: Schema, aliases: dict[str, int]) -> Declarations:
    """Declarations of the file itself."""
    found = Declarations()
    defined: set[str] = set()
    for definition in schema.definitions:
        name, targets = definition.token.text, _targets(definition)
        if name in defined:
            raise definition.token.error(f"{name} is defined twice: put everything into one definition")
        defined.add(name)
        for line in definition.relations:
            _add_relation(found, line, targets, aliases)
        for permission in definition.permissions:
            token = permission.token
            if name != PLACE:
                raise token.error(
                    f"permissions are the same on tenants, buckets, prefixes and objects: declare {token.text} in "
                    "`definition place`"
                )
            if token.text in found.permissions:
                raise token.error(f"permission {token.text} is declared twice")
            found.permissions[token.text] = permission
    return found


def _add_relation(found: Declarations, line: RelationLine, targets: int, aliases: dict[str, int]) -> None:
    token = line.token
    subjects = ITSELF if line.subjects is None else _subjects(line.subjects, aliases)
    new = Relation(token.text, _kind(line), targets, subjects, token)
    if known := found.relations.get(token.text):
        if known.targets & targets:
            raise token.error(f"{token.text} is declared twice for {targets_text(known.targets & targets)}")
        if (known.kind, known.subjects) != (new.kind, subjects):
            raise token.error(
                f"{token.text} is one relation wherever it stands: line {known.token.line} has it as "
                f"{_words(known.kind)} for {subjects_text(known.subjects) or 'itself'}"
            )
        new = Relation(token.text, new.kind, known.targets | targets, subjects, known.token)
    found.relations[token.text] = new


def check(schema: Schema, default: Declarations | None) -> Declarations:
    """The declarations in force: the file's own over those of the default schema, when it uses that. SchemaError."""
    # The default's aliases are its own: a file writes what it means.
    own = _own(schema, _aliases(schema.aliases))
    base = default if schema.use_default and default is not None else Declarations()
    found = Declarations({**base.relations, **own.relations}, {**base.permissions, **own.permissions})
    for relation in own.relations.values():
        _against_engine(relation)
    additional = [r for r in found.relations.values() if r.name not in BUILT_IN]
    if len(additional) > OWN_RELATIONS:
        raise additional[OWN_RELATIONS].token.error(
            f"{len(additional)} relations beside the built-in ones; {OWN_RELATIONS} can be"
        )
    if len(found.permissions) > PERMISSIONS:
        last = list(own.permissions.values())[-1]
        raise last.token.error(f"{len(found.permissions)} permissions; {PERMISSIONS} can be")
    for name, permission in own.permissions.items():
        if name in found.relations and (name not in ASKED or name not in BUILT_IN):
            raise permission.token.error(f"{name} is a relation too: give the permission another name")
    missing = [name for name in ASKED if name not in found.permissions]
    if missing:
        raise SchemaError(
            f"permission {missing[0]} is missing: S3 actions need {', '.join(ASKED)}; begin with `use default` to have "
            "those of the default schema",
            1,
            1,
        )
    return found
