"""The tables of policy cases: what AWS's documentation says, written down by hand, with the answer each must have.

Sources: IAM User Guide, "Condition operators", "Conditions with multiple context keys or values", "Single-valued vs.
multivalued context keys", "Variables and tags", "Principal", "NotPrincipal", "Action", "Resource"; S3 User Guide,
"Bucket policy examples using condition keys". A condition row is operator, key, the policy's values, the request's
values of keys, and T (holds), F (does not) or U (cannot be told, which denies).
"""

T, F, U = "T", "F", "U"
AGENT = "aws:UserAgent"
S = "StringEquals"
REFERER = "aws:Referer"
DAY = "2020-04-01T00:00:00Z"
DAY_US = 1_585_699_200_000_000
TAG = "s3:ExistingObjectTag/team"
KEYS = "s3:RequestObjectTagKeys"
ARN = "aws:PrincipalArn"


def with_missing(operator, key, wanted, *, negated=False):
    """What every operator says of a key that is not there, with and without IfExists and the qualifiers."""
    return [
        (operator, key, wanted, {}, T if negated else F),
        (operator + "IfExists", key, wanted, {}, T),
        ("ForAllValues:" + operator, key, wanted, {}, T),
        ("ForAnyValue:" + operator, key, wanted, {}, F),
        ("ForAnyValue:" + operator + "IfExists", key, wanted, {}, T),
    ]


def both(operator, turned, key, wanted, cases):
    """The rows of an operator and of its negation."""
    flip = {T: F, F: T, U: U}
    rows = with_missing(operator, key, wanted) + with_missing(turned, key, wanted, negated=True)
    for values, holds in cases:
        rows.append((operator, key, wanted, {key: [values]}, holds))
        rows.append((operator + "IfExists", key, wanted, {key: [values]}, holds))
        rows.append((turned, key, wanted, {key: [values]}, flip[holds]))
        rows.append((turned + "IfExists", key, wanted, {key: [values]}, flip[holds]))
    return rows


STRINGS = [
    *both(S, "StringNotEquals", AGENT, "abc", [("abc", T), ("ABC", F), ("abcd", F), ("ab", F), ("", F)]),
    *both(S, "StringNotEquals", AGENT, ["x", "y"], [("x", T), ("y", T), ("z", F)]),
    *both(S, "StringNotEquals", AGENT, "", [("", T), ("a", F)]),
    (S, AGENT, "a*", {AGENT: ["a*"]}, T),
    (S, AGENT, "a*", {AGENT: ["ab"]}, F),
    *both("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", AGENT, "aBc", [("AbC", T), ("abd", F), ("abc ", F)]),
    *both("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", AGENT, "größe", [("GRÖSSE", F), ("GRÖßE", T)]),
    *both(
        "StringLike",
        "StringNotLike",
        REFERER,
        "http://www.example.com/*",
        [("http://www.example.com/", T), ("http://www.example.com/a/b", T), ("http://example.com/", F)],
    ),
    *both("StringLike", "StringNotLike", AGENT, "a?c", [("abc", T), ("aéc", T), ("ac", F), ("abbc", F), ("a日c", T)]),
    *both("StringLike", "StringNotLike", AGENT, "*a*b", [("ab", T), ("xaxbxb", T), ("ba", F), ("abx", F)]),
    *both("StringLike", "StringNotLike", AGENT, ["a*", "*z"], [("ab", T), ("yz", T), ("b", F)]),
    *both("StringLike", "StringNotLike", AGENT, "?*", [("", F), ("é", T), ("xx", T)]),
    ("StringLike", AGENT, "*", {AGENT: [""]}, T),
    ("StringLike", AGENT, "a**b", {AGENT: ["ab"]}, T),
    ("StringLike", AGENT, "ABC", {AGENT: ["abc"]}, F),
    (S, "s3:x-amz-acl", "public-read", {"S3:X-AMZ-ACL": ["public-read"]}, T),
    (S, AGENT, "a", {AGENT: None}, U),
    ("StringNotEquals", AGENT, "a", {AGENT: None}, U),
]

NUMBERS = [
    *both(
        "NumericEquals",
        "NumericNotEquals",
        "s3:max-keys",
        "10",
        [("10", T), ("11", F), ({"number": 10}, T), ("10.0", T)],
    ),
    *both(
        "NumericEquals", "NumericNotEquals", "s3:max-keys", 10, [("010", T), ("x", U), ("", U), ("1e1", U), ("inf", U)]
    ),
    *(
        (name + exists, "s3:max-keys", "10", {"s3:max-keys": [value]}, holds)
        for name, answers in {
            "NumericLessThan": (T, F, F),
            "NumericLessThanEquals": (T, T, F),
            "NumericGreaterThan": (F, F, T),
            "NumericGreaterThanEquals": (F, T, T),
        }.items()
        for value, holds in zip(("9.5", "10", {"number": 11}), answers, strict=True)
        for exists in ("", "IfExists")
    ),
    *(
        row
        for name in ("NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals")
        for row in with_missing(name, "s3:signatureAge", "600000")
    ),
    ("NumericLessThan", "s3:signatureAge", "600000", {"s3:signatureAge": [{"number": 599999}]}, T),
    ("NumericGreaterThan", "s3:signatureAge", "600000", {"s3:signatureAge": [{"number": 600000}]}, F),
    ("NumericLessThan", "s3:TlsVersion", "1.2", {"s3:TlsVersion": ["1.1"]}, T),
    ("NumericLessThan", "s3:TlsVersion", "1.2", {"s3:TlsVersion": ["1.3"]}, F),
    ("NumericLessThan", "aws:MultiFactorAuthAge", "3600", {"aws:MultiFactorAuthAge": [{"number": -1}]}, T),
    ("NumericEquals", "s3:max-keys", ["1", "2.5"], {"s3:max-keys": ["2.5"]}, T),
    (
        "NumericGreaterThan",
        "s3:object-lock-remaining-retention-days",
        "10",
        {"s3:object-lock-remaining-retention-days": ["x"]},
        U,
    ),
]

DATES = [
    *both(
        "DateEquals",
        "DateNotEquals",
        "aws:CurrentTime",
        DAY,
        [(DAY, T), ({"time": DAY_US}, T), ("2020-04-01T00:00:01Z", F), ("1585699200", T), ("yesterday", U)],
    ),
    *(
        (name + exists, "aws:CurrentTime", DAY, {"aws:CurrentTime": [value]}, holds)
        for name, answers in {
            "DateLessThan": (T, F, F),
            "DateLessThanEquals": (T, T, F),
            "DateGreaterThan": (F, F, T),
            "DateGreaterThanEquals": (F, T, T),
        }.items()
        for value, holds in zip(
            ("2020-03-31T23:59:59Z", {"time": DAY_US}, "2020-04-01T00:00:00.5Z"), answers, strict=True
        )
        for exists in ("", "IfExists")
    ),
    *(
        row
        for name in ("DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals")
        for row in with_missing(name, "aws:TokenIssueTime", DAY)
    ),
    ("DateGreaterThan", "aws:EpochTime", "1585699199", {"aws:EpochTime": [{"number": 1585699200}]}, T),
    ("DateLessThan", "aws:CurrentTime", "2020-04-01", {"aws:CurrentTime": [{"time": DAY_US - 1_000_000}]}, T),
    ("DateEquals", "aws:CurrentTime", "2020-04-01T02:00:00+02:00", {"aws:CurrentTime": [DAY]}, T),
    ("DateEquals", "aws:CurrentTime", "2020-03-31T22:30:00-01:30", {"aws:CurrentTime": [DAY]}, T),
    ("DateEquals", "aws:CurrentTime", "2020-04", {"aws:CurrentTime": [DAY]}, T),
    ("DateGreaterThan", "aws:CurrentTime", "2020", {"aws:CurrentTime": [DAY]}, T),
    (
        "DateLessThan",
        "s3:object-lock-retain-until-date",
        "2030-01-01T00:00:00Z",
        {"s3:object-lock-retain-until-date": ["2029-12-31T00:00:00Z"]},
        T,
    ),
]

BOOLS = [
    *with_missing("Bool", "aws:SecureTransport", "true"),
    ("Bool", "aws:SecureTransport", "true", {"aws:SecureTransport": [{"bool": True}]}, T),
    ("Bool", "aws:SecureTransport", "true", {"aws:SecureTransport": [{"bool": False}]}, F),
    ("Bool", "aws:SecureTransport", False, {"aws:SecureTransport": [{"bool": False}]}, T),
    ("Bool", "aws:SecureTransport", "FALSE", {"aws:SecureTransport": [{"bool": False}]}, T),
    ("Bool", "aws:SecureTransport", ["true", "false"], {"aws:SecureTransport": [{"bool": False}]}, T),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "false", {}, T),
    ("Bool", "aws:MultiFactorAuthPresent", "false", {}, F),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "false", {"aws:MultiFactorAuthPresent": ["true"]}, F),
    ("Bool", "aws:ViaAWSService", "false", {"aws:ViaAWSService": [{"bool": False}]}, T),
    ("Bool", "aws:PrincipalIsAWSService", "true", {"aws:PrincipalIsAWSService": [{"bool": False}]}, F),
    ("StringEquals", "aws:SecureTransport", "true", {"aws:SecureTransport": [{"bool": True}]}, T),
    ("Bool", AGENT, "true", {AGENT: ["yes"]}, F),
]

BINARIES = [
    *with_missing("BinaryEquals", AGENT, "QmluYXJ5"),
    ("BinaryEquals", AGENT, "QmluYXJ5", {AGENT: ["Binary"]}, T),
    ("BinaryEquals", AGENT, "QmluYXJ5", {AGENT: ["QmluYXJ5"]}, F),
    ("BinaryEquals", AGENT, ["", "QQ=="], {AGENT: ["A"]}, T),
    ("BinaryEqualsIfExists", AGENT, "QQ==", {AGENT: ["B"]}, F),
]

IP = "aws:SourceIp"
ADDRESSES = [
    *both(
        "IpAddress",
        "NotIpAddress",
        IP,
        "203.0.113.0/24",
        [
            ("203.0.113.255", T),
            ("203.0.112.255", F),
            ({"address": "203.0.113.7"}, T),
            ("::ffff:203.0.113.7", T),
            ("x", U),
        ],
    ),
    *both(
        "IpAddress",
        "NotIpAddress",
        IP,
        "2001:db8:1234:5678::/64",
        [("2001:db8:1234:5678::1", T), ("2001:db8:1234:5679::1", F)],
    ),
    *both("IpAddress", "NotIpAddress", IP, "10.1.2.3", [("10.1.2.3", T), ("10.1.2.4", F)]),
    *both(
        "IpAddress",
        "NotIpAddress",
        IP,
        ["10.0.0.0/8", "::1"],
        [("10.9.9.9", T), ({"address": "::1"}, T), ("11.0.0.1", F)],
    ),
    ("IpAddress", IP, "0.0.0.0/0", {IP: ["255.255.255.255"]}, T),
    ("IpAddress", IP, "0.0.0.0/0", {IP: ["::1"]}, F),
    ("IpAddress", IP, "::/0", {IP: ["10.0.0.1"]}, F),
    ("IpAddress", IP, "10.0.0.1/8", {IP: ["10.200.0.1"]}, T),
    ("StringLike", IP, "10.*", {IP: [{"address": "10.2.3.4"}]}, T),
]

BOB = "arn:aws:iam::000000000001:user/bob"
ARNS = [
    *(
        row
        for name, turned in (("ArnEquals", "ArnNotEquals"), ("ArnLike", "ArnNotLike"))
        for row in [
            *both(
                name,
                turned,
                ARN,
                "arn:aws:iam::000000000001:user/*",
                [(BOB, T), ("arn:aws:iam::000000000002:user/bob", F)],
            ),
            *both(
                name, turned, ARN, "arn:aws:iam::*:user/b?b", [(BOB, T), ("arn:aws:iam::1:user/bb", F), ("no arn", F)]
            ),
        ]
    ),
    ("ArnLike", ARN, "arn:*:bob", {ARN: ["arn:aws:iam::1:bob"]}, None),
    ("ArnLike", ARN, "arn:aws:*:*:*:*", {ARN: [BOB]}, T),
    ("ArnLike", ARN, "*:*:*:*:*:*", {ARN: [BOB]}, T),
    ("ArnLike", ARN, "arn:aws:iam::1:user/*", {ARN: ["arn:aws:iam::1:user/a:b:c"]}, T),
    ("ArnLike", ARN, "arn:aws:iam*:x:1:user/a", {ARN: ["arn:aws:iam:y:x:1:user/a"]}, F),
    ("ArnLike", ARN, "arn:aws:ia?::1:user/a", {ARN: ["arn:aws:iam::1:user/a"]}, T),
    ("ArnLike", ARN, "ARN:aws:iam::1:user/a", {ARN: ["arn:aws:iam::1:user/a"]}, F),
    ("ArnLike", "aws:SourceArn", "arn:aws:s3:::logs", {}, F),
    (
        "ArnLike",
        ARN,
        "arn:aws:iam::1:user/${aws:username}",
        {ARN: ["arn:aws:iam::1:user/bob"], "aws:username": ["bob"]},
        T,
    ),
]
ARNS = [row for row in ARNS if row[4] is not None]

NULLS = [
    ("Null", "aws:TokenIssueTime", "true", {}, T),
    ("Null", "aws:TokenIssueTime", "false", {}, F),
    ("Null", "aws:TokenIssueTime", "true", {"aws:TokenIssueTime": [DAY]}, F),
    ("Null", "aws:TokenIssueTime", "false", {"aws:TokenIssueTime": [DAY]}, T),
    ("Null", AGENT, "false", {AGENT: [""]}, T),
    ("Null", AGENT, ["true", "false"], {}, T),
    ("Null", AGENT, True, {AGENT: ["x"]}, F),
    ("Null", KEYS, "false", {KEYS: ["a", "b"]}, T),
    ("Null", AGENT, "true", {AGENT: None}, U),
    ("Null", "s3:x-amz-server-side-encryption", "true", {}, T),
    ("Null", "aws:SourceVpce", "true", {}, T),
    ("Null", "aws:TagKeys", "true", {}, T),
]

SETS = [
    ("ForAllValues:StringEquals", KEYS, ["a", "b"], {KEYS: ["a"]}, T),
    ("ForAllValues:StringEquals", KEYS, ["a", "b"], {KEYS: ["a", "b"]}, T),
    ("ForAllValues:StringEquals", KEYS, ["a", "b"], {KEYS: ["a", "c"]}, F),
    ("ForAllValues:StringNotEquals", KEYS, ["a", "b"], {KEYS: ["c", "d"]}, T),
    ("ForAllValues:StringNotEquals", KEYS, ["a", "b"], {KEYS: ["c", "a"]}, F),
    ("ForAllValues:StringNotEquals", KEYS, ["a"], {}, T),
    ("ForAnyValue:StringEquals", KEYS, ["a", "b"], {KEYS: ["x", "b"]}, T),
    ("ForAnyValue:StringEquals", KEYS, ["a", "b"], {KEYS: ["x", "y"]}, F),
    ("ForAnyValue:StringNotEquals", KEYS, ["a", "b"], {KEYS: ["a", "x"]}, T),
    ("ForAnyValue:StringNotEquals", KEYS, ["a", "b"], {KEYS: ["a", "b"]}, F),
    ("ForAnyValue:StringNotEquals", KEYS, ["a"], {}, F),
    ("ForAllValues:StringLike", KEYS, "Created*", {KEYS: ["CreatedBy", "CreatedAt"]}, T),
    ("ForAnyValue:StringLike", KEYS, "Created*", {KEYS: ["Owner", "CreatedAt"]}, T),
    ("ForAnyValue:StringNotLike", KEYS, "a*", {KEYS: ["ab", "b"]}, T),
    ("ForAllValues:StringNotLike", KEYS, "a*", {KEYS: ["ab", "b"]}, F),
    ("ForAllValues:StringEqualsIfExists", KEYS, "a", {KEYS: ["a", "b"]}, F),
    ("ForAnyValue:StringEqualsIfExists", KEYS, "a", {KEYS: ["b"]}, F),
    ("StringEquals", KEYS, "a", {KEYS: ["a"]}, T),
    ("StringEquals", KEYS, "a", {KEYS: ["a", "b"]}, U),
    ("StringNotEquals", KEYS, "c", {KEYS: ["a", "b"]}, U),
    ("ForAllValues:NumericLessThan", "s3:max-keys", "5", {"s3:max-keys": ["1", "x"]}, U),
    ("ForAllValues:NumericLessThan", "s3:max-keys", "5", {"s3:max-keys": ["9", "x"]}, F),
    ("ForAnyValue:NumericLessThan", "s3:max-keys", "5", {"s3:max-keys": ["1", "x"]}, T),
    ("ForAnyValue:IpAddress", IP, "10.0.0.0/8", {IP: ["11.0.0.0", "10.0.0.1"]}, T),
    (
        "ForAllValues:ArnLike",
        ARN,
        "arn:aws:iam::1:user/*",
        {ARN: ["arn:aws:iam::1:user/a", "arn:aws:iam::2:user/a"]},
        F,
    ),
    ("ForAnyValue:Bool", "aws:SecureTransport", "true", {"aws:SecureTransport": [{"bool": True}]}, T),
    ("ForAllValues:DateLessThan", "aws:CurrentTime", DAY, {"aws:CurrentTime": ["2019-01-01T00:00:00Z"]}, T),
]

NAME = "aws:username"
VARIABLES = [
    (S, REFERER, "${aws:username}", {REFERER: ["bob"], NAME: ["bob"]}, T),
    (S, REFERER, "${AWS:UserName}", {REFERER: ["bob"], NAME: ["bob"]}, T),
    (S, REFERER, "home/${aws:username}/", {REFERER: ["home/bob/"], NAME: ["bob"]}, T),
    (S, REFERER, "${aws:username}", {REFERER: ["bob"]}, F),
    ("StringNotEquals", REFERER, "${aws:username}", {REFERER: ["bob"]}, T),
    (S, REFERER, ["${aws:username}", "bob"], {REFERER: ["bob"]}, T),
    (S, REFERER, "${aws:username, 'guest'}", {REFERER: ["guest"]}, T),
    (S, REFERER, "${aws:username, 'guest'}", {REFERER: ["guest"], NAME: ["bob"]}, F),
    (S, REFERER, "${aws:PrincipalTag/team, 'company-wide'}", {REFERER: ["company-wide"]}, T),
    (S, REFERER, "${aws:PrincipalTag/team, 'company-wide'}", {REFERER: ["blue"], "aws:PrincipalTag/team": ["blue"]}, T),
    (S, REFERER, "${aws:PrincipalTag/team, ''}", {REFERER: [""]}, T),
    (S, REFERER, "${*}${?}${$}", {REFERER: ["*?$"]}, T),
    ("StringLike", REFERER, "a${*}b", {REFERER: ["axb"]}, F),
    ("StringLike", REFERER, "a${*}b", {REFERER: ["a*b"]}, T),
    ("StringLike", REFERER, "${aws:username}*", {REFERER: ["bobby"], NAME: ["bob"]}, T),
    ("StringLike", REFERER, "${aws:username}", {REFERER: ["bob"], NAME: ["b*"]}, F),
    ("StringLike", REFERER, "*${aws:username}x", {REFERER: ["ax"], NAME: [""]}, T),
    ("StringLike", REFERER, "*${aws:username}x", {REFERER: ["abobx"], NAME: ["bob"]}, T),
    ("StringLike", REFERER, "*bobx", {REFERER: ["bobabobx"]}, T),
    ("StringLike", REFERER, "*aab", {REFERER: ["aaab"]}, T),
    ("StringLike", REFERER, "${aws:username}", {REFERER: ["b*"], NAME: ["b*"]}, T),
    (S, TAG, "${aws:PrincipalTag/team}", {TAG: ["red"], "aws:PrincipalTag/team": ["red"]}, T),
    (S, TAG, "${aws:PrincipalTag/Team}", {TAG: ["red"], "aws:PrincipalTag/team": ["red"]}, F),
    (S, REFERER, "${s3:RequestObjectTagKeys}", {REFERER: ["a"], KEYS: ["a", "b"]}, F),
    (S, REFERER, "${aws:username}", {REFERER: ["bob"], NAME: None}, U),
    (S, REFERER, "${aws:SourceIp}", {REFERER: ["10.0.0.1"], IP: [{"address": "10.0.0.1"}]}, T),
    (S, REFERER, "${aws:SecureTransport}", {REFERER: ["true"], "aws:SecureTransport": [{"bool": True}]}, T),
    (S, REFERER, "${aws:CurrentTime}", {REFERER: [DAY], "aws:CurrentTime": [{"time": DAY_US}]}, T),
    ("StringEqualsIgnoreCase", REFERER, "${aws:username}", {REFERER: ["BOB"], NAME: ["bob"]}, T),
    ("Bool", "aws:SecureTransport", "${aws:username}", {"aws:SecureTransport": [{"bool": True}], NAME: ["TRUE"]}, T),
    (S, REFERER, "a$b{c}", {REFERER: ["a$b{c}"]}, T),
    (S, REFERER, "${aws:SourceVpc}", {REFERER: ["x"]}, F),
]

EVERY_KEY = (
    "aws:UserAgent aws:Referer aws:username aws:userid aws:PrincipalArn aws:PrincipalAccount aws:PrincipalType"
    " aws:PrincipalTag/a aws:ResourceAccount aws:RequestedRegion aws:TokenIssueTime aws:MultiFactorAuthPresent"
    " aws:SourceVpc aws:SourceVpce aws:PrincipalOrgID aws:SourceArn aws:SourceAccount s3:prefix s3:delimiter"
    " s3:max-keys"
    " s3:VersionId s3:x-amz-acl s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp"
    " s3:x-amz-grant-write s3:x-amz-grant-write-acp s3:x-amz-copy-source s3:x-amz-metadata-directive"
    " s3:x-amz-storage-class s3:x-amz-server-side-encryption s3:x-amz-server-side-encryption-aws-kms-key-id"
    " s3:x-amz-server-side-encryption-customer-algorithm s3:x-amz-website-redirect-location s3:x-amz-content-sha256"
    " s3:x-amz-object-ownership s3:LocationConstraint s3:authType s3:signatureAge s3:signatureversion s3:TlsVersion"
    " s3:ResourceAccount s3:object-lock-mode s3:object-lock-retain-until-date s3:object-lock-remaining-retention-days"
    " s3:object-lock-legal-hold s3:ExistingObjectTag/k s3:RequestObjectTag/k s3:RequestObjectTagKeys s3:if-match"
    " s3:if-none-match s3:ObjectCreationOperation s3:InventoryAccessibleOptionalFields aws:SourceIp aws:SecureTransport"
    " aws:CurrentTime aws:EpochTime aws:MultiFactorAuthAge aws:ViaAWSService aws:PrincipalIsAWSService"
)
PER_KEY = [
    row
    for key in EVERY_KEY.split()
    for row in (
        ("StringLike", key.upper() if "/" not in key else key, "v*", {key: ["value"]}, T),
        ("StringEquals", key, "value", {}, F),
    )
]

CONDITIONS = {
    "string": STRINGS,
    "number": NUMBERS,
    "date": DATES,
    "bool": BOOLS,
    "binary": BINARIES,
    "address": ADDRESSES,
    "arn": ARNS,
    "null": NULLS,
    "set": SETS,
    "variable": VARIABLES,
    "key": PER_KEY,
}
