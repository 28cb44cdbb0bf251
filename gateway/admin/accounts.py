"""Operations on tenants, users and access keys. What they are and how they change is `gateway/accounts/accounts.py`."""

from typing import Any, Final

from authz.directory import Directory
from authz.model import Kind, Subject
from gateway.admin.operation import Access, Call, Operation, Param
from gateway.admin.shapes import array, flag, number, record, text

_TENANT: Final = Param("tenant", text("A tenant's name"))
_ACCOUNT: Final = text("Its tenant's number in 12 digits, as policies have it")
_SHOWN_TENANT: Final = record(
    needs={
        "name": text(),
        "id": number(),
        "account_id": _ACCOUNT,
        "arn": text("What policies call the account as a whole"),
        "created": text(),
        "buckets": number(),
    }
)
_SHOWN_USER: Final = record(
    needs={
        "tenant": text(),
        "name": text(),
        "id": number(),
        "admin": flag("Administers its tenant"),
        "display_name": text(),
        "email": text(),
        "account_id": _ACCOUNT,
        "arn": text("What policies call the user"),
        "canonical_id": text("What access control lists call the user"),
        "created": text(),
        "disabled": flag(),
    }
)
_KEY: Final = {"access_key": text(), "tenant": text(), "user": text(), "created": text(), "disabled": flag()}


def _tenants(call: Call) -> Any:  # noqa: ANN401 - JSON, as all below
    return call.services.accounts.tenants()


def _tenant(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.tenant(_known(call))


def _user(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.user(_known(call), call.path["user"])


def _known(call: Call) -> str:
    """The tenant's name in the path. UnknownNameError where the caller may not know of it."""
    name = call.path["tenant"]
    Directory(call.services.store, call.viewer).tenant(name)
    return name


def _add_tenant(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.add_tenant(call.body["name"])


def _remove_tenant(call: Call) -> None:
    number = call.services.accounts.remove_tenant(call.path["tenant"])
    call.services.forgetting.tenant(number)


def _users(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.users(call.query.get("tenant"))


def _add_user(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.add_user(**call.body)


def _remove_user(call: Call) -> None:
    user = call.services.accounts.remove_user(call.path["tenant"], call.path["user"])
    call.services.forgetting.subject(user.tenant, Subject(Kind.USER, user.tenant, user.id))


def _keys(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.keys(call.query.get("tenant"), call.query.get("user"))


def _add_key(call: Call) -> Any:  # noqa: ANN401
    return call.services.accounts.add_key(**call.body)


def _remove_key(call: Call) -> None:
    call.services.accounts.remove_key(call.path["access_key"])


def _change_key(call: Call) -> None:
    call.services.accounts.disable_key(call.path["access_key"], disabled=call.body["disabled"])


OPERATIONS: Final = (
    Operation("GET", "/v1/tenants", "listTenants", "Tenants by name", _tenants, answer=array(_SHOWN_TENANT)),
    Operation(
        "POST",
        "/v1/tenants",
        "addTenant",
        "Add a tenant",
        _add_tenant,
        body=record(needs={"name": text()}),
        status=201,
        answer=_SHOWN_TENANT,
        problems=("conflict",),
    ),
    Operation(
        "GET",
        "/v1/tenants/{tenant}",
        "getTenant",
        "One tenant; its own administrators may ask, too",
        _tenant,
        Access.TENANT,
        answer=_SHOWN_TENANT,
        problems=("missing",),
    ),
    Operation(
        "GET",
        "/v1/users/{tenant}/{user}",
        "getUser",
        "One user; its tenant's administrators may ask, too",
        _user,
        Access.TENANT,
        answer=_SHOWN_USER,
        problems=("missing",),
    ),
    Operation(
        "DELETE",
        "/v1/tenants/{tenant}",
        "removeTenant",
        "Remove a tenant without buckets, with its users, keys and relations; `default` stays",
        _remove_tenant,
        status=204,
        problems=("refused", "missing", "conflict"),
    ),
    Operation(
        "GET",
        "/v1/users",
        "listUsers",
        "Users of a tenant, or of all",
        _users,
        params=(_TENANT,),
        answer=array(_SHOWN_USER),
        problems=("missing",),
    ),
    Operation(
        "POST",
        "/v1/users",
        "addUser",
        "Add a user",
        _add_user,
        body=record(
            needs={"tenant": text(), "name": text()}, may={"admin": flag(), "display_name": text(), "email": text()}
        ),
        status=201,
        answer=_SHOWN_USER,
        problems=("missing", "conflict"),
    ),
    Operation(
        "DELETE",
        "/v1/users/{tenant}/{user}",
        "removeUser",
        "Remove a user with its keys and its relations in its tenant; root stays",
        _remove_user,
        status=204,
        problems=("refused", "missing"),
    ),
    Operation(
        "GET",
        "/v1/keys",
        "listKeys",
        "Access keys, without their secrets",
        _keys,
        params=(_TENANT, Param("user", text("A user of the tenant"))),
        answer=array(record(needs=_KEY)),
        problems=("missing",),
    ),
    Operation(
        "POST",
        "/v1/keys",
        "addKey",
        "Add an access key, generated unless both halves are given; the answer is the only one with its secret",
        _add_key,
        body=record(needs={"tenant": text(), "user": text()}, may={"access_key": text(), "secret_key": text()}),
        status=201,
        answer=record(needs=_KEY | {"secret_key": text()}),
        problems=("missing", "conflict"),
    ),
    Operation(
        "PATCH",
        "/v1/keys/{access_key}",
        "changeKey",
        "Disable an access key or enable it again; what a disabled one signs is refused when this answers",
        _change_key,
        body=record(needs={"disabled": flag()}),
        status=204,
        problems=("refused", "missing"),
    ),
    Operation(
        "DELETE",
        "/v1/keys/{access_key}",
        "removeKey",
        "Remove an access key; the last one of root stays",
        _remove_key,
        status=204,
        problems=("refused", "missing"),
    ),
)
