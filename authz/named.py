"""Whom a bucket's own policy and lists name, for one action on one place: to be asked about, and what nobody can list.

Belongs here: reading principals and grants. Does not belong here: relations, deciding (`backwards.py` asks for each).

Within a tenant nobody learns whom a policy found elsewhere, for that would tell who is there and what that tenant is
called: what is told of other accounts is what the document says, whether there is such a user or not.
"""

from collections.abc import Iterator
from typing import Final

from authz.deciding import Question
from authz.holders import of_bucket
from authz.model import At, Kind, Subject
from authz.policy.document import Statement, parse_bucket_policy
from authz.policy.errors import PolicyError
from authz.policy.principals import EVERYONE, Principal, PrincipalKind, Resolved, account_id
from authz.policy.principals import Named as Name
from authz.policy.reading import Said
from storage.api import Metastore
from storage.records import keys
from storage.records.acl import Grant, Permission, decode_acl
from storage.records.acl import Kind as Grantee
from storage.records.bucket import BucketRecord, Ownership, PublicAccessBlock
from storage.records.object import ObjectRecord
from storage.records.pointer import decode_document, decode_id
from storage.records.tenant import TenantRecord
from storage.records.user import UserRecord

_GROUPS: Final = {Grantee.ALL_USERS: "AllUsers", Grantee.AUTHENTICATED_USERS: "AuthenticatedUsers"}
_ANYONE: Final = Subject(Kind.ANYONE)
_EVERYBODY_ELSE: Final = "users of other tenants whose own tenant allows it"
_AS_FAR: Final = "as far as its own tenant lets it"


class Named:
    """What a bucket's policy and lists say to one question. Its subject does not matter. `within` is for who looks from
    within the bucket's tenant.
    """

    def __init__(self, store: Metastore, question: Question, record: BucketRecord, *, within: bool = False) -> None:
        self._store = store
        self._record = record
        self._bucket = question.bucket
        place = question.target.place
        self.key = None if place.at is At.BUCKET else place.path
        held = of_bucket(record.policy)
        self.held = [one for one in held if one.said.means(question.action)]
        self._here = [one.said for one in self.held if one.said.can_be_on(self._bucket, self.key)]
        self._grants = [] if record.ownership is Ownership.BUCKET_OWNER_ENFORCED else self._listed()
        self._within = within
        self.subjects = [_ANYONE, *sorted(set() if within else self._users(), key=lambda who: who.bits)]

    @property
    def restricted(self) -> bool:
        """Whether the public is kept out of the bucket, and with it classes of people."""
        block = self._record.public_access_block or PublicAccessBlock(0)
        return PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS in block

    def denied(self, who: Subject) -> bool:
        """Whether the bucket's policy denies it to them whatever they send. For those whom nobody can ask for."""
        return any(not said.allow and not said.conditional and _is_about(said, who) for said in self._here)

    def unlisted(self) -> list[str]:
        """Whom a source allows without naming them one by one."""
        found = []
        for said, whom in self._written() if self._within else self._found():
            asks = f", depending on {', '.join(said.asks)}" if said.asks else ""
            found.append(f"{whom}{asks}: {sentence(said)}")
        for grant, list_name in self._grants:
            may = " ".join(one.name or "" for one in Permission if one in grant.permissions)
            grants = f"the {list_name}'s access control list grants"
            if grant.kind in _GROUPS:
                found.append(f"{_EVERYBODY_ELSE}: {grants} {_GROUPS[grant.kind]} {may}")
            elif self._within and (user := self._stranger(grant.user)) is not None:
                found.append(f"{user}, {_AS_FAR}: {grants} {may}")
        stored = self._object() if self._within else None
        if stored is not None and (owner := self._stranger(stored.owner)) is not None:
            found.append(f"{owner}, {_AS_FAR}: it owns the object")
        return found

    def _found(self) -> Iterator[tuple[Said, str]]:
        """Statements that allow classes of people, by what was found when the policy was stored."""
        for said in self._here:
            for principal in said.principals or ():
                whom = self._open(principal) if said.allow else None
                if whom is not None:
                    yield said, whom

    def _written(self) -> Iterator[tuple[Said, str]]:
        """Statements that allow others than the tenant's own, by what they say."""
        documented = self._documented()
        here = [(said, documented[said.index]) for said in self._here if said.index < len(documented)]
        denying = [one for said, one in here if not said.allow and not said.conditional and not one.not_principal]
        for said, statement in here:
            for principal in statement.principals or () if said.allow else ():
                whom = self._as_written(principal)
                account = Principal(Name.ACCOUNT, principal.account)
                denied = any({EVERYONE, principal, account} & set(one.principals or ()) for one in denying)
                if whom is not None and not denied:
                    yield said, whom

    def _documented(self) -> tuple[Statement, ...]:
        row = self._store.get(keys.document(self._record.id, "policy"))
        try:
            return () if row is None else parse_bucket_policy(decode_document(row), self._bucket).statements
        except (PolicyError, ValueError):
            return ()

    def _as_written(self, principal: Principal) -> str | None:
        """Somebody elsewhere, as a document names it; None for the tenant's own and for who never asks."""
        if principal.named is Name.EVERYONE:
            return _EVERYBODY_ELSE
        if principal.named is Name.CANONICAL_USER:
            pointer = self._store.get(keys.canonical_id(bytes.fromhex(principal.name)))
            row = None if pointer is None else self._store.get(keys.user(decode_id(pointer)))
            own = row is not None and UserRecord.decode(row).tenant == self._record.tenant
            return None if own else f"the user {principal.name}, {_AS_FAR}"
        row = self._store.get(keys.tenant(self._record.tenant))
        home = {account_id(self._record.tenant), "" if row is None else TenantRecord.decode(row).name}
        if principal.named is Name.OUTSIDER or principal.account in home:
            return None
        if principal.named is Name.ACCOUNT:
            return f"users of account {principal.account} whom that account allows it"
        return f"arn:aws:iam::{principal.account}:{principal.named.value}/{principal.name}, {_AS_FAR}"

    def _stranger(self, number: int) -> str | None:
        """A user of another tenant, by what lists call it."""
        row = self._store.get(keys.user(number)) if number else None
        record = None if row is None else UserRecord.decode(row)
        if record is None or record.tenant == self._record.tenant:
            return None
        return f"the user {record.canonical_id.hex()}"

    def _open(self, principal: Resolved) -> str | None:
        if principal.kind is PrincipalKind.EVERYONE:
            return _EVERYBODY_ELSE
        if principal.kind is PrincipalKind.ACCOUNT and principal.tenant != self._record.tenant:
            return f"users of account {account_id(principal.tenant)} whom that account allows it"
        return None

    def _users(self) -> set[Subject]:
        """Users of other tenants."""
        named = [
            Subject(Kind.USER, one.tenant, one.number)
            for said in self._here
            if said.allow
            for one in said.principals or ()
            if one.kind is PrincipalKind.USER
        ]
        owners = {self._record.owner, *(grant.user for grant, _ in self._grants)}
        stored = self._object()
        if stored is not None:
            owners.add(stored.owner)
        for number in owners - {0} if self._grants or stored else ():
            row = self._store.get(keys.user(number))
            if row is not None:
                named.append(Subject(Kind.USER, UserRecord.decode(row).tenant, number))
        return {who for who in named if who.tenant != self._record.tenant}

    def _object(self) -> ObjectRecord | None:
        """The object, where it has an owner and a list of its own."""
        if self.key is None or self._record.ownership is Ownership.BUCKET_OWNER_ENFORCED:
            return None
        row = self._store.get(keys.object(self._record.id, self.key))
        return None if row is None else ObjectRecord.decode(row)

    def _listed(self) -> list[tuple[Grant, str]]:
        stored = self._object()
        lists = [(self._record.acl, "bucket"), (None if stored is None else stored.acl, "object")]
        return [(grant, name) for data, name in lists if data is not None for grant in decode_acl(data)]


def _is_about(said: Said, who: Subject) -> bool:
    """Whether a statement's principals mean these subjects, all of them."""
    means = False
    for one in said.principals or ():
        everyone = one.kind is PrincipalKind.EVERYONE
        account = one.kind is PrincipalKind.ACCOUNT and one.tenant == who.tenant
        itself = one.kind is PrincipalKind.USER and who.kind is Kind.USER and one.number == who.number
        means = means or everyone or account or itself
    return means is not said.not_principal


def sentence(said: Said) -> str:
    """A statement of the bucket's policy, as people would name it."""
    sid = f" ({said.sid})" if said.sid else ""
    return f"statement {said.index + 1}{sid} of the bucket's policy"
