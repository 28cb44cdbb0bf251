"""Commands about accounts: tenant, user, key.

Belongs here: their arguments and how answers read. Does not belong here: what they do (the server's admin API has it).
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from gateway.cli.asking import ask, client_options, die, given

_TENANT = ("name", "account_id", "created", "buckets")
_USER = ("tenant", "name", "admin", "arn", "canonical_id", "display_name", "email")
_KEY = ("access_key", "tenant", "user", "created", "disabled")


@click.group()
def tenant() -> None:
    """Tenants: units of isolation."""


@tenant.command(name="add")
@click.argument("name")
@client_options
def tenant_add(name: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Add a tenant."""
    ask(admin, data, lambda r: r.call("POST", "/v1/tenants", {"name": name}), columns=_TENANT, as_json=as_json)


@tenant.command(name="list")
@client_options
def tenant_list(admin: str | None, data: Path, as_json: bool) -> None:
    """List tenants."""
    ask(admin, data, lambda r: r.call("GET", "/v1/tenants"), columns=_TENANT, as_json=as_json)


@tenant.command(name="show")
@click.argument("name")
@client_options
def tenant_show(name: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Show a tenant: its account id and what policies call it (ARN)."""
    columns = (*_TENANT, "arn")
    ask(admin, data, lambda r: r.call("GET", f"/v1/tenants/{quote(name, '')}"), columns=columns, as_json=as_json)


@tenant.command(name="rm")
@click.argument("name")
@client_options
def tenant_rm(name: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Remove a tenant that has no buckets, with its users and keys."""
    ask(admin, data, lambda r: r.call("DELETE", f"/v1/tenants/{quote(name, '')}"), columns=(), as_json=as_json)


@click.group()
def user() -> None:
    """Users of tenants."""


@user.command(name="add")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@click.option("--admin", "is_admin", is_flag=True, help="May do everything in its tenant.")
@click.option("--display-name", help="What owner elements show; else the name.")
@click.option("--email", help="E-mail address.")
@client_options
def user_add(tenant_name: str, name: str, is_admin: bool, as_json: bool, **more: Any) -> None:
    """Add a user. Without --admin it may do what grants (`panthera grant`), policies and lists allow it."""
    admin, data = more.pop("admin"), more.pop("data")
    body = {"tenant": tenant_name, "name": name, "admin": is_admin, **given(**more)}
    ask(admin, data, lambda r: r.call("POST", "/v1/users", body), columns=_USER, as_json=as_json)


@user.command(name="list")
@click.argument("tenant_name", metavar="[TENANT]", required=False)
@client_options
def user_list(tenant_name: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """List users, of one tenant or of all."""
    query = f"?tenant={quote(tenant_name, '')}" if tenant_name else ""
    ask(admin, data, lambda r: r.call("GET", f"/v1/users{query}"), columns=_USER, as_json=as_json)


@user.command(name="show")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@client_options
def user_show(tenant_name: str, name: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Show a user: what policies call it (ARN) and what access control lists call it (canonical id)."""
    path = f"/v1/users/{quote(tenant_name, '')}/{quote(name, '')}"
    ask(admin, data, lambda r: r.call("GET", path), columns=_USER, as_json=as_json)


@user.command(name="rm")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@client_options
def user_rm(tenant_name: str, name: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Remove a user with its keys. What it owns stays, owned by nobody who can sign."""
    path = f"/v1/users/{quote(tenant_name, '')}/{quote(name, '')}"
    ask(admin, data, lambda r: r.call("DELETE", path), columns=(), as_json=as_json)


@click.group()
def key() -> None:
    """Access keys of users."""


@key.command(name="add")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("user_name", metavar="USER")
@click.option("--access-key", help="Bring your own access key id; else one is generated.")
@click.option("--secret-key-file", type=click.File(), help="File with the secret of your own key; `-` reads stdin.")
@client_options
def key_add(
    tenant_name: str, user_name: str, access_key: str | None, secret_key_file: Any, admin: str | None, **more: Any
) -> None:
    """Add an access key. Its secret is printed now and never again."""
    body: dict[str, Any] = {"tenant": tenant_name, "user": user_name}
    if (access_key is None) != (secret_key_file is None):
        die("--access-key and --secret-key-file belong together", 2)
    if access_key is not None:
        body |= {"access_key": access_key, "secret_key": secret_key_file.read().strip()}
    columns = ("access_key", "secret_key")
    ask(admin, more["data"], lambda r: r.call("POST", "/v1/keys", body), columns=columns, as_json=more["as_json"])


@key.command(name="list")
@click.argument("tenant_name", metavar="[TENANT]", required=False)
@click.argument("user_name", metavar="[USER]", required=False)
@client_options
def key_list(tenant_name: str | None, user_name: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """List access keys, of everybody, of a tenant, or of a user."""
    given = {"tenant": tenant_name, "user": user_name}
    query = "&".join(f"{name}={quote(value, '')}" for name, value in given.items() if value)
    ask(admin, data, lambda r: r.call("GET", f"/v1/keys?{query}"), columns=_KEY, as_json=as_json)


@key.command(name="disable")
@click.argument("access_key")
@client_options
def key_disable(access_key: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Disable an access key. When this returns, nothing signed with it is accepted."""
    _change_key(access_key, admin, data, disabled=True, as_json=as_json)


@key.command(name="enable")
@click.argument("access_key")
@client_options
def key_enable(access_key: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Enable a disabled access key again."""
    _change_key(access_key, admin, data, disabled=False, as_json=as_json)


def _change_key(access_key: str, admin: str | None, data: Path, *, disabled: bool, as_json: bool) -> None:
    path, body = f"/v1/keys/{quote(access_key, '')}", {"disabled": disabled}
    ask(admin, data, lambda r: r.call("PATCH", path, body), columns=(), as_json=as_json)


@key.command(name="rm")
@click.argument("access_key")
@client_options
def key_rm(access_key: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Remove an access key. From now on nothing signed with it is accepted."""
    ask(admin, data, lambda r: r.call("DELETE", f"/v1/keys/{quote(access_key, '')}"), columns=(), as_json=as_json)


COMMANDS: Final = (tenant, user, key)
