"""The whole decision about one of Amazon's actions: policies and access control lists beside relations.

Belongs here: from a question to what the data plane would answer a request without headers. Does not belong here:
questions about permissions by name, which relations alone answer (`api.py`).
"""

from authz.answers import Statement
from authz.api import Question, Verdict
from authz.model import At, Kind
from storage.api import Metastore
from storage.native import Core
from storage.records import keys

_SENDERS = frozenset({Kind.USER, Kind.ANYONE})
"""Subjects that send requests: a group sends none."""


class WholeDecision:
    """Asks the data plane's authorizer. Callable as `authz.api.Whole`."""

    def __init__(self, core: Core, store: Metastore) -> None:
        self._core = core
        self._store = store

    def __call__(self, question: Question) -> Verdict | None:
        """The verdict; None when relations alone decide, or the bucket is gone."""
        place = question.target.place
        fits = question.action.startswith("s3:") and place.at in (At.BUCKET, At.OBJECT)
        if not fits or question.subject.kind not in _SENDERS:
            return None
        record = self._store.get(keys.bucket(question.bucket.encode()))
        if record is None:
            return None
        allowed, reason, revision, by, deciding = self._core.explain(
            (question.subject.bits, question.admin),
            question.action,
            (question.bucket, record),
            place.path if place.at is At.OBJECT else None,
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
