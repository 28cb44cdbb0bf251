"""Asking a running server and printing what it says: what the commands of every family share.

Belongs here: the options that find the server, one request, tables and JSON. Does not belong here: commands (the files
beside it), the admin API as a client speaks it (`remote.py`).
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from gateway.remote import Remote, RemoteError, find

Command = Callable[..., Any]


def die(message: str, status: int) -> NoReturn:
    """Ends the process with a word on standard error."""
    for line in f"panthera: {message}".split("\n"):
        say(line, err=True)
    sys.exit(status)


def say(line: str, *, err: bool = False) -> None:
    """Prints one line, whatever is in it."""
    click.echo(plain(line), err=err)


def plain(text: str) -> str:
    """A key may hold anything that its writer chose; on a terminal it moves no cursor and begins no line of its own."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def given(**members: Any) -> dict[str, Any]:
    """The flags that somebody gave."""
    return {name: value for name, value in members.items() if value is not None and value != ()}


def client_options(command: Command) -> Command:
    """`--admin-url`, `--data` and `--json`."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    command = click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=Path("data"),
        envvar="PANTHERA_DATA",
        help="Data directory of a local server, for its address and credentials.",
    )(command)
    return click.option("--admin-url", "admin", metavar="URL", help="The admin API; else PANTHERA_ADMIN_URL.")(command)


def ask(
    admin: str | None, data: Path, request: Callable[[Remote], Any], *, columns: Sequence[str], as_json: bool
) -> None:
    """Sends a request and prints its answer: JSON, or a table of `columns`."""
    try:
        answer = request(find(admin, data))
    except RemoteError as error:
        die(str(error), 1)
    if as_json:
        print_json(answer)
    elif columns:
        rows = answer if isinstance(answer, list) else [answer]
        print_table([column.upper() for column in columns], [[cell(row.get(name)) for name in columns] for row in rows])


def cell(value: object) -> str:
    """A value in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def print_json(value: object) -> None:
    """Prints JSON."""
    click.echo(json.dumps(value, indent=2))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns under their heads."""
    lines = [[plain(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
