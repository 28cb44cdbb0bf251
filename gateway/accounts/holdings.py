"""Rows of identities: what must be written and removed together so that they stay true to each other.

Belongs here: guards and operations for batches. Does not belong here: commits, rules about what may hang on whom
(`identity.py`).
"""

from gateway.limits import ADMIN_PAGE
from storage.api import Guard, Metastore, Op, absent, delete, delete_range, equals
from storage.records import keys
from storage.records.identity import IdentityRecord
from storage.records.keys import AttachedAs, PrincipalOf
from storage.records.pointer import decode_id


def attachments(tenant: int, of: PrincipalOf, number: int, record: IdentityRecord) -> dict[bytes, str]:
    """The attachment rows an identity stands for, each with the name of its managed policy."""
    named = [(name, AttachedAs.POLICY) for name in record.attached]
    if record.boundary is not None:
        named.append((record.boundary, AttachedAs.BOUNDARY))
    return {keys.attachment(tenant, name.encode(), as_what, of, number): name for name, as_what in named}


def removal(store: Metastore, tenant: int, of: PrincipalOf, number: int) -> tuple[list[Guard], list[Op]]:
    """For the batch that removes a principal: what removes its identity, and the guard that it is all of it."""
    row = keys.identity(tenant, of, number)
    value = store.get(row)
    if value is None:
        return [absent(row)], []
    rows = attachments(tenant, of, number, IdentityRecord.decode(value))
    return [equals(row, value)], [delete(row), *(delete(one) for one in rows)]


def tenant_removal(store: Metastore, tenant: int) -> list[Op]:
    """For the batch that removes a tenant: its groups and roles, its policies and what has them."""
    ranges = [keys.identity_range(tenant), keys.managed_policy_range(tenant), keys.attachment_range(tenant)]
    ops: list[Op] = []
    for names, row in ((keys.group_name_range, keys.group), (keys.role_name_range, keys.role)):
        start, end = names(tenant)
        ranges.append((start, end))
        while found := store.scan(start, end, ADMIN_PAGE):
            ops += [delete(row(decode_id(pointer))) for _, pointer in found]
            start = found[-1][0] + b"\0"
    return ops + [delete_range(start, end) for start, end in ranges]
