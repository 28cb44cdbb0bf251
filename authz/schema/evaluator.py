"""Permissions to terms: what each is made of, in strata, with circles as fixpoints.

Belongs here: what names and arrows in expressions mean. Does not belong here: which relation may stand on which side of
an exclusion, clauses, bytes (`compiler`).
"""

from collections.abc import Mapping

from authz.schema import logic
from authz.schema.checker import Declarations, closest
from authz.schema.default import default_declarations
from authz.schema.lexer import Token
from authz.schema.logic import NEVER, Term, Terms
from authz.schema.tree import Combined, Expression, FromParent, Name
from authz.schema.words import BUILT_IN, TENANT_ADMIN, TENANT_ADMIN_BIT


class Evaluator:
    """Terms of every permission. `default.name` stands under that very text, beside the names in force."""

    def __init__(self, declared: Declarations, numbers: Mapping[str, int]) -> None:
        self.declared = declared
        self.numbers = numbers
        self.expressions = {name: line.expression for name, line in declared.permissions.items()}
        self.tokens = {name: line.token for name, line in declared.permissions.items()}
        for name, line in default_declarations().permissions.items():
            self.expressions[f"default.{name}"] = line.expression
        self.terms: dict[str, Terms] = {}
        self.edges: dict[str, dict[str, Name]] = {}
        self.negative: set[tuple[str, str]] = set()

    def key(self, name: Name, of: str) -> str:
        """The permission a name means inside the permission `of`."""
        text = name.token.text
        return f"default.{text}" if name.of_default or of.startswith("default.") else text

    def is_relation(self, name: Name) -> bool:
        """Whether a name means a relation; one that is a permission too is the relation."""
        text = name.token.text
        return not name.of_default and (text in self.numbers or text == TENANT_ADMIN)

    def find(self, name: Name, of: str) -> str:
        """The permission a name means. SchemaError when there is none."""
        key = self.key(name, of)
        if key not in self.expressions:
            known = [*self.declared.relations, *self.declared.permissions, TENANT_ADMIN]
            if name.of_default:
                raise name.token.error(f"the default schema has no permission {name.token.text}")
            if name.token.text in BUILT_IN:
                raise self.place(name.token, of).error(
                    f"{name.token.text} is built in, but this schema does not declare it"
                )
            raise self.place(name.token, of).error(
                f"nothing is called {name.token.text!r}; {closest(name.token.text, known)}"
            )
        return key

    def place(self, token: Token, of: str) -> Token:
        """Where to report: inside the file, even if the name stands in the default schema."""
        if of.startswith("default.") or of not in self.tokens:
            return Token(token.kind, token.text, 1, 1)
        if self.declared.permissions[of] is default_declarations().permissions.get(of):
            return Token(token.kind, token.text, 1, 1)
        return token

    def depend(self, expression: Expression, of: str, *, negative: bool) -> None:
        """Notes what a permission is made of."""
        match expression:
            case Name():
                if not self.is_relation(expression):
                    key = self.find(expression, of)
                    self.edges.setdefault(of, {}).setdefault(key, expression)
                    if negative:
                        self.negative.add((of, key))
            case Combined(operator, operands):
                for i, operand in enumerate(operands):
                    self.depend(operand, of, negative=negative ^ (operator == "-" and i == 1))
            case FromParent():
                pass

    def reach(self, start: str) -> set[str]:
        """All permissions one is made of, directly and through others."""
        seen, todo = set[str](), [start]
        while todo:
            for key in self.edges.get(todo.pop(), {}):
                if key not in seen:
                    seen.add(key)
                    todo.append(key)
        return seen

    def run(self) -> dict[str, Terms]:
        """Fixpoints of all permissions, lower strata first. Raises SchemaError."""
        for name, expression in self.expressions.items():
            if not name.startswith("default."):
                self.depend(expression, name, negative=False)
        for name in [key for of in list(self.edges.values()) for key in of if key.startswith("default.")]:
            self._depend_default(name)
        reach = {name: self.reach(name) for name in self.edges}
        for of, key in sorted(self.negative):
            if of in reach.get(key, set()) or of == key:
                raise self.place(self.edges[of][key].token, of).error(
                    f"{of} excludes {key}, which itself depends on {of}: "
                    "a permission cannot take away what it is made of"
                )
        wanted = [*self.declared.permissions, *{k for keys in self.edges.values() for k in keys}]
        order = sorted(set(wanted), key=lambda n: (len(reach.get(n, ())), n))
        done: set[str] = set()
        for name in order:
            if name not in done:
                circle = sorted({k for k in reach.get(name, set()) if name in reach.get(k, set())} | {name})
                self._fixpoint(circle)
                done.update(circle)
        return self.terms

    def _depend_default(self, name: str) -> None:
        if name not in self.edges and name in self.expressions:
            self.edges[name] = {}
            self.depend(self.expressions[name], name, negative=False)
            for key in list(self.edges[name]):
                self._depend_default(key)

    def _fixpoint(self, circle: list[str]) -> None:
        for name in circle:
            self.terms[name] = NEVER
        while True:
            before = [self.terms[name] for name in circle]
            for name in circle:
                try:
                    self.terms[name] = self.evaluate(self.expressions[name], name)
                except logic.TooManyTermsError:
                    token = self.tokens.get(name, Token("name", name, 1, 1))
                    raise token.error(f"{name} is too large when it is multiplied out: make it simpler") from None
            if before == [self.terms[name] for name in circle]:
                return

    def evaluate(self, expression: Expression, of: str, siblings: tuple[Expression, ...] = ()) -> Terms:
        """What an expression inside the permission `of` means, as far as the permissions are known yet."""
        match expression:
            case Name(token):
                return self._name(expression, token, of)
            case FromParent(token):
                return self._from_parent(token, of, siblings)
            case Combined("-", (first, second)):
                absent = logic.complement(self.evaluate(second, of))
                return logic.intersection([self.evaluate(first, of), absent])
            case Combined(operator, operands):
                together = operands if operator == "+" else ()
                sides = [self.evaluate(operand, of, together) for operand in operands]
                return logic.union(sides) if operator == "+" else logic.intersection(sides)

    def _name(self, name: Name, token: Token, of: str) -> Terms:
        if token.text == TENANT_ADMIN:
            return frozenset({Term(TENANT_ADMIN_BIT, 0)})
        if self.is_relation(name):
            return frozenset({Term(1 << self.numbers[token.text], 0)})
        return self.terms.get(self.find(name, of), NEVER)

    def _from_parent(self, token: Token, of: str, siblings: tuple[Expression, ...]) -> Terms:
        """`x + parent->x` is `x`: what is granted above holds below. Anything else has no form in the engine."""
        name = token.text
        beside = any(isinstance(s, Name) and not s.of_default and s.token.text == name for s in siblings)
        if not beside and name != of:
            raise token.error(
                f"`parent->{name}` by itself cannot be evaluated: what is granted on a parent holds below it, so "
                f"`{name}` already means here or above; write `{name}`, or `{name} + parent->{name}`"
            )
        if name == of and name not in self.numbers and not siblings:
            raise token.error(f"`parent->{name}` stands in a union: `… + parent->{name}`")
        value = self.terms.get(name, NEVER) if name not in self.numbers else NEVER
        if name not in self.numbers:
            self.find(Name(token), of)
        if any(term.absent for term in value):
            raise token.error(
                f"`parent->{name}` cannot be evaluated, because {name} takes something away: give the part that is "
                "granted a permission of its own, and take away from that"
            )
        return NEVER
