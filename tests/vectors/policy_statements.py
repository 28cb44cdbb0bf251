"""Whole policies and the answer each question must have: principals, actions, resources, effects, versions.

A row is name, statements, who asks, action, bucket, key, context, answer. Sources: as in `policy_tables.py`.
"""

BUCKET_ARN, OBJECTS = "arn:aws:s3:::b", "arn:aws:s3:::b/*"
GET, LIST, PUT = "s3:GetObject", "s3:ListBucket", "s3:PutObject"
ONE, TWO = "000000000001", "000000000002"
ALICE, BOB, CAROL = (
    f"arn:aws:iam::{account}:user/{name}" for account, name in ((ONE, "alice"), (ONE, "bob"), (TWO, "carol"))
)
DEV = f"arn:aws:iam::{ONE}:role/dev"
ROOT1, ROOT2 = f"arn:aws:iam::{ONE}:root", f"arn:aws:iam::{TWO}:root"
CANONICAL = "ab" * 32


def st(effect="Allow", principal="*", action=GET, resource=OBJECTS, **more):
    made = {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource, **more}
    for name in ("Principal", "Action", "Resource"):
        if f"Not{name}" in more or made[name] is None:
            del made[name]
    return made


def aws(*names):
    return {"AWS": list(names)}


def row(name, statements, answer, *, who="alice", action=GET, bucket="b", key="k", context=None, version="2012-10-17"):
    return (
        name,
        statements if isinstance(statements, list) else [statements],
        who,
        action,
        bucket,
        key,
        context or {},
        answer,
        version,
    )


def asked_by(name, statement, **answers):
    return [row(f"{name}: {who}", statement, answer, who=who) for who, answer in answers.items()]


PRINCIPALS = [
    *asked_by("everyone", st(), nobody="allow 0", alice="allow 0", carol="allow 0", dev="allow 0", admin="allow 0"),
    *asked_by("AWS star", st(principal={"AWS": "*"}), nobody="allow 0", carol="allow 0", dev="allow 0"),
    *asked_by("a user", st(principal=aws(ALICE)), nobody="neither", alice="allow 0", bob="neither", carol="neither"),
    *asked_by("two users", st(principal=aws(ALICE, CAROL)), alice="allow 0", bob="neither", carol="allow 0"),
    *asked_by(
        "an account",
        st(principal=aws(ONE)),
        nobody="neither",
        alice="delegate 0",
        carol="neither",
        admin="allow 0",
        dev="delegate 0",
    ),
    *asked_by("an account by its root", st(principal=aws(ROOT2)), alice="neither", carol="delegate 0"),
    *asked_by("an account and a user", st(principal=aws(ONE, BOB)), alice="delegate 0", bob="allow 0"),
    *asked_by("a role", st(principal=aws(DEV)), dev="allow 0", alice="neither", admin="neither"),
    *asked_by("a canonical user", st(principal={"CanonicalUser": CANONICAL}), carol="allow 0", alice="neither"),
    *asked_by(
        "a service",
        st(principal={"Service": "logging.s3.amazonaws.com"}),
        alice="neither",
        nobody="neither",
        admin="neither",
    ),
    *asked_by(
        "federated", st(principal={"Federated": "cognito-identity.amazonaws.com"}), alice="neither", nobody="neither"
    ),
    *asked_by(
        "a service or a user",
        st(principal={"Service": "x.amazonaws.com", "AWS": ALICE}),
        alice="allow 0",
        bob="neither",
    ),
    *asked_by(
        "deny an account",
        st("Deny", principal=aws(ONE)),
        alice="deny 0",
        admin="deny 0",
        carol="neither",
        nobody="neither",
    ),
    *asked_by("deny a user", st("Deny", principal=aws(BOB)), bob="deny 0", alice="neither"),
    *asked_by("deny everyone", st("Deny"), nobody="deny 0", admin="deny 0"),
    *asked_by(
        "deny a service", st("Deny", principal={"Service": "x.amazonaws.com"}), nobody="neither", alice="neither"
    ),
    *asked_by(
        "NotPrincipal user and account",
        st("Deny", NotPrincipal=aws(ALICE, ROOT1)),
        alice="neither",
        bob="deny 0",
        carol="deny 0",
        nobody="deny 0",
        admin="neither",
    ),
    *asked_by(
        "NotPrincipal user without account",
        st("Deny", NotPrincipal=aws(ALICE)),
        alice="deny 0",
        bob="deny 0",
        admin="deny 0",
    ),
    *asked_by(
        "NotPrincipal account", st("Deny", NotPrincipal=aws(ONE)), alice="deny 0", admin="neither", carol="deny 0"
    ),
    *asked_by("NotPrincipal role and account", st("Deny", NotPrincipal=aws(DEV, ONE)), dev="neither", alice="deny 0"),
    *asked_by("NotPrincipal everyone", st("Deny", NotPrincipal="*"), alice="neither", nobody="neither"),
    *asked_by(
        "NotPrincipal service", st("Deny", NotPrincipal={"Service": "x.amazonaws.com"}), alice="deny 0", nobody="deny 0"
    ),
]

ACTIONS = [
    row("the action", st(), "allow 0"),
    row("another action", st(), "neither", action=PUT),
    row("letter case", st(action="S3:getobject"), "allow 0"),
    row("all of S3", st(action="s3:*"), "allow 0", action=PUT),
    row("everything", st(action="*"), "allow 0", action=PUT),
    row("a beginning", st(action="s3:Get*"), "allow 0", action="s3:GetObjectTagging"),
    row("a beginning of others", st(action="s3:Get*"), "neither", action=PUT),
    row("an end", st(action="s3:*Object"), "allow 0", action="s3:DeleteObject"),
    row("one character", st(action="s3:?etObject"), "allow 0"),
    row("question marks", st(action="s3:Get?bjec?"), "allow 0"),
    row("one character is not none", st(action="s3:?utObject"), "neither"),
    row("a list", st(action=[GET, PUT]), "allow 0", action=PUT),
    row("not the longer name", st(action="s3:GetObject"), "neither", action="s3:GetObjectVersion"),
    row("NotAction the action", st(NotAction=GET), "neither"),
    row("NotAction another", st(NotAction=PUT), "allow 0"),
    row("NotAction of all", st(NotAction="s3:*"), "neither"),
    row("NotAction of everything", st("Deny", NotAction="*"), "neither"),
    row("deny NotAction", st("Deny", NotAction="s3:Get*"), "deny 0", action=PUT),
    row("deny NotAction spares", st("Deny", NotAction="s3:Get*"), "neither"),
    row("NotAction a list", st(NotAction=["s3:Put*", "s3:Delete*"]), "neither", action="s3:DeleteObject"),
    row("a version's action", st(action="s3:GetObjectVersion"), "allow 0", action="s3:GetObjectVersion"),
    row("a bucket's action", st(action=LIST, resource=BUCKET_ARN), "allow 0", action=LIST, key=None),
    row(
        "versions are listed by another",
        st(action=LIST, resource=BUCKET_ARN),
        "neither",
        action="s3:ListBucketVersions",
        key=None,
    ),
]

RESOURCES = [
    row("an object", st(resource="arn:aws:s3:::b/k"), "allow 0"),
    row("another object", st(resource="arn:aws:s3:::b/k"), "neither", key="kk"),
    row("the bucket is no object", st(action="s3:*", resource=BUCKET_ARN), "neither"),
    row("objects are not the bucket", st(action="s3:*", resource=OBJECTS), "neither", action=LIST, key=None),
    row("any resource", st(resource="*"), "allow 0"),
    row("any resource, the bucket", st(action="s3:*", resource="*"), "allow 0", action=LIST, key=None),
    row("every bucket", st(action=LIST, resource="arn:aws:s3:::*"), "allow 0", action=LIST, key=None),
    row("every object", st(resource="arn:aws:s3:::*/*"), "allow 0"),
    row("a folder", st(resource="arn:aws:s3:::b/photos/*"), "allow 0", key="photos/2024/a.jpg"),
    row("beside a folder", st(resource="arn:aws:s3:::b/photos/*"), "neither", key="photos2/a.jpg"),
    row("a folder itself", st(resource="arn:aws:s3:::b/photos/*"), "allow 0", key="photos/"),
    row("a star goes over slashes", st(resource="arn:aws:s3:::b/a*/z"), "allow 0", key="ab/c/d/z"),
    row("a question mark takes any one", st(resource="arn:aws:s3:::b/a?c"), "allow 0", key="a/c"),
    row("a question mark takes no two", st(resource="arn:aws:s3:::b/a?c"), "neither", key="abbc"),
    row("an end", st(resource="arn:aws:s3:::b/*.jpg"), "allow 0", key="a/b.jpg"),
    row("letter case of keys", st(resource="arn:aws:s3:::b/K"), "neither"),
    row("a star in the bucket", st(resource="arn:aws:s3:::b*"), "allow 0"),
    row(
        "a star in the bucket, the bucket",
        st(action=LIST, resource="arn:aws:s3:::b*"),
        "allow 0",
        action=LIST,
        key=None,
    ),
    row("a bucket that begins so", st(principal=None, resource="arn:aws:s3:::b*"), "allow 0", bucket="bb"),
    row("colons in a key", st(resource="arn:aws:s3:::b/a:b:*"), "allow 0", key="a:b:c"),
    row("a star in a key is text", st(resource="arn:aws:s3:::b/a"), "neither", key="*"),
    row("keys of any script", st(resource="arn:aws:s3:::b/größe/?"), "allow 0", key="größe/日"),
    row("a list of resources", st(action="s3:*", resource=[BUCKET_ARN, OBJECTS]), "allow 0", action=LIST, key=None),
    row("NotResource the object", st(NotResource="arn:aws:s3:::b/k"), "neither"),
    row("NotResource another", st(NotResource="arn:aws:s3:::b/secret/*"), "allow 0"),
    row("deny NotResource", st("Deny", NotResource="arn:aws:s3:::b/public/*"), "deny 0"),
    row("deny NotResource spares", st("Deny", NotResource="arn:aws:s3:::b/public/*"), "neither", key="public/a"),
    row("NotResource a list", st(NotResource=["arn:aws:s3:::b/a", "arn:aws:s3:::b/k"]), "neither"),
    row("NotResource everything", st("Deny", NotResource="*"), "neither"),
    row(
        "a user's folder",
        st(resource="arn:aws:s3:::b/home/${aws:username}/*"),
        "allow 0",
        key="home/alice/x",
        context={"aws:username": ["alice"]},
    ),
    row(
        "another user's folder",
        st(resource="arn:aws:s3:::b/home/${aws:username}/*"),
        "neither",
        key="home/bob/x",
        context={"aws:username": ["alice"]},
    ),
    row(
        "a folder of nobody",
        st(resource="arn:aws:s3:::b/home/${aws:username}/*"),
        "neither",
        who="nobody",
        key="home//x",
    ),
    row(
        "deny a folder of nobody",
        st("Deny", resource="arn:aws:s3:::b/home/${aws:username}/*"),
        "neither",
        who="nobody",
        key="home//x",
    ),
    row(
        "NotResource of nobody allows nothing",
        st(NotResource="arn:aws:s3:::b/home/${aws:username}/*"),
        "neither",
        who="nobody",
    ),
    row(
        "NotResource of nobody denies",
        st("Deny", NotResource="arn:aws:s3:::b/home/${aws:username}/*"),
        "deny 0",
        who="nobody",
    ),
    row("a default", st(resource="arn:aws:s3:::b/${aws:PrincipalTag/team, 'all'}/*"), "allow 0", key="all/x"),
    row(
        "a value that has a star",
        st(resource="arn:aws:s3:::b/${aws:username}"),
        "neither",
        key="anything",
        context={"aws:username": ["*"]},
    ),
    row("a star that is meant", st(resource="arn:aws:s3:::b/${*}"), "allow 0", key="*"),
    row("a star that is meant, other keys", st(resource="arn:aws:s3:::b/${*}"), "neither"),
    row(
        "a variable that is not to be had",
        st("Deny", resource="arn:aws:s3:::b/${aws:username}"),
        "deny 0",
        context={"aws:username": None},
    ),
    row("and allows nothing", st(resource="arn:aws:s3:::b/${aws:username}"), "neither", context={"aws:username": None}),
    row(
        "another one matches anyway",
        st(resource=["arn:aws:s3:::b/${aws:username}", OBJECTS]),
        "allow 0",
        context={"aws:username": None},
    ),
    row(
        "before 2012 variables are text",
        st(resource="arn:aws:s3:::b/${aws:username}"),
        "allow 0",
        key="${aws:username}",
        context={"aws:username": ["k"]},
        version="2008-10-17",
    ),
    row(
        "before 2012 no value",
        st(resource="arn:aws:s3:::b/${aws:username}"),
        "neither",
        context={"aws:username": ["k"]},
        version="2008-10-17",
    ),
    row(
        "without a version too",
        st(resource="arn:aws:s3:::b/${aws:username}"),
        "neither",
        context={"aws:username": ["k"]},
        version=None,
    ),
    row(
        "before 2012 conditions too",
        st(Condition={"StringEquals": {"aws:Referer": "${aws:username}"}}),
        "neither",
        context={"aws:username": ["k"], "aws:Referer": ["k"]},
        version="2008-10-17",
    ),
    row("wildcards in the first parts", st(resource="arn:aws:s3:*:*:b/*"), "allow 0"),
]

EFFECTS = [
    row("no statement applies", [st(action=PUT), st("Deny", action=PUT)], "neither"),
    row("a deny after an allow", [st(), st("Deny")], "deny 1"),
    row("a deny before an allow", [st("Deny"), st()], "deny 0"),
    row("a deny of something else", [st("Deny", action=PUT), st()], "allow 1"),
    row("a deny of somebody else", [st("Deny", principal=aws(BOB)), st()], "allow 1"),
    row("a deny of another folder", [st("Deny", resource="arn:aws:s3:::b/x/*"), st()], "allow 1"),
    row(
        "a deny whose condition does not hold",
        [st("Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}), st()],
        "allow 1",
        context={"aws:SecureTransport": [{"bool": True}]},
    ),
    row(
        "a deny whose condition holds",
        [st("Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}), st()],
        "deny 0",
        context={"aws:SecureTransport": [{"bool": False}]},
    ),
    row("the first allow is named", [st(), st()], "allow 0"),
    row("an allow is better than a delegation", [st(principal=aws(ONE)), st()], "allow 1"),
    row("the first delegation is named", [st(principal=aws(ONE)), st(principal=aws(ROOT1))], "delegate 0"),
    row(
        "two operators",
        st(Condition={"StringEquals": {"s3:x-amz-acl": "private"}, "Bool": {"aws:SecureTransport": "true"}}),
        "neither",
        context={"s3:x-amz-acl": ["private"], "aws:SecureTransport": [{"bool": False}]},
    ),
    row(
        "two operators hold",
        st(Condition={"StringEquals": {"s3:x-amz-acl": "private"}, "Bool": {"aws:SecureTransport": "true"}}),
        "allow 0",
        context={"s3:x-amz-acl": ["private"], "aws:SecureTransport": [{"bool": True}]},
    ),
    row(
        "two keys",
        st(Condition={"StringEquals": {"aws:Referer": "a", "aws:UserAgent": "b"}}),
        "neither",
        context={"aws:Referer": ["a"], "aws:UserAgent": ["c"]},
    ),
    row(
        "two keys hold",
        st(Condition={"StringEquals": {"aws:Referer": "a", "aws:UserAgent": "b"}}),
        "allow 0",
        context={"aws:Referer": ["a"], "aws:UserAgent": ["b"]},
    ),
    row(
        "false decides over unknown",
        st("Deny", Condition={"NumericEquals": {"s3:max-keys": "1"}, "StringEquals": {"aws:Referer": "a"}}),
        "neither",
        context={"s3:max-keys": ["x"]},
    ),
    row(
        "only encrypted puts",
        [
            st(action=PUT),
            st("Deny", action=PUT, Condition={"Null": {"s3:x-amz-server-side-encryption": "true"}}),
            st("Deny", action=PUT, Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}),
        ],
        "allow 0",
        action=PUT,
        context={"s3:x-amz-server-side-encryption": ["AES256"]},
    ),
    row(
        "a put that is not encrypted",
        [
            st(action=PUT),
            st("Deny", action=PUT, Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}),
        ],
        "deny 1",
        action=PUT,
    ),
    row(
        "a deny that excepts what is not encrypted",
        [
            st(action=PUT),
            st(
                "Deny",
                action=PUT,
                Condition={
                    "StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "AES256"},
                    "Null": {"s3:x-amz-server-side-encryption": "false"},
                },
            ),
        ],
        "allow 0",
        action=PUT,
    ),
    row(
        "list a prefix",
        st(
            action=LIST,
            resource=BUCKET_ARN,
            Condition={"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}},
        ),
        "allow 0",
        action=LIST,
        key=None,
        context={"s3:prefix": ["home/alice/a"], "aws:username": ["alice"]},
    ),
    row(
        "list another prefix",
        st(
            action=LIST,
            resource=BUCKET_ARN,
            Condition={"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}},
        ),
        "neither",
        action=LIST,
        key=None,
        context={"s3:prefix": ["home/bob/a"], "aws:username": ["alice"]},
    ),
    row(
        "list everything without a prefix",
        st(action=LIST, resource=BUCKET_ARN, Condition={"StringEquals": {"s3:prefix": ""}}),
        "neither",
        action=LIST,
        key=None,
    ),
]

IDENTITY = [
    row("identity: a bucket's objects", st(principal=None), "allow 0"),
    row("identity: another bucket", st(principal=None), "neither", bucket="c"),
    row(
        "identity: other services never match",
        st(principal=None, action=["ec2:*", "iam:PassRole"], resource="*"),
        "neither",
    ),
    row("identity: a star for services", st(principal=None, action="*:*", resource="*"), "allow 0"),
    row(
        "identity: resources of other services",
        st(principal=None, action="*", resource="arn:aws:ec2:*:*:instance/*"),
        "neither",
    ),
    row(
        "identity: NotResource of other services",
        st(principal=None, action="*", NotResource="arn:aws:ec2:*:*:instance/*"),
        "allow 0",
    ),
    row(
        "identity: list buckets",
        st(principal=None, action="s3:ListAllMyBuckets", resource="*"),
        "allow 0",
        action="s3:ListAllMyBuckets",
        bucket=None,
        key=None,
    ),
    row(
        "identity: list buckets by ARN",
        st(principal=None, action="s3:ListAllMyBuckets", resource="arn:aws:s3:::*"),
        "allow 0",
        action="s3:ListAllMyBuckets",
        bucket=None,
        key=None,
    ),
    row(
        "identity: list buckets of one bucket",
        st(principal=None, action="s3:*", resource=[BUCKET_ARN, OBJECTS]),
        "neither",
        action="s3:ListAllMyBuckets",
        bucket=None,
        key=None,
    ),
    row(
        "identity: create a bucket",
        st(principal=None, action="s3:CreateBucket", resource="arn:aws:s3:::team-*"),
        "allow 0",
        action="s3:CreateBucket",
        bucket="team-x",
        key=None,
    ),
    row(
        "identity: keys of other services",
        st(principal=None, Condition={"StringEquals": {"ec2:Region": "x"}}),
        "neither",
    ),
    row(
        "identity: missing keys of other services",
        st(principal=None, Condition={"StringNotEquals": {"ec2:Region": "x"}}),
        "allow 0",
    ),
    row(
        "identity: a bucket by a variable",
        st(principal=None, resource="arn:aws:s3:::${aws:username}/*"),
        "allow 0",
        bucket="alice",
        context={"aws:username": ["alice"]},
    ),
    row(
        "identity: another bucket by a variable",
        st(principal=None, resource="arn:aws:s3:::${aws:username}/*"),
        "neither",
        bucket="bob",
        context={"aws:username": ["alice"]},
    ),
    row(
        "identity: a bucket and a key by one star",
        st(principal=None, resource="arn:aws:s3:::b*k"),
        "allow 0",
        bucket="bucket",
        key="deep/k",
    ),
    row(
        "identity: deny",
        [st(principal=None), st("Deny", principal=None, resource="arn:aws:s3:::b/private/*")],
        "deny 1",
        key="private/x",
    ),
]
IDENTITY += [entry for entry in RESOURCES if "Principal" not in entry[1][0]]
BUCKET = [*PRINCIPALS, *ACTIONS, *(entry for entry in RESOURCES if "Principal" in entry[1][0]), *EFFECTS]
