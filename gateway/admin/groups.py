"""Operations on groups and roles and who is in them. What they are is `gateway/accounts/groups.py`."""

from collections.abc import Callable
from typing import Any, Final

from authz.answers import PAGE_DEFAULT, Part
from authz.api import PAGE
from gateway.accounts.groups import FLAGS
from gateway.admin.operation import Access, Call, Operation, Param
from gateway.admin.shapes import Shape, array, maybe, number, record, text

_TENANT: Final = Param("tenant", text("Whose; the caller's own, or `default` for root"))
_SHOWN: Final = record(
    needs={"name": text(), "tenant": text(), "description": text(), "created": text()},
    may={"id": number("Root alone sees it")},
)
_BY: Final = {"revision": number("Root alone sees it")}
_WRITTEN: Final = record(needs={"token": text(), "notes": array(text())}, may=_BY)
_MEMBER: Final = {"subject": text("`user:NAME`, `group:NAME` …")}


def _all(word: str) -> Callable[[Call], Any]:
    return lambda call: call.groups(word).all(call.tenant)


def _add(word: str) -> Callable[[Call], Any]:
    def run(call: Call) -> object:
        body = call.body
        return call.groups(word).add(body["name"], tenant=call.tenant, description=body.get("description", ""))

    return run


def _remove(word: str) -> Callable[[Call], Any]:
    return lambda call: call.groups(word).remove(call.path["name"], tenant=call.tenant)


def _members(word: str) -> Callable[[Call], Any]:
    def run(call: Call) -> object:
        part = Part(call.query.get("cursor"), call.query.get("limit", PAGE_DEFAULT))
        return call.groups(word).members(call.path["name"], tenant=call.tenant, part=part)

    return run


def _add_member(word: str) -> Callable[[Call], Any]:
    def run(call: Call) -> object:
        body = call.body
        relation, expires = body.get("relation", ""), body.get("expires")
        groups, name = call.groups(word), call.path["name"]
        return groups.add_member(name, body["subject"], relation=relation, expires=expires, tenant=call.tenant)

    return run


def _remove_member(word: str) -> Callable[[Call], Any]:
    def run(call: Call) -> object:
        query = call.query
        groups, relation = call.groups(word), query.get("relation", "")
        return groups.remove_member(call.path["name"], query["subject"], relation=relation, tenant=call.tenant)

    return run


def _flag(*, on: bool) -> Callable[[Call], Any]:
    return lambda call: call.groups("group").flag(call.path["name"], call.path["flag"], on=on, tenant=call.tenant)


def _row(method: str, path: str, name: str, summary: str, run: Any, **more: Any) -> Operation:  # noqa: ANN401
    return Operation(method, path, name, summary, run, Access.TENANT, **({"problems": ("missing",)} | more))


def _listed(word: str, relations: tuple[str, ...]) -> Shape:
    """Members as relations."""
    flags = FLAGS if word == "group" else ()
    member = record(
        needs={
            "resource": text(),
            "relation": text(words=(*relations, *flags)),
            "subject": text(),
            "expires": maybe(text()),
            "conditions": array(text()),
        }
    )
    return record(
        needs={
            "relations": array(member),
            "cursor": maybe(text()),
            "token": maybe(text()),
        },
        may=_BY,
    )


def _rows(word: str, inside: str) -> tuple[Operation, ...]:
    """The operations on groups, or on roles."""
    path, title = f"/v1/{word}s", word.capitalize()
    member = f"{path}/{{name}}/members"
    relations = (inside, "manager")
    page = (Param("cursor", text("Of the page before")), Param("limit", number(least=1, most=PAGE)), _TENANT)
    which = (Param("subject", _MEMBER["subject"], needed=True), Param("relation", text(words=relations)), _TENANT)
    return (
        _row(
            "GET",
            path,
            f"list{title}s",
            f"The {word}s of a tenant",
            _all(word),
            params=(_TENANT,),
            answer=array(_SHOWN),
        ),
        _row(
            "POST",
            path,
            f"add{title}",
            f"Add a {word}, with nobody in it",
            _add(word),
            body=record(needs={"name": text()}, may={"description": text(), "tenant": text()}),
            status=201,
            answer=_SHOWN,
            problems=("missing", "conflict"),
        ),
        _row(
            "DELETE",
            f"{path}/{{name}}",
            f"remove{title}",
            f"Remove a {word} with its members and what it was granted in its tenant",
            _remove(word),
            params=(_TENANT,),
            status=204,
        ),
        _row(
            "GET",
            member,
            f"list{title}Members",
            "Who is in it or manages it",
            _members(word),
            params=page,
            answer=_listed(word, relations),
        ),
        _row(
            "POST",
            member,
            f"add{title}Member",
            f"Put somebody into the {word}, or let it be managed",
            _add_member(word),
            body=record(needs=_MEMBER, may={"relation": text(words=relations), "expires": text(), "tenant": text()}),
            answer=_WRITTEN,
        ),
        _row(
            "DELETE",
            member,
            f"remove{title}Member",
            "Take somebody out; what membership gave has ended when it answers",
            _remove_member(word),
            params=which,
            answer=_WRITTEN,
        ),
    )


_FLAG: Final = "/v1/groups/{name}/flags/{flag}"

OPERATIONS: Final = (
    *_rows("group", "member"),
    _row(
        "PUT",
        _FLAG,
        "setGroupFlag",
        "`exported`: other tenants may name the group; `open`: it may have members of other tenants",
        _flag(on=True),
        params=(_TENANT,),
        answer=_WRITTEN,
    ),
    _row("DELETE", _FLAG, "clearGroupFlag", "Clear a flag", _flag(on=False), params=(_TENANT,), answer=_WRITTEN),
    *_rows("role", "assignee"),
)
