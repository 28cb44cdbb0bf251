"""The commands `panthera share …`.

Belongs here: their flags and how answers are printed. Does not belong here: what they do (`admin/shares.py`).
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from gateway.cli.asking import ask, client_options, say
from gateway.remote import Remote
from gateway.sharing.shares import ANYONE, CAN

_TENANT: Final = click.option("--tenant", metavar="NAME", help="As root: whose; else the bucket's, or all.")
_USER: Final = click.option("--user", metavar="NAME", help="As root: in whose right; else its only administrator.")
_COLUMNS: Final = ("tenant", "share", "resource", "can", "to", "expires", "state", "created_by")


def _flat(value: Any) -> Any:
    """Lists as words, for a table."""
    if isinstance(value, list):
        return [_flat(one) for one in value]
    shown = dict(value)
    for name in ("can", "to"):
        if isinstance(shown.get(name), list):
            shown[name] = ",".join(shown[name])
    return shown


@click.group()
def share() -> None:
    """Shares: links, and what other tenants may use."""


@share.command(name="create")
@click.argument("resource", metavar="s3://BUCKET/PREFIX/")
@click.option("--to", multiple=True, metavar="WHOM", help=f"tenant:NAME, group:TENANT/NAME, or {ANYONE} (the default).")
@click.option("--can", type=click.Choice(list(CAN)), default="view", show_default=True, help="What it allows.")
@click.option("--expires", metavar="WHEN", help="30d, 12h or a moment; else never.")
@click.option("--password-file", type=click.File(), help="File with a password the link asks for; `-` reads stdin.")
@click.option("--downloads", type=int, help="How often it may be downloaded; else any number of times.")
@_TENANT
@_USER
@client_options
def create(resource: str, to: tuple[str, ...], as_json: bool, admin: str | None, data: Path, **more: Any) -> None:
    """Share a bucket, a prefix (it ends in /) or an object. The token is printed now and never again."""
    file = more.pop("password_file")
    body = {"resource": resource, **{name: value for name, value in more.items() if value is not None}}
    if to:
        body["to"] = list(to)
    if file is not None:
        body["password"] = file.read().rstrip("\n")

    def made(remote: Remote) -> Any:
        answer = remote.call("POST", "/v1/shares", body)
        for note in answer["notes"]:
            say(f"note: {note}", err=True)
        return answer

    ask(
        admin,
        data,
        made,
        columns=("tenant", "share", "token", "link"),
        as_json=as_json,
    )


def _of(path: str, tenant: str | None, **query: str) -> str:
    """The route with its query."""
    given = query | ({} if tenant is None else {"tenant": tenant})
    return f"{path}?{urlencode(given)}" if given else path


@share.command(name="list")
@_TENANT
@client_options
def list_shares(tenant: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """List your shares; as an administrator those of the tenant, as root those of all."""

    def read(remote: Remote) -> Any:
        found = remote.call("GET", _of("/v1/shares", tenant))
        return found if as_json else _flat(found)

    ask(admin, data, read, columns=_COLUMNS, as_json=as_json)


@share.command(name="show")
@click.argument("number", type=int)
@_TENANT
@client_options
def show(number: int, tenant: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """Show a share, with its downloads so far."""

    def read(remote: Remote) -> Any:
        found = remote.call("GET", _of(f"/v1/shares/{number}", tenant))
        return found if as_json else _flat(found)

    ask(admin, data, read, columns=(*_COLUMNS, "password", "downloads", "downloaded"), as_json=as_json)


@share.command(name="revoke")
@click.argument("number", type=int)
@_TENANT
@client_options
def revoke(number: int, tenant: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """End a share. When this returns, nothing is allowed by it any more."""
    path = _of(f"/v1/shares/{number}", tenant)
    ask(admin, data, lambda r: r.call("DELETE", path), columns=(), as_json=as_json)


_MOUNT: Final = ("at", "created_by", "created")


@share.command(name="import")
@click.argument("token")
@click.argument("at", metavar="s3://BUCKET/PREFIX/")
@click.option("--password-file", type=click.File(), help="File with the share's password; `-` reads stdin.")
@_TENANT
@_USER
@client_options
def mount(token: str, at: str, password_file: Any, as_json: bool, admin: str | None, data: Path, **more: Any) -> None:
    """Mount another tenant's share under a prefix of your bucket, where there are no keys."""
    body = {"token": token, "at": at, **{name: value for name, value in more.items() if value is not None}}
    if password_file is not None:
        body["password"] = password_file.read().rstrip("\n")
    ask(admin, data, lambda r: r.call("POST", "/v1/mounts", body), columns=_MOUNT, as_json=as_json)


@share.command(name="mounts")
@_TENANT
@client_options
def mounts(tenant: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """List what is mounted in the buckets you manage."""
    ask(admin, data, lambda r: r.call("GET", _of("/v1/mounts", tenant)), columns=_MOUNT, as_json=as_json)


@share.command(name="unmount")
@click.argument("at", metavar="s3://BUCKET/PREFIX/")
@_TENANT
@client_options
def unmount(at: str, tenant: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """Remove a mount. Nothing happens to what is shared."""
    path = _of("/v1/mounts", tenant, at=at)
    ask(admin, data, lambda r: r.call("DELETE", path), columns=(), as_json=as_json)


COMMANDS: Final = (share,)
