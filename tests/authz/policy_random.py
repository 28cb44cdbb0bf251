"""Random policies and questions, small enough that statements meet. `choose` picks one of a list."""

ACCOUNTS = ("000000000001", "000000000002")
NAMES = [
    "*",
    *ACCOUNTS,
    *(f"arn:aws:iam::{account}:root" for account in ACCOUNTS),
    "arn:aws:iam::000000000001:user/alice",
    "arn:aws:iam::000000000001:user/bob",
    "arn:aws:iam::000000000002:user/carol",
    "arn:aws:iam::000000000001:role/dev",
]
ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectTagging"]
PATTERNS = ["s3:*", "s3:Get*", "*", "s3:?etObject", "s3:*Object", "s3:P*t"]
PATHS = ["*", "a/*", "*/b", "a?b", "${aws:username}/*", "*a*b*", "${aws:PrincipalTag/t, 'x'}*", "k", "${*}", "é?", "*é"]
WORDS = ["a", "ab", "", "a*", "?", "*", "alice", "${aws:username}", "${aws:username, 'a'}", "A", "é", "${$}", "*b*a*"]
OPERATORS = [
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
]
QUALIFIERS = ["", "", "ForAllValues:", "ForAnyValue:"]
TEXT_KEYS = ["aws:UserAgent", "aws:username", "s3:RequestObjectTagKeys", "s3:ExistingObjectTag/t", "aws:PrincipalTag/t"]
OTHERS = [
    (
        "Numeric",
        ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"],
        "s3:max-keys",
        ["1", "2", "2.5"],
    ),
    (
        "Date",
        ["Equals", "NotEquals", "LessThan", "GreaterThanEquals"],
        "aws:CurrentTime",
        ["2020-01-01", "2020-01-01T00:00:01Z"],
    ),
    ("", ["IpAddress", "NotIpAddress"], "aws:SourceIp", ["10.0.0.0/8", "10.0.0.1", "::/0"]),
    (
        "Arn",
        ["Equals", "NotEquals", "Like", "NotLike"],
        "aws:PrincipalArn",
        ["arn:*:*::1:user/a*", "arn:aws:iam::?:user/*"],
    ),
    ("", ["Bool"], "aws:SecureTransport", ["true", "false"]),
]
VALUES = {
    "aws:UserAgent": [[], ["a"], ["ab"], [""], ["alice"], ["É"], ["a*"], None],
    "aws:username": [[], ["alice"], ["a"], ["*"]],
    "s3:RequestObjectTagKeys": [[], ["a"], ["a", "ab"], ["x", "y"]],
    "s3:ExistingObjectTag/t": [[], ["a"], None],
    "aws:PrincipalTag/t": [[], ["a"], ["x"]],
    "s3:max-keys": [[], ["1"], ["x"], [{"number": 2}]],
    "aws:CurrentTime": [[], ["2020-01-01T00:00:00Z"], [{"time": 1_577_836_801_000_000}], ["soon"]],
    "aws:SourceIp": [[], [{"address": "10.0.0.1"}], ["11.0.0.1"], ["::1"], ["x"]],
    "aws:PrincipalArn": [[], ["arn:aws:iam::1:user/alice"], ["arn:aws:iam::1:user/b:c"], ["x"]],
    "aws:SecureTransport": [[], [{"bool": True}], [{"bool": False}]],
}
OBJECT_KEYS = ["k", "a/b", "a/x", "alice/b", "axb", "*", "éa", "xé", "x/y"]
PEOPLE = ["nobody", "alice", "bob", "carol", "dev", "admin"]


def question(choose):
    """A document, who asks, which action, which key, and the values of condition keys."""
    statements = [statement(choose) for _ in range(choose([1, 2, 3]))]
    context = {key: choose(values) for key, values in VALUES.items()}
    document = {"Version": choose(["2012-10-17", "2012-10-17", "2008-10-17"]), "Statement": statements}
    return document, choose(PEOPLE), choose(ACTIONS), choose(OBJECT_KEYS), context


def statement(choose):
    """A statement that the parser takes."""
    effect = choose(["Allow", "Allow", "Deny"])
    turned = effect == "Deny" and choose([True, False, False])
    made = {"Effect": effect, "NotPrincipal" if turned else "Principal": {"AWS": some(choose, NAMES)}}
    made[choose(["Action", "Action", "NotAction"])] = some(choose, ACTIONS + PATTERNS)
    paths = [f"arn:aws:s3:::b/{path}" for path in PATHS] + ["*", "arn:aws:s3:::*", "arn:aws:s3:::b*"]
    made[choose(["Resource", "Resource", "NotResource"])] = some(choose, paths)
    conditions: dict[str, dict[str, list[str]]] = {}
    for _ in range(choose([0, 0, 1, 2])):
        operator, key, values = condition(choose)
        conditions.setdefault(operator, {})[key] = values
    return made | ({"Condition": conditions} if conditions else {})


def condition(choose):
    """An operator, a key, values."""
    if choose([True, False, False, False, False]):
        return "Null", choose(list(VALUES)), some(choose, ["true", "false"])
    prefix, names, key, values = choose([("", OPERATORS, choose(TEXT_KEYS), WORDS), *OTHERS])
    return choose(QUALIFIERS) + prefix + choose(names) + choose(["", "", "IfExists"]), key, some(choose, values)


def some(choose, values):
    """One or two of them."""
    return [choose(values) for _ in range(choose([1, 1, 2]))]
