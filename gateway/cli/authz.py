"""Commands about who may do what: grant, revoke, can, who-can, what-can, relations, group, role.

Belongs here: their arguments and how answers read. Does not belong here: meaning (the server's admin API has it).
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import click

from gateway.cli.asking import Command, ask, client_options, die, given, print_json, print_table, say
from gateway.remote import Remote, RemoteError, find

Json = dict[str, Any]

_PAGE: Final = 1000
"""Entries asked for at once; commands print all pages."""

_TENANT: Final = click.option("--tenant", metavar="NAME", help="Whose groups, roles and `tenant` are meant.")
_STORED: Final = ("resource", "relation", "subject", "expires", "conditions")


def _facts(command: Command) -> Command:
    """What to suppose of the request that is asked about."""
    command = click.option("--at", "now", metavar="TIME", help="Suppose it is this moment, ISO 8601.")(command)
    command = click.option("--mfa-at", metavar="TIME", help="Suppose MFA was proved then, ISO 8601.")(command)
    command = click.option("--tls/--no-tls", default=None, help="Suppose it comes over TLS, or not.")(command)
    return click.option("--from", "source_ip", metavar="IP", help="Suppose it comes from this address.")(command)


def _supposed(flags: Json) -> Json:
    """The facts among a command's flags, as the API takes them; the flags are used up."""
    names = ("source_ip", "tls", "mfa_at", "now")
    facts = {name: value for name in names if (value := flags.pop(name)) is not None}
    return {"facts": facts} if facts else {}


@click.command()
@click.argument("subject")
@click.argument("relation")
@click.argument("resource")
@click.option("--expires", metavar="WHEN", help="`30d`, `12h`, `1d12h` or ISO 8601; else it holds until revoked.")
@click.option(
    "--if",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="ip=10.0.0.0/8, tls, mfa=1h, time=Mon-Fri 09:00-17:00 (UTC); all kinds must hold.",
)
@_TENANT
@client_options
def grant(subject: str, relation: str, resource: str, **flags: Any) -> None:
    """Grant a relation or bundle (viewer, contributor, editor) on a bucket, prefix, object, group or the tenant.

    SUBJECT is user:NAME, group:NAME, role:NAME, tenant:NAME, authenticated or anyone. RESOURCE is s3://BUCKET,
    s3://BUCKET/PREFIX/, s3://BUCKET/KEY, tenant, group:NAME …
    """
    _in_order((subject, relation, resource), 1)
    more = given(expires=flags["expires"], conditions=list(flags["conditions"]) or None)
    change = {"op": "touch", "subject": subject, "relation": relation, "resource": resource, **more}
    _write(change, f"{subject} is {relation} of {resource}", flags)


@click.command()
@click.argument("subject")
@click.argument("relation")
@click.argument("resource")
@_TENANT
@client_options
def revoke(subject: str, relation: str, resource: str, **flags: Any) -> None:
    """Take a relation or bundle away. When this returns, nothing is allowed by it any more."""
    _in_order((subject, relation, resource), 1)
    change = {"op": "delete", "subject": subject, "relation": relation, "resource": resource}
    _write(change, f"{subject} is not {relation} of {resource}", flags)


_ARGUMENTS: Final = {"subject": 0, "relation": 1, "action": 1, "resource": 2, "bucket": 2}
"""What sort of word an argument is: somebody, what he is or does, where."""
_PEOPLE: Final = ("user:", "group:", "role:", "tenant:", "share:", "service:")


def _in_order(words: Sequence[str], status: int) -> None:
    """Ends where the words are right and their order is not: what the server says of one alone would lead astray."""
    command = click.get_current_context().command
    names = [one.name for one in command.params if isinstance(one, click.Argument) and one.name]
    wanted = [_ARGUMENTS[name] for name in names]
    found = [2 if word.startswith("s3://") else 0 if word.startswith(_PEOPLE) else 1 for word in words]
    if found != wanted and sorted(found) == sorted(wanted):
        right = " ".join(words[found.index(sort)] for sort in wanted)
        die(f"the order is {' '.join(names).upper()}: panthera {command.name} {right}", status)


def _write(change: Json, done: str, flags: Json) -> None:
    body = {"changes": [change], **given(tenant=flags["tenant"])}
    answer = _call(flags, "POST", "/v1/relations", body)
    for note in answer["notes"]:
        say(f"note: {note}", err=True)
    if flags["as_json"]:
        print_json(answer)
    else:
        say(f"{done} (revision {answer['revision']})" if "revision" in answer else done)


def _call(flags: Json, method: str, path: str, body: Json | None = None, *, status: int = 1) -> Any:
    """The answer's JSON; else the process ends with what the server said."""
    try:
        return find(flags["admin"], flags["data"]).call(method, path, body)
    except RemoteError as error:
        die(str(error), status)


@click.command()
@click.argument("subject")
@click.argument("action")
@click.argument("resource")
@_facts
@_TENANT
@client_options
def can(subject: str, action: str, resource: str, **flags: Any) -> None:
    """Say whether SUBJECT may do ACTION on RESOURCE, and why. Exit 0 allowed, 1 denied, 2 cannot be asked.

    ACTION is read, write, delete, list, share, manage … or one of Amazon's, as s3:GetObject.
    """
    _in_order((subject, action, resource), 2)
    body = {"subject": subject, "action": action, "resource": resource, **_supposed(flags)}
    answer = _call(flags, "POST", "/v1/explain", body | given(tenant=flags["tenant"]), status=2)
    if flags["as_json"]:
        print_json(answer)
    else:
        if answer["action"] != action:
            say(f"note: {action} is taken for {answer['action']}", err=True)
        say(_verdict(subject, resource, answer))
        if not answer["allowed"] and (hint := _hint(subject, resource, answer)):
            say(hint)
    sys.exit(0 if answer["allowed"] else 1)


_REASONS: Final = {
    "policy_denied": "the bucket's policy cannot be read",
    "identity_denied": "a policy of the subject cannot be read",
    "acl_allowed": "an access control list",
    "public_access_blocked": "the bucket's public access block keeps the public out",
    "initiator": "the upload is its own",
    "foreign_object": "the object is another account's, and that account grants nothing",
    "creator_may_not": "who made the share may not do it, or may not share it",
    "unevaluated": "it cannot be evaluated",
}
"""What decided, where no relation and no statement did."""


def _statement(answer: Json) -> str:
    """The statement of a policy that decided."""
    found = answer["statement"]
    if found["policy"]:
        whose = f"policy {found['policy']}" + ("" if found["group"] is None else " of a group")
    else:
        whose = "the permissions boundary" if answer["reason"].startswith("identity") else "the bucket's policy"
    return f"{_numbered(found)} of {whose}"


def _statement_of(one: Json) -> str:
    """A statement, of the bucket's policy or of one with a name."""
    whose = f"policy {one['policy']}" if one["policy"] else "the bucket's policy"
    return f"{_numbered(one)} of {whose}"


def _numbered(one: Json) -> str:
    sid = f" ({one['sid']})" if one["sid"] else ""
    return f"statement {one['index'] + 1}{sid}"


def _verdict(subject: str, resource: str, answer: Json) -> str:
    """One line: allowed or denied, what decided, the revision. A denial names the action that was asked."""
    why = _allowing(subject, answer) if answer["allowed"] else _denying(subject, resource, answer)
    until = f", until {answer['valid_until']} at the latest" if answer["allowed"] and answer["valid_until"] else ""
    at = f" (revision {answer['revision']})" if "revision" in answer else ""
    return f"{'allowed' if answer['allowed'] else 'denied'}: {why}{until}{at}"


def _allowing(subject: str, answer: Json) -> str:
    by = answer["decided_by"]
    if by is not None:
        return f"{by['subject']} is {by['relation']} of {by['resource']}"
    if answer["statement"] is not None:
        return _statement(answer)
    if answer["reason"] in ("tenant_admin", "identity_allowed"):
        return f"{subject} administers the tenant"
    reason: str = answer["reason"]
    return _REASONS.get(reason, reason)


def _denying(subject: str, resource: str, answer: Json) -> str:
    by, action = answer["decided_by"], answer["action"]
    if by is not None:
        return f"{by['subject']} has {by['relation']} on {by['resource']}, which denies {action}"
    if answer["statement"] is not None:
        return f"{_statement(answer)} denies {action}"
    if answer["reason"] in _REASONS:
        return f"{action}: {_REASONS[answer['reason']]}"
    if answer["reason"] == "denied" and answer["permission"] == "list" and "/" not in resource.removeprefix("s3://"):
        return f"{action}: names in {resource} are denied to {subject}, or may be; a listing shows the others"
    if answer["reason"] == "denied":
        return f"{action}: a deny may apply, and it is not known that it does not"
    return f"nothing allows {subject} {action} on {resource}"


_GIVEN_BY: Final = {"read": "reader", "write": "writer", "delete": "deleter", "list": "lister", "share": "sharer"}
"""Relations that give permissions, for hints. The others (manage …) are not granted lightly."""
_NOTHING_ALLOWS: Final = frozenset({"not_granted", "foreign_tenant", "anonymous"})


def _hint(subject: str, resource: str, answer: Json) -> str:
    """What would allow it, where nothing forbids it."""
    relation = _GIVEN_BY.get(answer["permission"])
    in_bucket = resource.startswith("s3://")
    of_key = in_bucket and "/" in resource.removeprefix("s3://").rstrip("/")
    if answer["reason"] not in _NOTHING_ALLOWS or relation is None or not in_bucket:
        return ""
    if relation == "lister" and of_key and not resource.endswith("/"):
        return ""
    foreign = answer["reason"] == "foreign_tenant"
    also = "; a policy or list counts only together with a policy of its own tenant" if foreign else ""
    return f"  grant it with: panthera grant {subject} {relation} {resource}{also}"


@click.command(name="who-can")
@click.argument("action")
@click.argument("resource")
@_facts
@_TENANT
@client_options
def who_can(action: str, resource: str, **flags: Any) -> None:
    """List who may do ACTION on RESOURCE."""
    _in_order((action, resource), 1)
    body = {"action": action, "resource": resource, **_supposed(flags), **given(tenant=flags["tenant"])}
    found: Json = {name: [] for name in (*_WHO, "unlisted", "depends_on")}
    weighed = ""
    for page in _pages(flags, "/v1/lookup/subjects", body):
        weighed = page["weighed"]
        for name, whole in found.items():
            # Classes are said on every page, subjects once.
            once = name in ("subjects", "excluded")
            whole += [one for one in page[name] if once or one not in whole]
    if flags["as_json"]:
        print_json(found | {"weighed": weighed})
        return
    unsigned = _ANYONE in found["subjects"] and _ANYONE not in found["classes"]
    found["subjects"] = [one for one in found["subjects"] if one != _ANYONE]
    rows = [(one, word) for name, word in _WHO.items() for one in found[name]]
    print_table(("SUBJECT", "NOTE"), rows + ([(_ANYONE, "without a signature")] if unsigned else []))
    for whom in found["unlisted"]:
        say(f"and {whom}")
    _note_dependences(found["depends_on"])


_ANYONE: Final = "anyone"
_WHO: Final = {
    "administrators": "administers the tenant",
    "subjects": "",
    "classes": "everyone of these",
    "excluded_classes": "but not these",
    "excluded": "but not",
    "elsewhere": "as far as its own tenant lets it",
}
"""The lists of an answer to who-can, in the order they are printed in, and what that means."""


def _note_dependences(found: list[Json]) -> None:
    """Says which statements may apply or not, depending on what a request sends."""
    for one in found:
        word = "allows" if one["effect"] == "allow" else "denies"
        whose = f" of {one['holder']}" if one["holder"] else ""
        by = f"{_statement_of(one)}{whose}"
        say(f"note: {by} {word} depending on {', '.join(one['on'])}", err=True)


@click.command(name="what-can")
@click.argument("subject")
@click.argument("action")
@click.argument("bucket")
@_facts
@_TENANT
@client_options
def what_can(subject: str, action: str, bucket: str, **flags: Any) -> None:
    """List the prefixes and keys of a bucket on which SUBJECT may do ACTION, there or not."""
    _in_order((subject, action, bucket), 1)
    body = {"subject": subject, "action": action, "bucket": bucket, **_supposed(flags)}
    pages = _pages(flags, "/v1/lookup/resources", body | given(tenant=flags["tenant"]))
    found = list(pages)
    ranges = [one for page in found for one in page["ranges"]]
    if flags["as_json"]:
        print_json(ranges)
        return
    for one in ranges:
        say(one["shown"])
    for one in _distinct(page["only_stored"] for page in found):
        say(f"note: within {one['shown']} objects differ: only stored keys are listed", err=True)
    _note_dependences(_distinct(page["depends_on"] for page in found))


def _distinct(pages: Iterable[list[Json]]) -> list[Json]:
    """What the pages say, each thing once."""
    found: list[Json] = []
    for page in pages:
        found += [one for one in page if one not in found]
    return found


def _pages(flags: Json, path: str, body: Json) -> Iterator[Json]:
    cursor: Json = {}
    while True:
        page = _call(flags, "POST", path, {**body, "limit": _PAGE, **cursor})
        yield page
        if page["cursor"] is None:
            return
        cursor = {"cursor": page["cursor"]}


@click.command()
@click.option("--resource", metavar="ADDRESS", help="Exactly this one.")
@click.option("--bucket", metavar="BUCKET", help="On and in this bucket.")
@click.option("--relation", help="Only this one.")
@click.option("--subject", help="Only this one's.")
@_TENANT
@client_options
def relations(**flags: Any) -> None:
    """List relations of a tenant, as they are stored."""
    names = ("resource", "bucket", "relation", "subject", "tenant")
    _list_relations("/v1/relations", given(**{name: flags[name] for name in names}), flags)


def _list_relations(path: str, query: Json, flags: Json) -> None:
    found: list[Json] = []
    cursor: Json = {}
    while True:
        page = _call(flags, "GET", f"{path}?{urlencode({**query, 'limit': _PAGE, **cursor})}")
        found += page["relations"]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    if flags["as_json"]:
        print_json(found)
        return
    rows = [[", ".join(one[name]) if name == "conditions" else one[name] or "" for name in _STORED] for one in found]
    print_table([name.upper() for name in _STORED], rows)


_COLUMNS: Final = ("name", "tenant", "description", "created")


def _at(word: str, name: str = "", rest: str = "", **query: str | None) -> str:
    """The route of a group or role, or of all."""
    asked = urlencode(given(**query))
    return f"/v1/{word}s{'/' if name else ''}{quote(name, '')}{rest}{'?' if asked else ''}{asked}"


def _send(flags: Json, request: Callable[[Remote], Any], shown: tuple[str, ...] = ()) -> None:
    ask(flags["admin"], flags["data"], request, columns=shown, as_json=flags["as_json"])


def _group_commands(word: str, inside: str) -> click.Group:
    """`panthera group …` and `panthera role …`."""

    @click.group(name=word, help=f"{word.capitalize()}s of a tenant and who is in them.")
    def group() -> None:
        pass

    @group.command(name="add", help=f"Add a {word}, with nobody in it.")
    @click.argument("name")
    @click.option("--description", help="What it is for.")
    @_TENANT
    @client_options
    def add(name: str, **flags: Any) -> None:
        body = {"name": name, **given(description=flags["description"], tenant=flags["tenant"])}
        _send(flags, lambda remote: remote.call("POST", _at(word), body), _COLUMNS)

    @group.command(name="rm", help=f"Remove a {word}. Its members lose what it gave at once.")
    @click.argument("name")
    @_TENANT
    @client_options
    def rm(name: str, **flags: Any) -> None:
        _send(flags, lambda remote: remote.call("DELETE", _at(word, name, tenant=flags["tenant"])))

    @group.command(name="list", help=f"List the {word}s of a tenant.")
    @_TENANT
    @client_options
    def all_of_them(**flags: Any) -> None:
        _send(flags, lambda remote: remote.call("GET", _at(word, tenant=flags["tenant"])), _COLUMNS)

    _member_commands(group, word, inside)
    return group


def _member_commands(group: click.Group, word: str, inside: str) -> None:
    manager = click.option("--manager", is_flag=True, help="As one who may manage it.")

    @group.command(name="members", help="List who is in it or manages it.")
    @click.argument("name")
    @_TENANT
    @client_options
    def members(name: str, **flags: Any) -> None:
        _list_relations(_at(word, name, "/members"), given(tenant=flags["tenant"]), flags)

    @group.command(name="add-member", help="Put SUBJECT (user:NAME, group:NAME) into it.")
    @click.argument("name")
    @click.argument("subject")
    @manager
    @click.option("--expires", metavar="WHEN", help="`30d`, `12h` or ISO 8601.")
    @_TENANT
    @client_options
    def add_member(name: str, subject: str, **flags: Any) -> None:
        relation = "manager" if flags["manager"] else inside
        body = {"subject": subject, "relation": relation, **given(expires=flags["expires"], tenant=flags["tenant"])}
        _send(flags, lambda remote: remote.call("POST", _at(word, name, "/members"), body))

    @group.command(name="rm-member", help="Take SUBJECT out. What membership gave has ended when this returns.")
    @click.argument("name")
    @click.argument("subject")
    @manager
    @_TENANT
    @client_options
    def rm_member(name: str, subject: str, **flags: Any) -> None:
        relation = "manager" if flags["manager"] else inside
        where = _at(word, name, "/members", subject=subject, relation=relation, tenant=flags["tenant"])
        _send(flags, lambda remote: remote.call("DELETE", where))


_group: Final = _group_commands("group", "member")


@_group.command(name="set")
@click.argument("name")
@click.argument("flag", type=click.Choice(["exported", "open"]))
@click.option("--off", is_flag=True, help="Clear it.")
@_TENANT
@client_options
def set_flag(name: str, flag: str, off: bool, **flags: Any) -> None:
    """Let other tenants name the group (exported), or let it have members of other tenants (open)."""
    path = _at("group", name, f"/flags/{flag}", tenant=flags["tenant"])
    _send(flags, lambda remote: remote.call("DELETE" if off else "PUT", path))


COMMANDS: Final = (grant, revoke, can, who_can, what_can, relations, _group, _group_commands("role", "assignee"))
