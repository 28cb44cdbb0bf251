"""Operations on managed policies and on what hangs on users, groups and roles (`gateway/accounts/identity.py`)."""

from collections.abc import Callable
from typing import Any, Final

from gateway.accounts.identity import Who
from gateway.admin.operation import Access, Call, Operation, Param
from gateway.admin.shapes import Shape, array, maybe, number, record, text
from gateway.limits import POLICY_BODY_BYTES

_TENANT: Final = Param("tenant", text("Whose; the caller's own, or `default` for root"))
_DOCUMENT: Final = text("The policy, JSON as text: it is given back byte for byte")
_MAY_TENANT: Final = {"tenant": text()}
_SHOWN: Final = {
    "name": text(),
    "tenant": text(),
    "arn": text(),
    "description": text(),
    "number": number("How often it was given a document"),
    "created": text(),
    "changed": text(),
    "attached": array(text("`user:NAME`, `group:NAME` or `role:NAME`")),
    "bounds": array(text("Whose boundary it is")),
}
_INLINE: Final = record(needs={"name": text(), "document": text()})
_TAGS: Final = array(record(needs={"key": text(), "value": text()}))


def _policies(call: Call) -> object:
    return call.identities.policies(call.tenant)


def _policy(call: Call) -> object:
    return call.identities.policy(call.path["policy"], call.tenant)


def _add_policy(call: Call) -> object:
    body = call.body
    description = body.get("description", "")
    return call.identities.add_policy(body["name"], body["document"], description=description, tenant=call.tenant)


def _change_policy(call: Call) -> object:
    return call.identities.change_policy(call.path["policy"], call.body["document"], tenant=call.tenant)


def _remove_policy(call: Call) -> None:
    call.identities.remove_policy(call.path["policy"], tenant=call.tenant)


def _who(word: str, call: Call) -> Who:
    """The principal a path names. A user's tenant stands in the path, as it does for users elsewhere."""
    if word == "user":
        return Who(word, call.path["user"], call.path["tenant"])
    return Who(word, call.path["name"], call.tenant)


def _on(word: str, run: Callable[[Call, Who], object]) -> Callable[[Call], object]:
    return lambda call: run(call, _who(word, call))


def _row(method: str, path: str, name: str, summary: str, run: Callable[[Call], object], **more: Any) -> Operation:  # noqa: ANN401
    return Operation(method, path, name, summary, run, Access.TENANT, **({"problems": ("missing",)} | more))


def _put_inline(call: Call, who: Who) -> None:
    call.identities.put_inline(who, call.path["policy"], call.body["document"])


def _set_tags(call: Call, who: Who) -> None:
    call.identities.set_tags(who, [(tag["key"], tag["value"]) for tag in call.body["tags"]])


def _changing(word: str, body: dict[str, Shape] | None = None) -> dict[str, Any]:
    """What the rows that change somebody's identity share."""
    more: dict[str, Any] = {
        "status": 204,
        "problems": ("missing", "conflict", *(("refused",) if word == "user" else ())),
    }
    if body is not None:
        may = None if word == "user" else _MAY_TENANT
        return more | {"body": record(needs=body, may=may), "body_bytes": POLICY_BODY_BYTES}
    return more if word == "user" else more | {"params": (_TENANT,)}


def _rows(word: str, path: str) -> tuple[Operation, ...]:
    """The operations on the identity of users, groups or roles."""
    title, where = word.capitalize(), {} if word == "user" else {"params": (_TENANT,)}
    attached, inline = f"{path}/attached/{{policy}}", f"{path}/policies/{{policy}}"
    held = {"attached": array(text()), "inline": array(text())}
    own = {} if word == "group" else {"boundary": maybe(text("The managed policy that bounds it")), "tags": _TAGS}
    return (
        _row("GET", f"{path}/policies", f"list{title}Policies", f"What hangs on a {word}",
             _on(word, lambda call, who: call.identities.held(who)), answer=record(needs=held | own), **where),
        _row("PUT", attached, f"attach{title}Policy", "Attach a managed policy",
             _on(word, lambda call, who: call.identities.attach(who, call.path["policy"])), **_changing(word)),
        _row("DELETE", attached, f"detach{title}Policy", "Detach it; what it allowed has ended when this answers",
             _on(word, lambda call, who: call.identities.detach(who, call.path["policy"])), **_changing(word)),
        _row("PUT", inline, f"put{title}Policy", "Give it an inline policy, or another document for one",
             _on(word, _put_inline), **_changing(word, {"document": _DOCUMENT})),
        _row("GET", inline, f"get{title}Policy", "An inline policy's document",
             _on(word, lambda call, who: call.identities.inline(who, call.path["policy"])), answer=_INLINE, **where),
        _row("DELETE", inline, f"delete{title}Policy", "Remove an inline policy",
             _on(word, lambda call, who: call.identities.remove_inline(who, call.path["policy"])), **_changing(word)),
    )  # fmt: skip


def _person_rows(word: str, path: str) -> tuple[Operation, ...]:
    """What only users and roles have."""
    title, boundary = word.capitalize(), f"{path}/boundary"
    return (
        _row("PUT", boundary, f"put{title}Boundary", "Bound it: policies allow it only what this one allows, too",
             _on(word, lambda call, who: call.identities.set_boundary(who, call.body["policy"])),
             **_changing(word, {"policy": text("A managed policy")})),
        _row("DELETE", boundary, f"delete{title}Boundary", "Take the bound away",
             _on(word, lambda call, who: call.identities.set_boundary(who, None)), **_changing(word)),
        _row("PUT", f"{path}/tags", f"put{title}Tags", "Replace its tags, for `aws:PrincipalTag`",
             _on(word, _set_tags), **_changing(word, {"tags": _TAGS})),
    )  # fmt: skip


_USER: Final = "/v1/users/{tenant}/{user}"
_GROUP: Final = "/v1/groups/{name}"
_ROLE: Final = "/v1/roles/{name}"
_POLICY: Final = "/v1/policies/{policy}"

OPERATIONS: Final = (
    _row("GET", "/v1/policies", "listPolicies", "The managed policies of a tenant, and who has them",
         _policies, params=(_TENANT,), answer=array(record(needs=_SHOWN))),
    _row("POST", "/v1/policies", "addPolicy", "Add a managed policy, attached to nobody", _add_policy,
         body=record(needs={"name": text(), "document": _DOCUMENT}, may={"description": text(), **_MAY_TENANT}),
         body_bytes=POLICY_BODY_BYTES, status=201, answer=record(needs=_SHOWN), problems=("missing", "conflict")),
    _row("GET", _POLICY, "getPolicy", "A managed policy with its document",
         _policy, params=(_TENANT,), answer=record(needs=_SHOWN | {"document": text()})),
    _row("PUT", _POLICY, "changePolicy", "Give it another document, in force for all who have it when this answers",
         _change_policy, body=record(needs={"document": _DOCUMENT}, may=_MAY_TENANT), body_bytes=POLICY_BODY_BYTES,
         answer=record(needs=_SHOWN), problems=("missing", "conflict")),
    _row("DELETE", _POLICY, "removePolicy", "Remove one that nobody has",
         _remove_policy, params=(_TENANT,), status=204, problems=("missing", "conflict")),
    *_rows("user", _USER),
    *_person_rows("user", _USER),
    *_rows("group", _GROUP),
    *_rows("role", _ROLE),
    *_person_rows("role", _ROLE),
    _row("GET", f"{_ROLE}/trust-policy", "getRoleTrustPolicy", "Who may assume the role",
         _on("role", lambda call, who: call.identities.trust_policy(who)),
         params=(_TENANT,), answer=record(needs={"document": text()})),
    _row("PUT", f"{_ROLE}/trust-policy", "putRoleTrustPolicy", "Say who may assume the role",
         _on("role", lambda call, who: call.identities.set_trust_policy(who, call.body["document"])),
         **_changing("role", {"document": _DOCUMENT})),
)  # fmt: skip
