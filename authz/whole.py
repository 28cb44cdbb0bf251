"""The whole decision about one of Amazon's actions: policies and access control lists beside relations.

Belongs here: from a question to what the data plane would answer a request without headers. Does not belong here:
questions about permissions by name, which relations alone answer (`api.py`).
"""

from authz.answers import Statement
from authz.deciding import Question, Verdict
from authz.model import IN_BUCKET, At, Kind
from storage.api import Metastore
from storage.native import Core
from storage.records import keys

_SENDERS = frozenset({Kind.USER, Kind.ANYONE, Kind.SHARE})
"""Subjects that send requests: a group sends none."""


class WholeDecision:
    """Asks the data plane's authorizer. Callable as `authz.api.Whole`."""

    def __init__(self, core: Core, store: Metastore) -> None:
        self._core = core
        self._store = store

    def __call__(self, question: Question) -> Verdict | None:
        """The verdict; None when relations alone decide, or the bucket is gone."""
        place = question.target.place
        who = question.subject
        if not question.action.startswith("s3:") or place.at not in IN_BUCKET or who.kind not in _SENDERS:
            return None
        if who.kind is Kind.SHARE and self._store.get(keys.share(who.tenant, who.number)) is None:
            return None
        record = self._store.get(keys.bucket(question.bucket.encode()))
        if record is None:
            return None
        allowed, reason, revision, by, deciding = self._core.explain(
            (question.subject.bits, question.admin),
            question.action,
            (question.bucket, record),
            None if place.at is At.BUCKET else place.path,
            question.facts.value,
        )
        return Verdict(
            allowed=allowed,
            denied=not allowed,
            tenant_admin=reason == "tenant_admin",
            revision=revision,
            valid_until_us=0,
            conditional=False,
            deciding=deciding,
            said=reason,
            statement=None if by is None else Statement(*by),
        )
