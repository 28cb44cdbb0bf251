"""Commands about the server itself: serve, config show, stats, and verify and rescue of a directory that none owns.

Belongs here: their flags, how their answers are printed. Does not belong here: reading settings (`config.py`), doing
anything (`boot.py`, the admin API, `storage.verify`).
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from gateway.cli.asking import Command, ask, client_options, die, given, print_json, print_table, say
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


@click.command()
@_with_settings
def serve(config_file: Path | None, **flags: Any) -> None:
    """Serve until SIGTERM or SIGINT. Prints one line starting with `ready` when requests are accepted."""
    try:
        config = load(given(**flags), config_file=config_file)
    except SettingError as error:
        die(str(error), 2)
    boot = importlib.import_module("gateway.boot")
    try:
        boot.serve(config, click.echo)
    except SettingError as error:
        die(str(error), 2)
    except boot.StartError as error:
        die(str(error), error.status)


@click.group(name="config")
def config_group() -> None:
    """Settings."""


@config_group.command(name="show")
@click.option("--effective", is_flag=True, help="All settings, not only those that differ from their default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_with_settings
def config_show(effective: bool, as_json: bool, config_file: Path | None, **flags: Any) -> None:
    """Print each value and where it came from."""
    try:
        config = load(given(**flags), config_file=config_file)
    except SettingError as error:
        die(str(error), 2)
    rows = [row for row in shown(config) if effective or row[2] != DEFAULT]
    if as_json:
        print_json([dict(zip(("setting", "value", "origin"), row, strict=True)) for row in rows])
    else:
        print_table(("SETTING", "VALUE", "FROM"), rows)


@click.command()
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
            say(f"problem: {problem}")
        for note in report.notes:
            say(f"note: {note}")
        click.echo(report.summary())
    sys.exit(0 if report.sound else 1)


_CLOSED = click.option(
    "--data", type=click.Path(path_type=Path, exists=True), required=True, help="A closed data directory."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@_CLOSED
@_JSON
def verify(data: Path, as_json: bool) -> None:
    """Check a closed data directory end to end, in plain Python. Exit 1 and a list when something is wrong."""
    _offline(lambda reader, say: reader.verify(data, say), as_json=as_json)


@click.command()
@_CLOSED
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Where to write what is found.")
@click.option("--versions", is_flag=True, help="Versions that are not current, too.")
@_JSON
def rescue(data: Path, to: Path, versions: bool, as_json: bool) -> None:
    """Export every object with its metadata, without the server and without the Rust extension."""
    _offline(lambda reader, say: reader.rescue(data, to, versions=versions, say=say), as_json=as_json)


COMMANDS: Final = (serve, config_group, stats, verify, rescue)
