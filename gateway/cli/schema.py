"""Commands about schemas: show, apply, test.

Belongs here: their arguments, reading files, how answers read. Does not belong here: the language and what a trial
means (`authz`); show and apply ask the server's admin API.
"""

import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import yaml

from authz.schema import SOURCE_BYTES
from authz.trial import Outcome, SchemaError, Trial, TrialError
from gateway.cli.asking import ask, client_options, die, print_json, say
from gateway.remote import Remote, RemoteError, find

_TRIAL_BYTES: Final = 4 * 1024 * 1024
"""Largest file of assertions: it is read whole, and YAML takes many times its size."""

_TENANT: Final = click.option("--tenant", metavar="NAME", help="Whose; `default` unless it is said.")


@click.group(name="schema")
def schema() -> None:
    """Relations and permissions of a tenant, in the schema language."""


@schema.command()
@_TENANT
@client_options
def show(tenant: str | None, as_json: bool, **flags: Any) -> None:
    """Print the schema in force."""
    path = "/v1/schema" if tenant is None else f"/v1/schema?tenant={quote(tenant)}"

    def request(remote: Remote) -> Any:
        return remote.call("GET", path)

    if as_json:
        ask(flags["admin"], flags["data"], request, columns=(), as_json=True)
        return
    try:
        found = request(find(flags["admin"], flags["data"]))
    except RemoteError as error:
        die(str(error), 1)
    click.echo(found["source"].rstrip("\n"))


@schema.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Say what would happen, and do nothing.")
@_TENANT
@client_options
def apply(file: Path, dry_run: bool, tenant: str | None, as_json: bool, **flags: Any) -> None:
    """Put the schema in FILE in force (`-` is standard input).

    Refused, with exit status 1, when it is wrong or when relations are there that it has no place for.
    """
    source = _read(file, SOURCE_BYTES)
    body = {"source": source, "dry_run": dry_run} | ({} if tenant is None else {"tenant": tenant})
    try:
        found = find(flags["admin"], flags["data"]).call("PUT", "/v1/schema", body)
    except RemoteError as error:
        for one in error.problem.get("relations", ()):
            say(f"{one['subject']} {one['relation']} {one['resource']}")
        die(f"{file}: {error}", 1)
    if as_json:
        print_json(found)
        return
    for warning in found["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    changes = [f"+ {name}" for name in found["added"]] + [f"- {name}" for name in found["removed"]]
    done = "could be put in force" if dry_run else "is in force"
    click.echo("\n".join([f"the schema of {found['tenant']} {done}", *changes]))


@schema.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def test(files: tuple[Path, ...]) -> None:
    """Try models without a server: FILES say relations in YAML, and what must be allowed, denied and shown.

    Exit status 1 when an assertion does not hold, with what was expected and what is; 2 when a file cannot be meant.
    """
    failed = 0
    for file in files:
        try:
            outcome = _trial(file).run()
        except (TrialError, SchemaError) as error:
            die(f"{file}: {error}", 2)
        failed += len(outcome.failures)
        _tell(file, outcome)
    sys.exit(1 if failed else 0)


def _trial(file: Path) -> Trial:
    try:
        content = yaml.safe_load(_read(file, _TRIAL_BYTES))
    except yaml.YAMLError as error:
        die(f"{file}: {error}", 2)
    if isinstance(content, dict) and isinstance(name := content.pop("schema_file", None), str):
        if content.get("schema") is not None:
            die(f"{file}: schema and schema_file: give one of them", 2)
        beside = file.parent / name
        if not beside.is_file():
            die(f"{file}: schema_file: there is no file {beside}", 2)
        content["schema"] = _read(beside, SOURCE_BYTES)
    return Trial(content)


def _tell(file: Path, outcome: Outcome) -> None:
    for warning in outcome.warnings:
        click.echo(f"{file}: warning: {warning}", err=True)
    for failure in outcome.failures:
        click.echo(f"{file}: {failure.where}")
        for line in failure.lines:
            click.echo(f"    {line}")
    good = outcome.asserted - len(outcome.failures)
    click.echo(f"{file}: {good} of {outcome.asserted} assertions hold")


def _read(file: Path, most: int) -> str:
    try:
        with click.open_file(str(file), "rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        die(f"{file}: {error.strerror}", 2)
    if len(content) > most:
        die(f"{file}: more than {most} bytes", 2)
    try:
        return str(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        die(f"{file}: is not UTF-8", 2)


COMMANDS: Final = (schema,)
