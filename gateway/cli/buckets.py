"""Commands about the settings of buckets: show, set.

Belongs here: their arguments. Does not belong here: what a setting means (the server's admin API has it).
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from gateway.bucket_settings import LISTING_MODES
from gateway.cli.asking import ask, client_options, die

_COLUMNS: Final = ("bucket", "listing")


@click.group(name="bucket")
def bucket() -> None:
    """Settings of buckets beyond Amazon's configuration."""


@bucket.command()
@click.argument("address", metavar="BUCKET")
@client_options
def show(address: str, admin: str | None, data: Path, as_json: bool) -> None:
    """Print a bucket's settings."""
    ask(admin, data, lambda r: r.call("GET", _path(address)), columns=_COLUMNS, as_json=as_json)


@bucket.command(name="set")
@click.argument("address", metavar="BUCKET")
@click.option(
    "--listing",
    type=click.Choice(list(LISTING_MODES)),
    help="filtered: who may not list all of it is shown what it may know of; strict: such a listing is refused.",
)
@client_options
def set_(address: str, listing: str | None, admin: str | None, data: Path, as_json: bool) -> None:
    """Change a bucket's settings. BUCKET is `s3://name`, or the name alone."""
    if listing is None:
        die("say what to change: --listing", 2)
    body: dict[str, Any] = {"listing": listing}
    ask(admin, data, lambda r: r.call("PUT", _path(address), body), columns=_COLUMNS, as_json=as_json)


def _path(address: str) -> str:
    name = address.removeprefix("s3://").removesuffix("/")
    if not name or "/" in name:
        die(f"{address} is no bucket: s3://name is one", 2)
    return f"/v1/buckets/{quote(name, '')}/settings"


COMMANDS: Final = (bucket,)
