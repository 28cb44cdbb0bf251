"""Commands about identity policies: what hangs on users, groups and roles.

Belongs here: their arguments and how answers read. Does not belong here: meaning (the server's admin API has it),
relations (`authz.py`), bucket policies (S3 clients put them).
"""

from collections.abc import Callable
from typing import IO, Any, Final
from urllib.parse import quote, urlencode

import click

from gateway.cli.asking import Command, ask, client_options, die, print_json, print_table
from gateway.remote import Remote, RemoteError, find

Json = dict[str, Any]

_WORDS: Final = ("user", "group", "role")
_COLUMNS: Final = ("name", "tenant", "number", "changed", "description")
_FILE: Final = click.argument("file", type=click.File(encoding="utf-8"))
_TENANT: Final = click.option("--tenant", metavar="NAME", help="Whose policies and people are meant.")


@click.group()
def policy() -> None:
    """Identity policies: managed ones of a tenant, and what hangs on its users, groups and roles.

    SUBJECT is user:NAME, group:NAME or role:NAME. FILE is a policy in Amazon's language without a Principal; `-` reads
    standard input. A role's policies take effect for those who assume it, not for its assignees.
    """


def _options(command: Command) -> Command:
    return _TENANT(client_options(command))


def _query(tenant: str | None) -> str:
    return "" if tenant is None else "?" + urlencode({"tenant": tenant})


def _named(name: str) -> str:
    return f"/v1/policies/{quote(name, '')}"


def _subject(subject: str, flags: Json) -> tuple[str, str, Json]:
    """The route of a subject's identity, the query and the body's members that name its tenant."""
    tenant = flags["tenant"]
    word, _, name = subject.partition(":")
    if word not in _WORDS or not name:
        die(f"{subject!r} is no subject of policies: write user:NAME, group:NAME or role:NAME", 2)
    if word == "user":
        # The route of a user names its tenant: whose the key is, unless it is said.
        owner = _answer(flags, "/v1/schema")["tenant"] if tenant is None else tenant
        return f"/v1/users/{quote(owner, '')}/{quote(name, '')}", "", {}
    return f"/v1/{word}s/{quote(name, '')}", _query(tenant), {} if tenant is None else {"tenant": tenant}


def _only_people(subject: str, what: str) -> None:
    if subject.startswith("group:"):
        die(f"a group has no {what}: only users and roles do", 2)


def _send(flags: Json, request: Callable[[Remote], Any], shown: tuple[str, ...] = ()) -> None:
    ask(flags["admin"], flags["data"], request, columns=shown, as_json=flags["as_json"])


def _answer(flags: Json, path: str) -> Json:
    """The answer to a GET; else the process ends with what the server said."""
    try:
        found: Json = find(flags["admin"], flags["data"]).call("GET", path)
    except RemoteError as error:
        die(str(error), 1)
    return found


def _document(file: IO[str]) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        die(f"{file.name} is not UTF-8 text", 2)


@policy.command(name="add")
@click.argument("name")
@_FILE
@click.option("--description", default="", help="What it is for.")
@_options
def add(name: str, file: IO[str], description: str, **flags: Any) -> None:
    """Add a managed policy, attached to nobody."""
    body = {"name": name, "document": _document(file), "description": description}
    body |= {} if flags["tenant"] is None else {"tenant": flags["tenant"]}
    _send(flags, lambda remote: remote.call("POST", "/v1/policies", body), _COLUMNS)


@policy.command(name="change")
@click.argument("name")
@_FILE
@_options
def change(name: str, file: IO[str], **flags: Any) -> None:
    """Give a managed policy another document. It is in force for all who have it when this returns."""
    body = {"document": _document(file)} | ({} if flags["tenant"] is None else {"tenant": flags["tenant"]})
    _send(flags, lambda remote: remote.call("PUT", _named(name), body), _COLUMNS)


@policy.command(name="list")
@_options
def all_of_them(**flags: Any) -> None:
    """List the managed policies of a tenant."""
    _send(flags, lambda remote: remote.call("GET", f"/v1/policies{_query(flags['tenant'])}"), _COLUMNS)


@policy.command(name="show")
@click.argument("name")
@_options
def show(name: str, **flags: Any) -> None:
    """Print a managed policy's document; on standard error, who has it."""
    answer = _answer(flags, _named(name) + _query(flags["tenant"]))
    if flags["as_json"]:
        print_json(answer)
        return
    click.echo(answer["document"])
    click.echo(f"attached to: {', '.join(answer['attached']) or 'nobody'}", err=True)
    if answer["bounds"]:
        click.echo(f"bounds: {', '.join(answer['bounds'])}", err=True)


@policy.command(name="rm")
@click.argument("name")
@_options
def rm(name: str, **flags: Any) -> None:
    """Remove a managed policy that nobody has."""
    _send(flags, lambda remote: remote.call("DELETE", _named(name) + _query(flags["tenant"])))


@policy.command(name="attach")
@click.argument("name")
@click.argument("subject")
@_options
def attach(name: str, subject: str, **flags: Any) -> None:
    """Attach a managed policy to SUBJECT. It is in force when this returns."""
    _attached("PUT", name, subject, flags)


@policy.command(name="detach")
@click.argument("name")
@click.argument("subject")
@_options
def detach(name: str, subject: str, **flags: Any) -> None:
    """Detach a managed policy. What it allowed has ended when this returns."""
    _attached("DELETE", name, subject, flags)


def _attached(method: str, name: str, subject: str, flags: Json) -> None:
    path, query, _ = _subject(subject, flags)
    _send(flags, lambda remote: remote.call(method, f"{path}/attached/{quote(name, '')}{query}"))


@policy.command(name="of")
@click.argument("subject")
@_options
def of(subject: str, **flags: Any) -> None:
    """List what hangs on SUBJECT: policies, boundary, tags."""
    path, query, _ = _subject(subject, flags)
    answer = _answer(flags, f"{path}/policies{query}")
    if flags["as_json"]:
        print_json(answer)
        return
    rows = [("attached", name) for name in answer["attached"]] + [("inline", name) for name in answer["inline"]]
    rows += [("boundary", answer["boundary"])] if answer.get("boundary") else []
    rows += [("tag", f"{tag['key']}={tag['value']}") for tag in answer.get("tags", [])]
    print_table(("KIND", "NAME"), rows)


@policy.command(name="put-inline")
@click.argument("subject")
@click.argument("name")
@_FILE
@_options
def put_inline(subject: str, name: str, file: IO[str], **flags: Any) -> None:
    """Give SUBJECT a policy of its own, or another document for one."""
    path, _, whose = _subject(subject, flags)
    body = {"document": _document(file)} | whose
    _send(flags, lambda remote: remote.call("PUT", f"{path}/policies/{quote(name, '')}", body))


@policy.command(name="show-inline")
@click.argument("subject")
@click.argument("name")
@_options
def show_inline(subject: str, name: str, **flags: Any) -> None:
    """Print the document of a policy of SUBJECT's own."""
    path, query, _ = _subject(subject, flags)
    answer = _answer(flags, f"{path}/policies/{quote(name, '')}{query}")
    if flags["as_json"]:
        print_json(answer)
    else:
        click.echo(answer["document"])


@policy.command(name="rm-inline")
@click.argument("subject")
@click.argument("name")
@_options
def rm_inline(subject: str, name: str, **flags: Any) -> None:
    """Remove a policy of SUBJECT's own. What it allowed has ended when this returns."""
    path, query, _ = _subject(subject, flags)
    _send(flags, lambda remote: remote.call("DELETE", f"{path}/policies/{quote(name, '')}{query}"))


@policy.command(name="bound")
@click.argument("subject")
@click.argument("name", required=False)
@click.option("--off", is_flag=True, help="Take the bound away.")
@_options
def bound(subject: str, name: str | None, off: bool, **flags: Any) -> None:
    """Bound a user or role: policies allow it only what the managed policy NAME allows, too."""
    if off == (name is not None):
        die("give the NAME of a managed policy, or --off", 2)
    _only_people(subject, "boundary")
    path, query, whose = _subject(subject, flags)
    if off:
        _send(flags, lambda remote: remote.call("DELETE", f"{path}/boundary{query}"))
    else:
        _send(flags, lambda remote: remote.call("PUT", f"{path}/boundary", {"policy": name} | whose))


@policy.command(name="tag")
@click.argument("subject")
@click.argument("tags", nargs=-1, metavar="[KEY=VALUE]...")
@_options
def tag(subject: str, tags: tuple[str, ...], **flags: Any) -> None:
    """Replace the tags of a user or role (`aws:PrincipalTag/KEY` in policies); without any, remove them."""
    _only_people(subject, "tags")
    pairs = [one.partition("=") for one in tags]
    for one, (_, equals, _) in zip(tags, pairs, strict=True):
        if not equals:
            die(f"{one!r} is no tag: write KEY=VALUE", 2)
    path, _, whose = _subject(subject, flags)
    body = {"tags": [{"key": key, "value": value} for key, _, value in pairs]} | whose
    _send(flags, lambda remote: remote.call("PUT", f"{path}/tags", body))


@policy.command(name="trust")
@click.argument("role")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@_options
def trust(role: str, file: IO[str] | None, **flags: Any) -> None:
    """Say who may assume ROLE (a name), by a trust policy; without FILE, print the one it has."""
    path, query, whose = _subject(f"role:{role}", flags)
    if file is None:
        answer = _answer(flags, f"{path}/trust-policy{query}")
        if flags["as_json"]:
            print_json(answer)
        else:
            click.echo(answer["document"])
        return
    body = {"document": _document(file)} | whose
    _send(flags, lambda remote: remote.call("PUT", f"{path}/trust-policy", body))


COMMANDS: Final = (policy,)
