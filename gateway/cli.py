"""The command `panthera`.

Belongs here: commands, their flags, how answers are printed, exit statuses. Does not belong here: reading settings
(`config.py`), doing anything (`boot.py`, the admin API, `storage.verify`).

Exit statuses: 0 done; 1 refused or something is wrong, said on standard error; 2 a bad setting or command line, or a
data directory that another process owns.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import click

from gateway.asking import Command, ask, client_options, die, print_json, print_table
from gateway.cli_audit import audit
from gateway.cli_authz import COMMANDS
from gateway.cli_buckets import bucket
from gateway.cli_policy import policy
from gateway.cli_schema import schema
from gateway.cli_share import share
from gateway.config import DEFAULT, SETTINGS, load, shown
from gateway.errors import SettingError
from gateway.remote import Remote


def _with_settings(command: Command) -> Command:
    """Every setting as a flag, and `--config`. Secrets have no flag: a command line is no place for them."""
    for setting in reversed(SETTINGS):
        if setting.secret or setting.name == "root_access_key":
            continue
        if isinstance(setting.default, bool):
            flag = f"{setting.flag}/--no-{setting.flag[2:]}"
            command = click.option(flag, setting.name, default=None, help=setting.meaning)(command)
        else:
            kind = {"multiple": True} if setting.many else {"default": None}
            command = click.option(setting.flag, setting.name, metavar="VALUE", help=setting.meaning, **kind)(command)
    return click.option("--config", "config_file", type=click.Path(path_type=Path), help="A TOML file of settings.")(
        command
    )


def _given(flags: dict[str, Any]) -> dict[str, object]:
    return {name: value for name, value in flags.items() if value is not None and value != ()}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="panthera")
def main() -> None:
    """An S3-compatible object gateway."""


for _command in (*COMMANDS, policy, schema, bucket, share, audit):
    main.add_command(_command)


@main.command()
@_with_settings
def serve(config_file: Path | None, **flags: Any) -> None:
    """Serve until SIGTERM or SIGINT. Prints one line starting with `ready` when requests are accepted."""
    try:
        config = load(_given(flags), config_file=config_file)
    except SettingError as error:
        die(str(error), 2)
    boot = importlib.import_module("gateway.boot")
    try:
        boot.serve(config, click.echo)
    except SettingError as error:
        die(str(error), 2)
    except boot.StartError as error:
        die(str(error), error.status)


@main.group(name="config")
def config_group() -> None:
    """Settings."""


@config_group.command(name="show")
@click.option("--effective", is_flag=True, help="All settings, not only those that differ from their default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_with_settings
def config_show(effective: bool, as_json: bool, config_file: Path | None, **flags: Any) -> None:
    """Print each value and where it came from."""
    try:
        config = load(_given(flags), config_file=config_file)
    except SettingError as error:
        die(str(error), 2)
    rows = [row for row in shown(config) if effective or row[2] != DEFAULT]
    if as_json:
        print_json([dict(zip(("setting", "value", "origin"), row, strict=True)) for row in rows])
    else:
        print_table(("SETTING", "VALUE", "FROM"), rows)


_TENANT = ("name", "account_id", "created", "buckets")
_USER = ("tenant", "name", "admin", "arn", "canonical_id", "display_name", "email")
_KEY = ("access_key", "tenant", "user", "created", "disabled")


@main.group()
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


@main.group()
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
    body = {"tenant": tenant_name, "name": name, "admin": is_admin, **_given(more)}
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


@main.group()
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


@main.command()
@client_options
def stats(admin: str | None, data: Path, as_json: bool) -> None:
    """Live and dead bytes of each volume. Walks every manifest: seconds on large stores."""
    columns = ("volume", "state", "needles", "live_bytes", "dead_bytes", "file_bytes")

    def read(remote: Remote) -> Any:
        answer = remote.call("GET", "/v1/stats")
        return answer if as_json else answer["volumes"]

    ask(admin, data, read, columns=columns, as_json=as_json)


def _offline(run: Callable[[ModuleType, Callable[[str], None] | None], Any], *, as_json: bool) -> None:
    """Runs the second reader, which needs no extension, and prints its report. Exit 1 when there are problems."""
    reader = importlib.import_module("storage.verify")
    progress = (lambda line: click.echo(f"\r{line}\033[K", nl=False, err=True)) if sys.stderr.isatty() else None
    try:
        report = run(reader, progress)
    except reader.CannotOpen as error:
        die(str(error), 2)
    finally:
        if progress is not None:
            click.echo("\r\033[K", nl=False, err=True)
    if as_json:
        findings = {name: [asdict(one) for one in getattr(report, name)] for name in ("problems", "notes")}
        print_json({"sound": report.sound, "counts": dict(report.counts), **findings})
    else:
        for problem in report.problems:
            click.echo(f"problem: {problem}")
        for note in report.notes:
            click.echo(f"note: {note}")
        click.echo(report.summary())
    sys.exit(0 if report.sound else 1)


_CLOSED = click.option(
    "--data", type=click.Path(path_type=Path, exists=True), required=True, help="A closed data directory."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@main.command()
@_CLOSED
@_JSON
def verify(data: Path, as_json: bool) -> None:
    """Check a closed data directory end to end, in plain Python. Exit 1 and a list when something is wrong."""
    _offline(lambda reader, say: reader.verify(data, say), as_json=as_json)


@main.command()
@_CLOSED
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Where to write what is found.")
@click.option("--versions", is_flag=True, help="Versions that are not current, too.")
@_JSON
def rescue(data: Path, to: Path, versions: bool, as_json: bool) -> None:
    """Export every object with its metadata, without the server and without the Rust extension."""
    _offline(lambda reader, say: reader.rescue(data, to, versions=versions, say=say), as_json=as_json)
