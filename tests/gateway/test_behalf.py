"""Root shares, mounts and revokes on behalf of other tenants: whose is meant, and what is said when it is not clear."""

import pytest
from serving import Admin

PLACE = {"resource": "s3://vault/pub/"}


@pytest.fixture
def here(admin: Admin) -> Admin:
    """Bucket `vault` of tenant `other`, which ann administers; bucket `photos` of root's own."""
    admin.world.call("CreateBucket", "vault", caller=admin.world.other())
    admin.world.accounts.add_user("other", "ed")
    admin.world.bucket("photos")
    return admin


def made(here: Admin, **more: str) -> dict[str, object]:
    status, answer = here.ask("POST", "/v1/shares", PLACE | more)
    assert status == 201, answer
    return dict(answer)


def refused(here: Admin, method: str, path: str, body: object = None, **more: object) -> tuple[int, str]:
    status, answer = here.ask(method, path, body, **more)
    return status, str(answer["detail"])


def test_the_bucket_says_whose_and_its_only_administrator_makes_it(here: Admin) -> None:
    share = made(here)
    assert (share["tenant"], share["share"], share["created_by"]) == ("other", 1, "ann")
    assert made(here, tenant="other", user="ann")["share"] == 2
    status, own = here.ask("POST", "/v1/shares", {"resource": "s3://photos/"})
    assert (status, own["tenant"], own["created_by"]) == (201, "default", "root")


def test_of_several_administrators_one_is_named(here: Admin) -> None:
    here.world.accounts.add_user("other", "mia", admin=True)
    status, detail = refused(here, "POST", "/v1/shares", PLACE)
    assert status == 400
    assert "say which with `user`" in detail and "ann, mia" in detail
    assert made(here, user="mia")["created_by"] == "mia"


def test_nobody_shares_more_than_its_own_right(here: Admin) -> None:
    status, detail = refused(here, "POST", "/v1/shares", PLACE | {"user": "ed"})
    assert status == 403 and "you may not share" in detail


def test_names_that_are_not_there(here: Admin) -> None:
    for more, words in (
        ({"tenant": "nix"}, "no tenant nix"),
        ({"tenant": "default"}, "no bucket vault in tenant default"),
        ({"user": "zoe"}, "no user zoe in tenant other"),
        ({"resource": "s3://nix/"}, "no bucket nix"),
    ):
        status, detail = refused(here, "POST", "/v1/shares", PLACE | more)
        assert status == 404 and words in detail
    assert refused(here, "POST", "/v1/shares", {"resource": "tenant"})[0] == 400


def test_a_number_is_of_a_tenant(here: Admin) -> None:
    made(here)
    assert here.ask("GET", "/v1/shares/1")[1]["tenant"] == "other"
    here.ask("POST", "/v1/shares", {"resource": "s3://photos/"})
    status, detail = refused(here, "DELETE", "/v1/shares/1")
    assert status == 400 and "in each of default, other: say which tenant" in detail
    assert here.ask("DELETE", "/v1/shares/1?tenant=other")[0] == 204
    listed = {one["tenant"]: one["state"] for one in here.ask("GET", "/v1/shares")[1]}
    assert listed == {"default": "open", "other": "revoked"}
    assert [one["tenant"] for one in here.ask("GET", "/v1/shares?tenant=other")[1]] == ["other"]
    assert refused(here, "GET", "/v1/shares/9")[0] == 404


def test_mounts_are_of_the_buckets_tenant(here: Admin) -> None:
    status, share = here.ask("POST", "/v1/shares", {"resource": "s3://photos/"})
    mounted = here.ask("POST", "/v1/mounts", {"token": share["token"], "at": "s3://vault/in/"})
    assert (status, mounted[0], mounted[1]["created_by"]) == (201, 201, "ann")
    assert [one["at"] for one in here.ask("GET", "/v1/mounts")[1]] == ["s3://vault/in/"]
    assert here.ask("GET", "/v1/mounts?tenant=default")[1] == []
    here.world.accounts.add_user("other", "mia", admin=True)  # to remove, nobody need be named
    assert here.ask("DELETE", "/v1/mounts?at=s3://vault/in/")[0] == 204


def test_others_act_for_themselves(here: Admin) -> None:
    ann = here.key("other", "ann")
    assert here.ask("POST", "/v1/shares", PLACE | {"tenant": "other", "user": "ann"}, key=ann)[0] == 201
    assert refused(here, "POST", "/v1/shares", PLACE | {"user": "ed"}, key=ann) == (403, "only root acts for others")
    here.ask("POST", "/v1/shares", {"resource": "s3://photos/"})
    for path in ("/v1/shares/2", "/v1/shares/1?tenant=default", "/v1/shares?tenant=default"):
        assert refused(here, "GET", path, key=ann)[0] == 404
