"""Bad words: each gets a message that says what would be right, the same over HTTP and from the command line.

Belongs here: the table of what people write and what they are told. Does not belong here: how a word is read
(`tests/authz/test_names.py`), what good words do.
"""

import urllib.request
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from serving import Admin, served
from world import ROOT, World

from gateway.admin.problems import KINDS
from gateway.cli import main

GRANT = {"subject": "user:alice", "relation": "viewer", "resource": "s3://photos/2024/"}

SUBJECTS = {
    "alice": "did you mean user:alice?",
    "user:": "the name is missing. A subject is one of: user:NAME",
    "USER:alice": "did you mean user:alice?",
    "users:alice": "did you mean user:alice?",
    "grop:devs": "did you mean group:devs?",
    "user:alise": "there is no user alise in tenant default; did you mean alice?",
    "user:nobody-near": "there is no user nobody-near in tenant default",
    "user:a b": "letters, digits and _+=,.@- only",
    "user:nix/alice": "there is no tenant nix",
    "user:default/alice/x": "'default/alice' cannot be a name",
    "group:nix": "there is no group nix in tenant default",
    "group:devs#owner": "as a subject a group is group:NAME or group:NAME#member",
    "role:nix": "there is no role nix in tenant default",
    "tenant:nix": "there is no tenant nix",
    "share:mine": "a share is named by its number, as share:17",
    "share:99": "there is no share 99 in tenant default",
    "service:x": "there is no service x",
    "everyone": "did you mean anyone (also who does not sign) or authenticated (any user of any tenant)?",
    "*": "did you mean anyone",
    "anyon": "did you mean anyone?",
    "user": "did you mean user:NAME?",
    "Share:": "did you mean share:NUMBER?",
    "user:#99": "there is no user #99 in tenant default",
    "group:#99": "there is no group #99 in tenant default",
    "arn:aws:iam::000000000001:user/alice": "did you mean user:#1/alice?",
    "arn:aws:iam::000000000002:root": "did you mean tenant:#2?",
    "": "A subject is one of: user:NAME, user:TENANT/NAME, group:NAME",
}
RELATIONS = {
    "read": "did you mean reader? There are viewer, contributor, editor",
    "READER": "did you mean reader?",
    "viewr": "did you mean viewer?",
    "": "There are viewer, contributor, editor, owner",
    "admin": "a prefix has no relation admin; it has owner, reader, writer",
    "isolated": "isolated marks the place and has no subject; leave it out, or write itself",
}
ADDRESSES = {
    "photos": "did you mean s3://photos? An address is one of: s3://BUCKET",
    "photos/2024/": "did you mean s3://photos/2024/?",
    "/photos": "did you mean s3://photos?",
    "s3:/photos/a": "did you mean s3://photos/a?",
    "S3://photos": "did you mean s3://photos?",
    "arn:aws:s3:::photos/2024/": "did you mean s3://photos/2024/?",
    "bucket:photos": "did you mean s3://photos?",
    "https://photos/": "An address is one of: s3://BUCKET, s3://BUCKET/PREFIX/",
    "s3://PHOTOS/a": "did you mean s3://photos/a? It has 3 to 63 small letters",
    "s3://ph": "'ph' cannot be a bucket's name. It has 3 to 63 small letters, digits, - and .",
    "s3://": "write s3://BUCKET/PREFIX/",
    "s3://nix/x": "there is no bucket nix",
    f"s3://photos/{'k' * 1025}": "a key has at most 1024 bytes, not 1025",
    "group:nix": "there is no group nix in tenant default",
    "tenant:nix": "there is no tenant nix",
    "": "An address is one of: s3://BUCKET",
}
EXPIRIES = {
    "soon": "write 30d, 12h or 2030-01-31T12:00:00Z",
    "30": "write 30d, 12h",
    "30D": "write 30d, 12h",
    "30 d": "write 30d, 12h",
    "-3d": "write 30d, 12h",
    "2030-13-01": "write 30d, 12h",
    "never": "leave it out for never",
    "0d": "later than now and within a century; leave it out for never",
    "1000000d": "within a century; leave it out for never",
    "2020-01-01": "is past: an expiry is later than now, as 30d from now",
}
CONDITIONS = {
    "moon": "write ip=10.0.0.0/8, tls, mfa=1h, time=Mon-Fri 09:00-17:00 (times are UTC)",
    "ip": "write ip=10.0.0.0/8, tls",
    "ip=10": "write ip=10.0.0.0/8 or ip=2001:db8::/32",
    "ip=10.0.0.1/8": "did you mean ip=10.0.0.0/8?",
    "ip=10.0.0.0/8,tls": "one condition each: give the option again",
    "tls=true": "is no condition: write ip=10.0.0.0/8, tls",
    "mfa=x": "write 30d, 12h, 90m, 45s, 2w or 1d12h",
    "time=9-17": "write time=Mon-Fri 09:00-17:00 (UTC)",
    "time=Mo-Fr 09:00-17:00": "write Mon, Tue, Wed, Thu, Fri, Sat, Sun, Mon-Fri or Mon,Wed",
    "time=Mon-Fri 09:00-25:00": "write 00:00 to 24:00, as time=Mon-Fri 09:00-17:00",
    "aws:SourceIp=10.0.0.0/8": "is no condition: write ip=10.0.0.0/8",
    "": "is no condition: write ip=10.0.0.0/8",
}
ACTIONS = {
    "reed": "did you mean read",
    "s3:GetObjekt": "did you mean s3:GetObject",
    "getobjekt": "did you mean s3:GetObject",
    "s3:Get": "did you mean s3:Get",
    "get": "did you mean s3:GetObject or",
    "s3:*": "ask about one action at a time",
    "ec2:Run": "Actions are read, write, delete",
    "": "Actions are read, write, delete",
}
ASKERS = {"group:devs": "asks for nothing itself", "authenticated": "ask for user:NAME, share:NUMBER or anyone"}
BAD = [
    *(("subject", text, says) for text, says in SUBJECTS.items()),
    *(("relation", text, says) for text, says in RELATIONS.items()),
    *(("resource", text, says) for text, says in ADDRESSES.items()),
    *(("expires", text, says) for text, says in EXPIRIES.items()),
    *(("condition", text, says) for text, says in CONDITIONS.items()),
]
ASKED = [
    *(("action", text, says) for text, says in ACTIONS.items()),
    *(("subject", text, says) for text, says in (SUBJECTS | ASKERS).items()),
    *(("resource", text, says) for text, says in ADDRESSES.items() if text != "group:nix"),
]


@pytest.fixture(scope="module")
def here() -> Iterator[Admin]:
    """Alice, group devs and bucket photos of `default`."""
    with served(World()) as admin:
        admin.world.accounts.add_user("default", "alice")
        admin.world.accounts.add_tenant("other")
        admin.world.groups.add("devs")
        admin.world.bucket("photos")
        yield admin


def run(here: Admin, *words: str) -> tuple[int, str]:
    """Exit status and all output."""
    env = {
        "PANTHERA_ADMIN_URL": here.url,
        "PANTHERA_ACCESS_KEY": ROOT.access_key,
        "PANTHERA_SECRET_KEY": ROOT.secret_key,
    }
    done = CliRunner().invoke(main, list(words), env=env)
    return done.exit_code, done.output


def told(answer: tuple[int, dict[str, object]]) -> str:
    """What a problem document says, whose type leads to a page."""
    status, document = answer
    kind = str(document["type"]).removeprefix("/v1/problems/")
    assert (status, document["status"], document["title"]) == (KINDS[kind].status,) * 2 + (KINDS[kind].title,)
    assert kind in ("invalid", "missing", "limit")
    return str(document["detail"])


@pytest.mark.parametrize(("what", "text", "says"), BAD)
def test_a_bad_grant_says_what_would_be_right(here: Admin, what: str, text: str, says: str) -> None:
    given = GRANT if what in ("expires", "condition") else GRANT | {what: text}
    more = {"expires": {"expires": text}, "condition": {"conditions": [text]}}.get(what, {})
    change = {"op": "touch", **given, **more}
    assert says in told(here.ask("POST", "/v1/relations", {"changes": [change]}))
    flags = {"expires": (f"--expires={text}",), "condition": (f"--if={text}",)}.get(what, ())
    status, output = run(here, "grant", *flags, "--", given["subject"], given["relation"], given["resource"])
    assert status == 1
    assert says in output


@pytest.mark.parametrize(("what", "text", "says"), ASKED)
def test_a_bad_question_says_what_would_be_right(here: Admin, what: str, text: str, says: str) -> None:
    asked = {"subject": "user:alice", "action": "read", "resource": "s3://photos/a"} | {what: text}
    for path in ("/v1/check", "/v1/explain"):
        assert says in told(here.ask("POST", path, asked))
    status, output = run(here, "can", "--", asked["subject"], asked["action"], asked["resource"])
    assert status == 2
    assert says in output
    if what != "subject":
        status, output = run(here, "who-can", "--", asked["action"], asked["resource"])
        assert status == 1
        assert says in output
    if what != "resource":
        status, output = run(here, "what-can", "--", asked["subject"], asked["action"], "photos")
        assert status == 1
        assert says in output


SHARES = {
    "resource": {"tenant": "is in no bucket: write s3://BUCKET/PREFIX/"} | ADDRESSES,
    "expires": EXPIRIES,
    "to": {
        "user:alice": "a share is for tenant:NAME, group:TENANT/NAME or anyone-with-the-link",
        "x": "a share is for tenant:NAME",
    },
    "can": {"own": "must be one of view, contribute, edit"},
    "password": {"x": "a password has 4 to 1024 bytes"},
}


@pytest.mark.parametrize(
    ("what", "text", "says"), [(what, *one) for what, texts in SHARES.items() for one in texts.items()]
)
def test_a_bad_share_says_what_would_be_right(here: Admin, what: str, text: str, says: str) -> None:
    if text in ("group:nix", "tenant:nix"):
        says = "is in no bucket"
    offer = {"resource": "s3://photos/2024/", what: [text] if what == "to" else text}
    assert says in told(here.ask("POST", "/v1/shares", offer))


def test_a_star_is_taken_as_it_stands_and_that_is_said(here: Admin) -> None:
    status, output = run(here, "grant", "user:alice", "reader", "s3://photos/2024/*")
    assert status == 0
    assert "there are no wildcards, and a prefix ends in /" in output


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_leads_to_a_page(here: Admin, kind: str) -> None:
    with urllib.request.urlopen(f"{here.url}/v1/problems/{kind}", timeout=30) as answer:
        page = answer.read().decode()
        assert answer.headers["content-type"].startswith("text/markdown")
    assert page.startswith(f"# {KINDS[kind].title}\n") and KINDS[kind].advice in page


def test_a_page_of_no_kind_is_missing(here: Admin) -> None:
    assert "no kind of problem nix" in told(here.ask("GET", "/v1/problems/nix"))
