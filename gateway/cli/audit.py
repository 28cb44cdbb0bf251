"""Commands about the audit log: reading it, following it, trimming it.

Belongs here: their arguments and how entries read. Does not belong here: which entries there are and who sees what of
them (the server's admin API has it).
"""

import json
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

import click

from gateway.cli.asking import client_options, die, print_json, print_table, say
from gateway.remote import RemoteError, find

Json = dict[str, Any]

_PAGE: Final = 1_000
_GLANCE_S: Final = 1.0
"""Between two looks of `--follow`."""
_OVERLAP: Final = "10s"
"""`--follow` looks this far back: entries that are written together become durable in no order of time."""
_HEAD: Final = ("TIME", "OUTCOME", "SUBJECT", "ACTION", "RESOURCE", "WHY", "REQUEST")
_FILTERS: Final = ("tenant", "since", "until", "subject", "action", "resource")


@click.group(invoke_without_command=True)
@click.option("--tenant", metavar="NAME", help="Of one tenant; else of all that may be seen.")
@click.option("--since", metavar="WHEN", default="24h", show_default=True, help="`1h`, `30d` back, or ISO 8601.")
@click.option("--until", metavar="WHEN", help="The same; else to the end.")
@click.option("--subject", help="Who acted: user:NAME, user:TENANT/NAME, anyone.")
@click.option("--action", help="s3:GetObject, panthera:Grant, panthera:Revoke …")
@click.option("--resource", metavar="ADDRESS", help="How the address begins: s3://BUCKET/PREFIX.")
@click.option("--denied", is_flag=True, help="Refused requests only.")
@click.option("--follow", is_flag=True, help="Print what comes, until interrupted.")
@client_options
@click.pass_context
def audit(context: click.Context, /, *, denied: bool, follow: bool, **flags: Any) -> None:
    """Print who did what to whose: grants and revokes, and every decision about another tenant's resources."""
    if context.invoked_subcommand is not None:
        return
    query = {name: flags[name] for name in _FILTERS if flags[name] is not None}
    if denied:
        query["outcome"] = "denied"
    if follow:
        _follow(flags, query)
    entries = list(_entries(flags, query))
    if flags["as_json"]:
        for entry in entries:
            click.echo(json.dumps(entry))
    else:
        print_table(_HEAD, [_cells(entry) for entry in entries])


@audit.command()
@click.option("--before", metavar="WHEN", required=True, help="Older than this: `90d`, or ISO 8601.")
@click.option("--tenant", metavar="NAME", help="Of one tenant; else of all.")
@client_options
def trim(**flags: Any) -> None:
    """Remove old entries. That they were removed, and by whom, is written down."""
    body = {name: flags[name] for name in ("before", "tenant") if flags[name] is not None}
    answer = _call(flags, "POST", "/v1/audit/trim", body)
    if flags["as_json"]:
        print_json(answer)
    else:
        click.echo(f"{answer['removed']} entries removed")


def _call(flags: Json, method: str, path: str, body: Json | None = None) -> Any:
    try:
        return find(flags["admin"], flags["data"]).call(method, path, body)
    except RemoteError as error:
        die(str(error), 1)


def _entries(flags: Json, query: Json) -> Iterator[Json]:
    cursor: Json = {}
    while True:
        page = _call(flags, "GET", "/v1/audit?" + urlencode({**query, "limit": _PAGE, **cursor}))
        yield from page["entries"]
        if page["cursor"] is None:
            return
        cursor = {"cursor": page["cursor"]}


def _follow(flags: Json, query: Json) -> None:
    """Prints entries as they come. Never returns; an interrupt ends it."""
    seen: set[str] = set()
    while True:
        entries = list(_entries(flags, query))
        for entry in entries:
            if entry["id"] not in seen:
                say(json.dumps(entry) if flags["as_json"] else "  ".join(_cells(entry)))
        seen = {entry["id"] for entry in entries}
        time.sleep(_GLANCE_S)
        query["since"] = _OVERLAP


def _cells(entry: Json) -> list[str]:
    changes = [f"{one['subject']} {one['relation']} {one['resource']}" for one in entry["changes"]]
    more = "" if len(changes) < 2 else f" and {len(changes) - 1} more"
    resource = entry["resource"] or (changes[0] + more if changes else entry["detail"] or "")
    cells = (entry["outcome"], entry["subject"], entry["action"], resource, entry["reason"], entry["request_id"])
    return [cell or "" for cell in (entry["time"], *cells)]


COMMANDS: Final = (audit,)
