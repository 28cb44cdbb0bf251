"""Tokens to a tree. Belongs here: the grammar of docs/reference/schema.md. Does not belong here: what names mean."""

from typing import Final

from authz.schema.lexer import END, NAME, Token, tokens
from authz.schema.tree import (
    Alias,
    Combined,
    Definition,
    Expression,
    FromParent,
    Name,
    PermissionLine,
    RelationLine,
    Schema,
    Subject,
)
from authz.schema.words import DEPTH, KEYWORDS, TENANT_ADMIN

_OPERATORS: Final = ("+", "&", "-")


class _Parser:
    def __init__(self, source: str) -> None:
        self.tokens = tokens(source)
        self.at = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.here
        if token.kind != END:
            self.at += 1
        return token

    def accept(self, kind: str, text: str | None = None) -> bool:
        if self.here.kind == kind and (text is None or self.here.text == text):
            self.at += 1
            return True
        return False

    def expect(self, kind: str, what: str) -> Token:
        if self.here.kind != kind:
            raise self.here.error(f"{what} is missing: found {self.here.text!r}")
        return self.take()

    def name(self, what: str) -> Token:
        token = self.expect(NAME, what)
        if token.text in KEYWORDS:
            raise token.error(f"{token.text!r} is a word of the language and cannot be {what}")
        return token

    def schema(self) -> Schema:
        use_default = False
        aliases: list[Alias] = []
        definitions: list[Definition] = []
        while self.here.kind != END:
            token = self.take()
            match token.text:
                case "use":
                    if not self.accept(NAME, "default"):
                        raise self.here.error("`use` is followed by `default`: there is no other schema to use")
                    if use_default or aliases or definitions:
                        raise token.error("`use default` stands once, before everything else")
                    use_default = True
                case "subjects":
                    name = self.name("an alias")
                    self.expect("=", "`=`")
                    aliases.append(Alias(name, self.subjects()))
                case "definition":
                    definitions.append(self.definition())
                case _:
                    raise token.error(
                        f"found {token.text!r}; a schema consists of `use default`, `subjects name = …` and "
                        "`definition type { … }`"
                    )
        return Schema(use_default, tuple(aliases), tuple(definitions))

    def definition(self) -> Definition:
        token = self.expect(NAME, "a type")
        self.expect("{", "`{`")
        relations: list[RelationLine] = []
        permissions: list[PermissionLine] = []
        while not self.accept("}"):
            line = self.take()
            match line.text:
                case "relation":
                    relations.append(self.relation(deny=False))
                case "deny":
                    if not self.accept(NAME, "relation"):
                        raise self.here.error("`deny` is followed by `relation`")
                    relations.append(self.relation(deny=True))
                case "flag":
                    relations.append(RelationLine(self.name("a flag"), deny=False, subjects=None))
                case "permission":
                    name = self.name("a permission")
                    self.expect("=", "`=`")
                    permissions.append(PermissionLine(name, self.expression(0)))
                case _:
                    raise line.error(
                        f"found {line.text!r}; a definition consists of `relation name: types`, "
                        "`deny relation name: types`, `flag name` and `permission name = …`, and ends with `}`"
                    )
        return Definition(token, tuple(relations), tuple(permissions))

    def relation(self, *, deny: bool) -> RelationLine:
        name = self.name("a relation")
        self.expect(":", "`:` and the types that it can be granted to")
        return RelationLine(name, deny, self.subjects())

    def subjects(self) -> tuple[Subject, ...]:
        found = [self.subject()]
        while self.accept("|"):
            found.append(self.subject())
        return tuple(found)

    def subject(self) -> Subject:
        token = self.expect(NAME, "a subject type")
        if not self.accept("#"):
            return Subject(token, token.text)
        return Subject(token, f"{token.text}#{self.expect(NAME, 'what the subjects are to it').text}")

    def expression(self, depth: int) -> Expression:
        operands = [self.operand(depth)]
        if self.here.kind not in _OPERATORS:
            return operands[0]
        operator = self.here.kind
        while self.here.kind in _OPERATORS:
            token = self.take()
            if token.kind != operator:
                raise token.error(
                    f"`{operator}` and `{token.kind}` stand side by side: put parentheses around what belongs together"
                )
            if operator == "-" and len(operands) == 2:
                raise token.error("a second `-`: write `a - (b + c)`, or parentheses around what belongs together")
            operands.append(self.operand(depth))
        return Combined(operator, tuple(operands))

    def operand(self, depth: int) -> Expression:
        if self.here.kind == "(":
            opened = self.take()
            if depth == DEPTH:
                raise opened.error(f"parentheses more than {DEPTH} deep; name a part of it as a permission")
            inner = self.expression(depth + 1)
            self.expect(")", f"`)` for the `(` of line {opened.line}, column {opened.column}")
            return inner
        token = self.expect(NAME, "a relation or a permission")
        if token.text == "default":
            self.expect(".", "`.` (as in `default.read`)")
            return Name(self.name("a permission"), of_default=True)
        if self.accept("->"):
            if token.text != "parent":
                raise token.error(
                    f"`{token.text}->…` cannot be evaluated: arrows go over `parent` only. To reach the members of a "
                    "group, let the relation take `group#member` and grant it to the group; roles alike with "
                    "`role#assignee`"
                )
            return FromParent(self.name("a relation or a permission"))
        if token.text in KEYWORDS and token.text != TENANT_ADMIN:
            raise token.error(f"{token.text!r} is a word of the language, not a relation or a permission")
        return Name(token)


def parse(source: str) -> Schema:
    """The tree of a source. Raises SchemaError."""
    return _Parser(source).schema()
