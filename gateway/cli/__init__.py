"""The command `panthera`: each file here is one family of its commands.

Exit statuses: 0 done; 1 refused or something is wrong, said on standard error; 2 a bad setting or command line, or a
data directory that another process owns.
"""

import click

from gateway.cli import accounts, audit, authz, buckets, policy, schema, server, share


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="panthera")
def main() -> None:
    """An S3-compatible object gateway."""


for _family in (server, accounts, authz, policy, schema, buckets, share, audit):
    for _command in _family.COMMANDS:
        main.add_command(_command)
