"""Writes `tests/vectors/policy/`: `python tests/vectors/make_policies.py`.

`evaluation.json`: the tables of `policy_tables.py` and `policy_statements.py`, whose answers were written by hand, each
with the bytes the compiler makes of it. `random.json`: policies and questions from a seed, answered by the naive
evaluator. `sids.json`: what explain and Block Public Access need. `names.json`: the closed lists of actions and keys.
Python compiles and compares the bytes, Rust evaluates them (`crates/authz/tests/policies`).
"""

import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "authz")]

import naive_policy  # noqa: E402
import policy_random  # noqa: E402
import policy_statements as whole  # noqa: E402
import policy_tables as tables  # noqa: E402
from policy_world import PEOPLE, compiled  # noqa: E402

from authz.policy.actions import ACTIONS  # noqa: E402
from authz.policy.compiler import COMPILER_VERSION  # noqa: E402
from authz.policy.keys import KEYS  # noqa: E402

FOLDER = HERE / "policy"
SEED, RANDOM_CASES = 20_261_125, 600


def case(name, document, asked, answer, *, identity=False):
    """One case as it is stored; `asked` is who, action, bucket, key, context."""
    who, action, bucket, key, context = asked
    return {
        "name": name, "identity": identity, "document": document, "principal": PEOPLE[who], "action": action,
        "bucket": bucket, "key": key, "context": context, "answer": answer,
        "compiled": compiled(document, identity=identity).hex(),
    }  # fmt: skip


def condition_cases():
    """A row asks both ways: in a statement that allows, and in one that denies."""
    for group, rows in tables.CONDITIONS.items():
        for number, (operator, key, wanted, context, holds) in enumerate(rows):
            for effect, applies in (("Allow", holds == tables.T), ("Deny", holds != tables.F)):
                statement = whole.st(effect, Condition={operator: {key: wanted}})
                answer = f"{effect.lower()} 0" if applies else "neither"
                document = {"Version": "2012-10-17", "Statement": [statement]}
                yield case(
                    f"{group} {number} {operator} {effect}", document, ("alice", whole.GET, "b", "k", context), answer
                )


def whole_cases():
    """Policies with the answers to one question each."""
    for rows, identity in ((whole.BUCKET, False), (whole.IDENTITY, True)):
        for name, statements, who, action, bucket, key, context, answer, version in rows:
            document = {} if version is None else {"Version": version}
            document["Statement"] = statements
            yield case(name, document, (who, action, bucket, key, context), answer, identity=identity)


def sid_cases():
    """What of a policy is recovered without a question: Sids, whether it is public."""
    for sids, principal, public in (
        (["", "Two", "Größe und Länge"], "*", True),
        (["One"], {"AWS": whole.ALICE}, False),
        (["S" * 300, ""], {"Service": "x.amazonaws.com"}, False),
    ):
        statements = [whole.st(principal=principal, Sid=sid) for sid in sids]
        document = {"Version": "2012-10-17", "Statement": statements}
        made = case(f"{len(sids)} sids", document, ("alice", whole.GET, "b", "k", {}), "")
        yield made | {"sids": sids, "public": public}


def random_cases():
    """Cases from the seed; the naive evaluator answers."""
    chance = random.Random(SEED)
    for number in range(RANDOM_CASES):
        document, who, action, key, context = policy_random.question(chance.choice)
        made = case(f"random {number}", document, (who, action, "b", key, context), "")
        yield made | {"answer": naive_policy.evaluate(made)}


def write(name, content):
    """One case a line: a change is seen as one."""
    lines = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in content)
    (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", "utf-8")


def main():
    """Writes every file."""
    FOLDER.mkdir(exist_ok=True)
    write("evaluation", [*condition_cases(), *whole_cases()])
    write("random", random_cases())
    write("sids", sid_cases())
    names = {"version": COMPILER_VERSION, "actions": ACTIONS, "keys": KEYS}
    (FOLDER / "names.json").write_text(json.dumps(names, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
