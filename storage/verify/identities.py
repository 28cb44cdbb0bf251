"""Identities: that each belongs to somebody, and that attachments and managed policies say the same in both directions.

Belongs here: what rows `i`, `P` and `a` must say about each other. Does not belong here: decoding (`identity_rows.py`).
"""

from storage.verify import identity_rows
from storage.verify.accounts import Catalog, scanned, shown
from storage.verify.directory import Rows
from storage.verify.identity_rows import BOUNDARY, POLICY, USER, Attachment, Owner
from storage.verify.report import Report
from storage.verify.rows import BadRow, check_mark


def check_identities(stored: Rows, catalog: Catalog, report: Report) -> None:
    """Checks every row of identities. Remembers each attachment."""
    _Identities(stored, catalog, report).check()


class _Identities:
    def __init__(self, stored: Rows, catalog: Catalog, report: Report) -> None:
        self.stored = stored
        self.catalog = catalog
        self.report = report

    def check(self) -> None:
        policies = self.policies()
        listed = self.attachments(policies)
        for key, value in scanned(self.stored, b"i", self.report):
            try:
                owner = identity_rows.read_identity_key(key)
                identity = identity_rows.read_identity(value)
            except BadRow as bad:
                self.report.problem(f"row {shown(key)}", str(bad))
                continue
            where = f"identity of {owner}"
            if not self.there(owner):
                self.report.problem(where, "belongs to somebody who is missing")
            named = [Attachment(name, POLICY, owner) for name in identity.attached]
            if identity.boundary is not None:
                named.append(Attachment(identity.boundary, BOUNDARY, owner))
            for attachment in named:
                if (owner.tenant, attachment.policy) not in policies:
                    self.report.problem(where, f"names policy {shown(attachment.policy)}, which is missing")
                if attachment not in listed:
                    self.report.problem(where, f"is not listed at policy {shown(attachment.policy)}")
                listed.discard(attachment)
        for attachment in listed:
            where = f"policy {shown(attachment.policy)} of tenant {attachment.owner.tenant}"
            self.report.problem(where, f"lists {attachment.owner}, whose identity does not name it")

    def policies(self) -> set[tuple[int, bytes]]:
        """Tenant and name of each managed policy."""
        found = set()
        for key, value in scanned(self.stored, b"P", self.report):
            tenant, where = int.from_bytes(key[1:5], "big"), f"policy {shown(key[5:])}"
            found.add((tenant, key[5:]))
            self.report.counts["policies"] += 1
            try:
                identity_rows.check_managed_policy(value)
            except BadRow as bad:
                self.report.problem(where, str(bad))
            if tenant not in self.catalog.tenants or len(key) < 6:
                self.report.problem(where, f"belongs to tenant {tenant}, which is missing, or has no name")
        return found

    def attachments(self, policies: set[tuple[int, bytes]]) -> set[Attachment]:
        """Every attachment, as policies list them."""
        found = set()
        for key, value in scanned(self.stored, b"a", self.report):
            try:
                attachment = identity_rows.read_attachment_key(key)
                check_mark(value)
            except BadRow as bad:
                self.report.problem(f"row {shown(key)}", str(bad))
                continue
            if (attachment.owner.tenant, attachment.policy) not in policies:
                self.report.problem(f"row {shown(key)}", "is an attachment of a policy that is missing")
            found.add(attachment)
        return found

    def there(self, owner: Owner) -> bool:
        """Whether there is such a principal."""
        if owner.kind != USER:
            return owner.tenant in self.catalog.tenants
        user = self.catalog.users.get(owner.number)
        return user is not None and user.tenant == owner.tenant and owner.tenant in self.catalog.tenants
