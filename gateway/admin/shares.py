"""Operations on shares and mounts. What they are is `gateway/sharing/shares.py` and `gateway/sharing/mounts.py`.

Belongs here: JSON to calls and back. Does not belong here: the rules.

They take any user's key: who may share what is asked of the user's own rights, and a tenant's administrator sees and
revokes what its users shared. Root acts on behalf of whom it names (`gateway/sharing/behalf.py`).
"""

from typing import Any, Final

from gateway.admin.operation import Access, Call, Operation, Param
from gateway.admin.shapes import array, flag, maybe, number, record, text
from gateway.errors import AccountError
from gateway.limits import PASSWORD_MAX, SHARE_AUDIENCE, SHARE_DOWNLOADS
from gateway.sharing.behalf import Behalf
from gateway.sharing.shares import ANYONE, CAN, Offer

_TENANT: Final = text("Root: whose; else the bucket's, or the only one that fits")
_USER: Final = text("Root: in which user's right; else the tenant's only administrator")
_SHARE: Final = {
    "tenant": text("Whose it is"),
    "share": number("Its number, which counts within the tenant"),
    "resource": text(),
    "can": array(text()),
    "to": array(text()),
    "expires": maybe(text()),
    "password": flag("It has one"),
    "downloads": maybe(number("How many it allows; null is any number")),
    "created_by": text(),
    "created": text(),
    "state": text(words=("open", "expired", "revoked", "orphaned")),
}
_SHOWN: Final = record(needs=_SHARE)
_MADE: Final = record(
    needs=_SHARE
    | {
        "token": text("Shown now and never again"),
        "link": text("Path of the link"),
        "notes": array(text("What may not be what was meant")),
    }
)
_COUNTED: Final = record(needs=_SHARE | {"downloaded": number()})
_OFFER: Final = record(
    needs={"resource": text("`s3://BUCKET/PREFIX/`, `s3://BUCKET/KEY` or `s3://BUCKET`")},
    may={
        "can": text("`view` unless it says", words=tuple(CAN)),
        "to": array(text(f"`tenant:NAME`, `group:TENANT/NAME` or `{ANYONE}`"), least=1, most=SHARE_AUDIENCE),
        "expires": text("`30d`, `12h` or ISO 8601; never, when left out"),
        "password": text("Asked for by the link", most=PASSWORD_MAX),
        "downloads": number("How often it may be downloaded", least=1, most=SHARE_DOWNLOADS),
        "tenant": _TENANT,
        "user": _USER,
    },
)


_WHOSE: Final = (Param("tenant", _TENANT),)


def _number(call: Call) -> int:
    given = call.path["share"]
    if not (given.isascii() and given.isdigit() and len(given) <= 10):
        raise AccountError("missing", f"there is no share {given}")
    return int(given)


def _create(call: Call) -> object:
    body = call.body
    offer = Offer(
        body["resource"],
        body.get("can", "view"),
        tuple(body.get("to", (ANYONE,))),
        body.get("expires"),
        body.get("password"),
        body.get("downloads", 0),
    )
    return call.services.shares.create(_behalf(call).at(offer.resource), offer)


def _list(call: Call) -> object:
    shares = call.services.shares
    return [one for who in _behalf(call).everywhere() for one in shares.all(who)]


def _show(call: Call) -> object:
    number = _number(call)
    return call.services.shares.show(_behalf(call).of_share(number), number)


def _revoke(call: Call) -> None:
    number = _number(call)
    call.services.shares.revoke(_behalf(call).of_share(number), number)


def _behalf(call: Call) -> Behalf:
    user = call.body.get("user")
    return Behalf(call.services.store, call.who, root=call.viewer is None, tenant=call.tenant, user=user)


def _row(method: str, path: str, name: str, summary: str, run: Any, **more: Any) -> Operation:  # noqa: ANN401
    return Operation(method, path, name, summary, run, Access.USER, **({"problems": ("missing",)} | more))


_MOUNT: Final = record(needs={"at": text(), "created_by": text(), "created": text()})
_MOUNTED: Final = record(
    needs={"token": text("Of the share"), "at": text("`s3://BUCKET/PREFIX/`, where there are no keys")},
    may={"password": text("Of the share, if it has one", most=PASSWORD_MAX), "tenant": _TENANT, "user": _USER},
)


def _mount(call: Call) -> object:
    body = call.body
    return call.services.mounts.add(_behalf(call).at(body["at"]), body["token"], body["at"], body.get("password"))


def _mounts(call: Call) -> object:
    mounts = call.services.mounts
    return [one for who in _behalf(call).everywhere() for one in mounts.all(who)]


def _unmount(call: Call) -> None:
    at = call.query["at"]
    call.services.mounts.remove(_behalf(call).at(at, makes=False), at)


OPERATIONS: Final = (
    _row(
        "POST",
        "/v1/shares",
        "createShare",
        "Share a bucket, prefix or object by a link or with other tenants",
        _create,
        body=_OFFER,
        status=201,
        answer=_MADE,
        problems=("missing", "refused", "conflict"),
    ),
    _row(
        "GET",
        "/v1/shares",
        "listShares",
        "The caller's shares; for an administrator its tenant's, for root all",
        _list,
        params=_WHOSE,
        answer=array(_SHOWN),
    ),
    _row("GET", "/v1/shares/{share}", "getShare", "One share", _show, params=_WHOSE, answer=_COUNTED),
    _row(
        "DELETE",
        "/v1/shares/{share}",
        "revokeShare",
        "End a share; nothing is allowed by it when it answers",
        _revoke,
        params=_WHOSE,
        status=204,
        problems=("missing", "conflict"),
    ),
    _row(
        "POST",
        "/v1/mounts",
        "mountShare",
        "See another tenant's share under a prefix of an own bucket",
        _mount,
        body=_MOUNTED,
        status=201,
        answer=_MOUNT,
        problems=("missing", "refused", "conflict", "busy"),
    ),
    _row(
        "GET",
        "/v1/mounts",
        "listMounts",
        "Mounts in buckets that the caller manages",
        _mounts,
        params=_WHOSE,
        answer=array(_MOUNT),
    ),
    _row(
        "DELETE",
        "/v1/mounts",
        "unmountShare",
        "Remove a mount; nothing happens to what is shared",
        _unmount,
        params=(Param("at", text("As it was given"), needed=True), *_WHOSE),
        status=204,
        problems=("missing", "refused", "conflict"),
    ),
)
