"""The schema language: what is understood, what is refused and where, golden bytes, truth tables."""

import itertools
import random
from pathlib import Path

import pytest

from authz.schema import Class, SchemaError, compile_schema, default_source, words
from authz.schema.logic import Term, clauses, complement, minimal
from authz.schema.parser import parse
from authz.schema.tree import Combined, FromParent, Name

VECTORS = Path(__file__).parents[1] / "vectors" / "schema"


def place(*lines):
    """A schema over the default one whose places have these lines too."""
    return "use default\ndefinition place {\n" + "\n".join(lines) + "\n}\n"


def clauses_of(source, name):
    found = {p.name: p.clauses for p in compile_schema(source).permissions}
    return {(c.some, c.every, c.absent) for c in found[name]}


def test_the_default_schema_compiles_to_what_the_engine_has_built_in():
    compiled = compile_schema(default_source())
    assert compiled.encode().hex() == "".join((VECTORS / "default.hex").read_text().split())
    assert compiled.warnings == ()


def test_to_use_the_default_is_to_have_it():
    assert compile_schema("use default").encode() == compile_schema(default_source()).encode()


def test_the_bytes_of_a_schema_with_everything_never_change():
    source = (VECTORS / "everything.schema").read_text()
    expected = "".join((VECTORS / "everything.hex").read_text().split())
    assert compile_schema(source).encode().hex() == expected


AUDITOR, BANNED, READER = 1 << 19, 1 << 20, 1 << 2
FULL, DENY_ALL, DENY_READ = 3, 1 << 12, 1 << 8
TWO = ("relation auditor: user | group#member", "deny relation banned: user")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("auditor", {(AUDITOR, 0, 0)}),
        ("auditor + reader", {(AUDITOR | READER, 0, 0)}),
        ("auditor & reader", {(AUDITOR, READER, 0), (READER, AUDITOR, 0)}),
        ("auditor - banned", {(AUDITOR, 0, BANNED)}),
        ("auditor - (banned + deny_all)", {(AUDITOR, 0, BANNED | DENY_ALL)}),
        ("auditor - (banned & deny_all)", {(AUDITOR, 0, BANNED), (AUDITOR, 0, DENY_ALL)}),
        ("auditor + auditor", {(AUDITOR, 0, 0)}),
        ("auditor + (auditor & reader)", {(AUDITOR, 0, 0)}),
        ("auditor - (banned - reader)", {(AUDITOR, 0, BANNED), (READER, AUDITOR, 0), (AUDITOR, READER, 0)}),
        ("tenant_admin - banned", {(1 << 30, 0, BANNED)}),
        ("default.read + (auditor - banned)", {(FULL | READER, 0, DENY_READ | DENY_ALL), (AUDITOR, 0, BANNED)}),
        ("auditor + parent->auditor", {(AUDITOR, 0, 0)}),
        ("auditor + parent->x", {(AUDITOR, 0, 0)}),
        ("((auditor))", {(AUDITOR, 0, 0)}),
    ],
)
def test_expressions(expression, expected):
    found = clauses_of(place(*TWO, f"permission x = {expression}"), "x")
    held = {(some | every if not some & (some - 1) else some, absent) for some, every, absent in found}
    wanted = {(some | every if not some & (some - 1) else some, absent) for some, every, absent in expected}
    assert held == wanted


def test_a_permission_that_is_redefined_is_what_others_are_made_of():
    source = place(*TWO, "permission read = default.read + (auditor - deny_all)")
    assert (AUDITOR, 0, DENY_ALL) in clauses_of(source, "read")
    # discover = list + (read - deny_list), of the default schema, follows.
    assert any(some & AUDITOR and absent == DENY_ALL | 1 << 11 for some, _, absent in clauses_of(source, "discover"))


def test_permissions_may_be_made_of_one_another_in_circles_without_exclusion():
    source = place(*TWO, "permission x = auditor + y", "permission y = reader + x")
    assert clauses_of(source, "x") == clauses_of(source, "y") == {(AUDITOR | READER, 0, 0)}


def test_denies_can_have_a_name():
    source = place(*TWO, "permission stopped = banned + deny_all + parent->stopped", "permission x = auditor - stopped")
    assert clauses_of(source, "x") == {(AUDITOR, 0, BANNED | DENY_ALL)}
    assert "stopped" not in {p.name for p in compile_schema(source).permissions}, "nobody can ask it"


def test_numbers_stay_with_their_names_and_new_ones_come_from_what_is_free():
    source = place("relation b: user", "relation a: user", "deny relation c: user", "permission x = a + b")
    known = {"b": (22, Class.ALLOW), "c": (20, Class.ALLOW), "gone": (19, Class.ALLOW)}
    compiled = compile_schema(source, known, [23, 25])
    own = {n.relation.name: n.number for n in compiled.relations if n.number >= 19}
    assert own == {"a": 23, "b": 22, "c": 25}, "c takes away now: that is another relation"
    with pytest.raises(SchemaError, match="no number is left"):
        compile_schema(source, known, [23])


def test_what_has_no_effect_is_told():
    warnings = compile_schema(place(*TWO)).warnings
    assert [w.split(":")[0] for w in warnings] == [
        "relation auditor gives nothing",
        "deny relation banned takes nothing away",
    ]


def test_a_built_in_relation_can_be_narrowed():
    compiled = compile_schema("use default\ndefinition bucket { relation reader: user | group#member }")
    reader = next(n.relation for n in compiled.relations if n.number == 2)
    assert (reader.targets, reader.subjects) == (2, 1 << 4 | 1 << 6)


X = "permission x = "
ERRORS = [
    ("use defaults", (1, 5), "followed by `default`"),
    ("definition place {}\nuse default", (2, 1), "stands once, before everything else"),
    ("use default\nuse default", (2, 1), "stands once"),
    ("schema place {}", (1, 1), "`definition type { … }`"),
    ("definition place {", (1, 19), "ends with `}`"),
    ("definition {", (1, 12), "a type is missing"),
    ("definition place [", (1, 18), "'[' stands for nothing here"),
    ("definition bukket {}", (1, 12), "did you mean 'bucket'?"),
    ("definition user {}", (1, 12), "leave the definition out"),
    ("definition bucket {}\ndefinition bucket {}", (2, 12), "defined twice"),
    ("definition place { relation a user }", (1, 31), "`:` and the types"),
    ("definition place { relation a: }", (1, 32), "a subject type is missing"),
    ("definition place { relation a: users }", (1, 32), "did you mean 'user'?"),
    ("definition place { relation a: group }", (1, 32), "write group#member"),
    ("definition place { relation a: group#members }", (1, 32), "no subject type"),
    ("definition place { relation a: user:* }", (1, 37), "`type:*` is not needed"),
    ("definition place { relation a: user, group#member }", (1, 36), "separated by `|`"),
    ("definition place { relation permission: user }", (1, 29), "word of the language"),
    ("definition place { deny reader: user }", (1, 25), "`deny` is followed by `relation`"),
    ("definition place { flag marked }", (1, 25), "flags are built in"),
    ("definition place { relation reader: user }", (1, 1), "permission read is missing"),
    ("subjects a = user\nsubjects a = user", (2, 10), "already a name"),
    ("subjects user = user", (1, 10), "already a name"),
    ("/* no end", (1, 1), "close it with */"),
    ("definition Place {}", (1, 12), "names are a-z"),
    ("definition place { relation a: user; }", (1, 36), "leave `;` out"),
    (place("relation a: user", "relation a: user"), (4, 10), "declared twice for tenant, bucket, prefix, object"),
    (place("relation owner: user") + "definition share { relation owner: share }", (5, 29), "wherever it stands"),
    ("use default\ndefinition group { relation a: user }", (2, 29), "not on group"),
    (
        "use default\ndefinition bucket { relation a: user }\ndefinition prefix { deny relation a: user }",
        (3, 35),
        "one relation",
    ),
    (place("deny relation reader: user"), (3, 15), "built in as a relation"),
    (place("relation admin: user"), (3, 10), "narrowed, not widened"),
    ("use default\ndefinition group { relation member: share }", (2, 29), "cannot be granted to share"),
    ("use default\ndefinition bucket { permission x = reader }", (2, 32), "`definition place`"),
    (place("permission x = reader", "permission x = reader"), (4, 12), "declared twice"),
    (place("permission reader = owner"), (3, 12), "is a relation too"),
    (place(X + "reader + writer & owner"), (3, 32), "put parentheses"),
    (place(X + "reader - deny_all - deny_read"), (3, 34), "a second `-`"),
    (place(X + "(reader"), (4, 1), "for the `(` of line 3, column 16"),
    (place(X), (4, 1), "a relation or a permission is missing"),
    (place(X + "redaer"), (3, 16), "did you mean 'reader'?"),
    (place(X + "default.reed"), (3, 24), "no permission reed"),
    (place(X + "!reader"), (3, 16), "write `a - b`"),
    (place(X + "project->manager"), (3, 16), "arrows go over `parent` only"),
    (place(X + "parent->reader"), (3, 24), "`reader` already means here or above"),
    (place(X + "reader + parent->writer"), (3, 33), "by itself cannot be evaluated"),
    (place(X + "read + parent->read"), (3, 31), "read takes something away"),
    (place(X + "parent->x"), (3, 24), "stands in a union"),
    (place(X + "reader - writer"), (3, 12), "no deny relation"),
    (place(X + "reader + deny_all"), (3, 12), "stands after `-` only"),
    (place(X + "isolated"), (3, 16), "is a flag"),
    (place(X + "member"), (3, 16), "stands on no tenant"),
    (place(X + "reader - y", "permission y = deny_all + x"), (3, 25), "x excludes y, which itself depends on x"),
    (place(X + "reader - x"), (3, 25), "cannot take away what it is made of"),
    (place("permission read = deny_all"), (3, 12), "consists of deny relations only"),
    (place(X + "definition"), (3, 16), "word of the language"),
]


@pytest.mark.parametrize(("source", "where", "words_of_it"), ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_say_where_and_what_would_be_right(source, where, words_of_it):
    with pytest.raises(SchemaError) as caught:
        compile_schema(source)
    assert words_of_it in caught.value.message
    assert (caught.value.line, caught.value.column) == where, str(caught.value)


def test_limits_at_n_and_refused_at_n_plus_1():
    def refused(source, message):
        with pytest.raises(SchemaError, match=message):
            compile_schema(source)

    base = "use default\n"
    compile_schema(base + "/" * (words.SOURCE_BYTES - len(base)))
    refused(base + "/" * (words.SOURCE_BYTES - len(base) + 1), f"{words.SOURCE_BYTES} can be")
    compile_schema(place(f"relation {'a' * words.NAME_CHARS}: user"))
    refused(place(f"relation {'a' * (words.NAME_CHARS + 1)}: user"), f"{words.NAME_CHARS} can be")
    own = [f"relation r{i}: user" for i in range(words.OWN_RELATIONS + 1)]
    compile_schema(place(*own[:-1]))
    refused(place(*own), f"{words.OWN_RELATIONS} can be")
    more = [f"permission p{i} = reader" for i in range(words.PERMISSIONS - len(words.ASKED) + 1)]
    compile_schema(place(*more[:-1]))
    refused(place(*more), f"{words.PERMISSIONS} can be")
    nested = "(" * words.DEPTH + "reader" + ")" * words.DEPTH
    compile_schema(place(X + nested))
    refused(place(X + f"({nested})"), f"more than {words.DEPTH} deep")


def test_a_permission_of_too_many_clauses_is_refused():
    pairs = [f"(r{i} & r{i + 5} & reader)" for i in range(5)]
    own = [f"relation r{i}: user" for i in range(10)]
    assert len(clauses_of(place(*own, X + " + ".join(pairs)), "x")) <= words.CLAUSES
    # Any three of ten: 120 terms, which no 16 clauses can say.
    threes = itertools.combinations([f"r{i}" for i in range(10)], 3)
    with pytest.raises(SchemaError, match=f"{words.CLAUSES} can be"):
        compile_schema(place(*own, X + " + ".join(f"({' & '.join(t)})" for t in threes)))


def test_what_would_take_for_ever_to_multiply_out_is_refused():
    # Five times one of three allows, three times one of three denies: 3 to the power of 8 terms.
    names = [*(f"r{i}" for i in range(7)), *"owner admin reader writer deleter lister sharer compliance".split()]
    denies = [*(f"d{i}" for i in range(4)), *"deny_read deny_write deny_delete deny_list deny_all".split()]
    given = " & ".join(f"({' + '.join(names[i : i + 3])})" for i in range(0, 15, 3))
    taken = " + ".join(f"({' & '.join(denies[i : i + 3])})" for i in range(0, 9, 3))
    own = [f"relation r{i}: user" for i in range(7)] + [f"deny relation d{i}: user" for i in range(4)]
    with pytest.raises(SchemaError, match="too large when it is multiplied out"):
        compile_schema(place(*own, X + f"({given}) - ({taken})"))


def holds(expression, held):
    """The meaning of an expression, by its definition; every name is a relation."""
    match expression:
        case Name(token):
            return token.text in held
        case Combined("+", operands):
            return any(holds(o, held) for o in operands)
        case Combined("&", operands):
            return all(holds(o, held) for o in operands)
        case Combined("-", (a, b)):
            return holds(a, held) and not holds(b, held)
        case FromParent():
            raise AssertionError
    raise AssertionError


ALLOWS = ["reader", "writer", "owner", "r0", "r1"]
DENIES = ["deny_all", "deny_read", "d0"]


def random_expression(rng, depth, *, positive=True):
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(ALLOWS if positive else DENIES)
    operator = rng.choice("+&-")
    count = 2 if operator == "-" else rng.randint(2, 3)
    parts = [random_expression(rng, depth - 1, positive=positive != (operator == "-" and i == 1)) for i in range(count)]
    return "(" + f" {operator} ".join(parts) + ")"


@pytest.mark.parametrize("seed", range(150))
def test_clauses_mean_what_the_expression_says_in_every_world(seed):
    rng = random.Random(seed)
    expression = random_expression(rng, 3)
    source = place("relation r0: user", "relation r1: user", "deny relation d0: user", X + expression)
    try:
        compiled = compile_schema(source)
    except SchemaError as error:
        assert f"{words.CLAUSES} can be" in error.message
        return
    numbers = {n.relation.name: n.number for n in compiled.relations}
    x = next(p for p in compiled.permissions if p.name == "x")
    tree = parse(source).definitions[0].permissions[0].expression
    for size in range(len(ALLOWS + DENIES) + 1):
        for held in itertools.combinations(ALLOWS + DENIES, size):
            mask = sum(1 << numbers[name] for name in held)
            executed = any(mask & c.some and mask & c.every == c.every and not mask & c.absent for c in x.clauses)
            assert executed == holds(tree, set(held)), f"seed {seed}: {expression} with {held}"


@pytest.mark.parametrize("seed", range(50))
def test_the_same_meaning_packs_into_the_same_clauses(seed):
    rng = random.Random(seed)
    terms = [Term(rng.randint(1, 31), rng.randint(0, 7) << 8) for _ in range(rng.randint(1, 8))]
    packed = clauses(minimal(terms))
    rng.shuffle(terms)
    assert clauses(minimal(terms)) == packed
    assert complement(complement(minimal(terms))) == minimal(terms)


PIECES = (VECTORS / "everything.schema").read_text().split()


@pytest.mark.parametrize("seed", range(300))
def test_whatever_is_written_compiles_or_is_refused_with_a_place(seed):
    rng = random.Random(seed)
    if seed % 3 == 0:
        text = "".join(
            chr(rng.choice([rng.randint(0, 127), rng.randint(0, 0x10FFFF)])) for _ in range(rng.randint(0, 80))
        )
    else:
        pieces = list(PIECES)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(pieces))
            pieces[at : at + rng.randint(0, 3)] = rng.choices(
                [*PIECES, *"(){}+-&|:#.->", "parent"], k=rng.randint(0, 3)
            )
        text = "\n".join(pieces) if rng.random() < 0.5 else " ".join(pieces)
    try:
        compile_schema(text)
    except SchemaError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert 1 <= error.column <= len(text) + 1
