"""Mounts against a real server, with two tenants and boto3: what is seen, read, written and deleted through one, by
whom, and what remains of it when either side goes away.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from running import ROOT_KEY, ROOT_SECRET
from sharing import User, ann, ask, basic, code, people

__all__ = ["ann", "people"]


def names(client: Any, bucket: str, **arguments: Any) -> list[str]:
    """Keys of a listing, all pages; `arguments` may ask for small ones."""
    found = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, **arguments):
        found += [one["Key"] for one in page.get("Contents", [])]
        found += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
    return found


def mount(user: Any, token: str, prefix: str = "partner/", **more: Any) -> None:
    """Mounts in the user's bucket."""
    user.admin("POST", "/v1/mounts", {"token": token, "at": f"s3://{user.bucket}/{prefix}", **more})


@pytest.fixture
def eve(people: Callable[..., User]) -> Any:
    """An administrator of another tenant, with a bucket and a few objects."""
    user: Any = people("beta", "eve", admin=True)
    user.bucket = f"e-{uuid.uuid4().hex[:12]}"
    user.s3.create_bucket(Bucket=user.bucket)
    for key in ("a.txt", "partner-notes.txt", "z.txt"):
        user.s3.put_object(Bucket=user.bucket, Key=key, Body=b"mine")
    return user


def test_what_is_shared_is_read_under_the_mounts_names(ann: Any, eve: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{eve.tenant}"])
    mount(eve, made["token"])
    got = eve.s3.get_object(Bucket=eve.bucket, Key="partner/sub/b.txt")
    assert got["Body"].read() == b"pub/sub/b.txt"
    assert eve.s3.head_object(Bucket=eve.bucket, Key="partner/a.txt")["ContentLength"] == 9
    assert eve.s3.get_object(Bucket=eve.bucket, Key="partner/a.txt", Range="bytes=4-")["Body"].read() == b"a.txt"
    ann.s3.put_object(Bucket=ann.bucket, Key="pub/a.txt", Body=b"changed")
    assert eve.s3.get_object(Bucket=eve.bucket, Key="partner/a.txt")["Body"].read() == b"changed", "it is live"
    with pytest.raises(ClientError) as error:
        eve.s3.get_object(Bucket=eve.bucket, Key="partner/none.txt")
    assert error.value.response["Error"]["Code"] == "NoSuchKey"
    assert error.value.response["Error"]["Key"] == "partner/none.txt"
    assert code(eve.s3.put_object, Bucket=eve.bucket, Key="partner/new.txt", Body=b"x") == "AccessDenied"
    assert code(eve.s3.delete_object, Bucket=eve.bucket, Key="partner/a.txt") == "AccessDenied"
    assert code(eve.s3.get_object, Bucket=ann.bucket, Key="pub/a.txt") == "AccessDenied", "not under the owner's name"
    mounted = eve.admin("GET", "/v1/mounts")
    assert [one["at"] for one in mounted] == [f"s3://{eve.bucket}/partner/"]
    assert ann.bucket not in str(mounted) and ann.tenant not in str(mounted)


def test_listings_show_the_mount_where_its_names_stand(ann: Any, eve: Any) -> None:
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/")["token"])
    whole = ["a.txt", "partner-notes.txt", "partner/a.txt", "partner/sub/b.txt", "partner/ü & <b>.txt", "z.txt"]
    assert names(eve.s3, eve.bucket) == whole
    for size in (1, 2, 3, 5, 1000):
        assert names(eve.s3, eve.bucket, PaginationConfig={"PageSize": size}) == whole, size
    assert names(eve.s3, eve.bucket, StartAfter="partner/a.txt") == whole[3:]
    assert names(eve.s3, eve.bucket, Prefix="partner/") == whole[2:5]
    assert names(eve.s3, eve.bucket, Prefix="partner/s") == ["partner/sub/b.txt"]
    assert names(eve.s3, eve.bucket, Prefix="part") == whole[1:5]
    assert names(eve.s3, eve.bucket, Delimiter="/") == ["a.txt", "partner-notes.txt", "z.txt", "partner/"]
    assert names(eve.s3, eve.bucket, Prefix="partner/", Delimiter="/") == [whole[2], whole[4], "partner/sub/"]
    for size in (1, 2):
        paged = names(eve.s3, eve.bucket, Delimiter="/", PaginationConfig={"PageSize": size})
        assert sorted(paged) == sorted(["a.txt", "partner-notes.txt", "partner/", "z.txt"]), size
    first = eve.s3.list_objects(Bucket=eve.bucket, Marker="partner-notes.txt")
    assert [one["Key"] for one in first["Contents"]] == whole[2:]
    me = eve.s3.list_buckets()["Owner"]["ID"]
    assert {one["Owner"]["ID"] for one in first["Contents"]} == {me}, "who owns what there is not told"


def test_a_mount_deep_in_a_bucket_rolls_up_with_what_is_around_it(ann: Any, eve: Any) -> None:
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/")["token"], "data/in/acme/")
    assert names(eve.s3, eve.bucket, Delimiter="/") == ["a.txt", "partner-notes.txt", "z.txt", "data/"]
    eve.s3.put_object(Bucket=eve.bucket, Key="data/a", Body=b"x")
    eve.s3.put_object(Bucket=eve.bucket, Key="data/in/acme2", Body=b"x")
    assert names(eve.s3, eve.bucket, Delimiter="/", Prefix="data/") == ["data/a", "data/in/"]
    assert names(eve.s3, eve.bucket, Delimiter="/", Prefix="data/in/") == ["data/in/acme2", "data/in/acme/"]
    assert names(eve.s3, eve.bucket, Prefix="data/") == [
        "data/a", "data/in/acme/a.txt", "data/in/acme/sub/b.txt", "data/in/acme/ü & <b>.txt", "data/in/acme2",
    ]  # fmt: skip


def test_what_may_be_written_lies_in_the_owners_bucket(ann: Any, eve: Any) -> None:
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/", can="edit", to=[f"tenant:{eve.tenant}"])["token"])
    eve.s3.put_object(Bucket=eve.bucket, Key="partner/new.txt", Body=b"from eve")
    assert ann.s3.get_object(Bucket=ann.bucket, Key="pub/new.txt")["Body"].read() == b"from eve"
    owner = ann.s3.list_objects(Bucket=ann.bucket, Prefix="pub/new")["Contents"][0]["Owner"]["ID"]
    assert owner == ann.s3.list_buckets()["Owner"]["ID"]
    eve.s3.copy_object(Bucket=eve.bucket, Key="partner/copied.txt", CopySource=f"{eve.bucket}/a.txt")
    assert ann.s3.get_object(Bucket=ann.bucket, Key="pub/copied.txt")["Body"].read() == b"mine"
    eve.s3.copy_object(Bucket=eve.bucket, Key="copy.txt", CopySource=f"{eve.bucket}/partner/a.txt")
    assert eve.s3.get_object(Bucket=eve.bucket, Key="copy.txt")["Body"].read() == b"pub/a.txt"
    eve.s3.delete_object(Bucket=eve.bucket, Key="partner/new.txt")
    assert code(ann.s3.get_object, Bucket=ann.bucket, Key="pub/new.txt") == "NoSuchKey"


def test_both_sides_must_allow_it(ann: Any, eve: Any, people: Callable[..., User]) -> None:
    bob: Any = people("beta", "bob")
    made = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{eve.tenant}"])
    mount(eve, made["token"])
    place = {"Bucket": eve.bucket, "Key": "partner/a.txt"}
    assert code(bob.s3.get_object, **place) == "AccessDenied", "his own side says nothing"
    about = {"subject": "user:bob", "relation": "reader", "resource": f"s3://{eve.bucket}/partner/"}
    eve.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **about}]})
    assert bob.s3.get_object(**place)["Body"].read() == b"pub/a.txt"
    assert names(bob.s3, eve.bucket) == ["partner/a.txt", "partner/sub/b.txt", "partner/ü & <b>.txt"]
    hidden = {"subject": f"share:{made['share']}", "relation": "deny_all", "resource": f"s3://{ann.bucket}/pub/sub/"}
    ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **hidden}]})
    assert names(bob.s3, eve.bucket) == ["partner/a.txt", "partner/ü & <b>.txt"]
    assert code(bob.s3.get_object, Bucket=eve.bucket, Key="partner/sub/b.txt") == "AccessDenied"
    eve.admin("POST", "/v1/relations", {"changes": [{"op": "delete", **about}]})
    assert code(bob.s3.get_object, **place) == "AccessDenied"


def test_what_the_owner_says_of_prefixes_is_about_the_owners_names(ann: Any, eve: Any) -> None:
    """By links and through mounts: what hides a folder would else hide what the importer calls so, or nothing."""
    made = ann.share(f"s3://{ann.bucket}/pub/")
    mount(eve, made["token"])

    def deny(prefix: str) -> None:
        condition = {"StringLike": {"s3:prefix": prefix}}
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Condition": condition}
        document = {"Version": "2012-10-17", "Statement": [statement | {"Resource": f"arn:aws:s3:::{ann.bucket}"}]}
        ann.s3.put_bucket_policy(Bucket=ann.bucket, Policy=json.dumps(document))

    deny("pub/sub/*")
    assert code(eve.s3.list_objects_v2, Bucket=eve.bucket, Prefix="partner/sub/") == "AccessDenied"
    assert ask(made["url"] + "sub/").status == 403
    deny("pub/")
    assert "partner/a.txt" not in names(eve.s3, eve.bucket)
    assert code(eve.s3.list_objects_v2, Bucket=eve.bucket, Prefix="partner/") == "AccessDenied"
    assert names(eve.s3, eve.bucket, Prefix="partner/sub/") == ["partner/sub/b.txt"]
    deny("partner/*")
    assert names(eve.s3, eve.bucket, Prefix="partner/sub/") == ["partner/sub/b.txt"]
    deny("sub/*")
    assert ask(made["url"] + "sub/").status == 200


def test_an_owners_policy_does_not_learn_where_a_copy_into_its_share_comes_from(ann: Any, eve: Any) -> None:
    """It could be asked about the names of the importer's buckets; of the owner's own it may say what it likes."""
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/", can="contribute")["token"])
    ann.s3.put_object(Bucket=ann.bucket, Key="open/a", Body=b"a")
    about = {"op": "touch", "subject": "authenticated", "relation": "reader", "resource": f"s3://{ann.bucket}/"}
    ann.admin("POST", "/v1/relations", {"changes": [about]})
    eve.s3.put_object(Bucket=eve.bucket, Key="own", Body=b"own")

    def copy(source: str) -> str:
        place = {"Bucket": eve.bucket, "Key": "partner/copied", "CopySource": source}
        return code(eve.s3.copy_object, **place) if guessed else eve.s3.copy_object(**place) and ""

    sources = (f"{eve.bucket}/own", f"{ann.bucket}/open/a", f"{eve.bucket}/partner/a.txt")
    for guess, refused in ((f"{eve.bucket}/*", ()), (f"{ann.bucket}/open/*", (sources[1],))):
        condition = {"StringLike": {"s3:x-amz-copy-source": guess}}
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Condition": condition}
        document = {"Version": "2012-10-17", "Statement": [statement | {"Resource": f"arn:aws:s3:::{ann.bucket}/*"}]}
        ann.s3.put_bucket_policy(Bucket=ann.bucket, Policy=json.dumps(document))
        for source in sources:
            guessed = source in refused
            assert copy(source) == ("AccessDenied" if guessed else ""), (guess, source)


def test_a_share_for_a_group_is_for_its_present_members(ann: Any, eve: Any, people: Callable[..., User]) -> None:
    bob: Any = people("beta", "bob")
    eve.admin("POST", "/v1/groups", {"name": "devs"})
    eve.admin("PUT", "/v1/groups/devs/flags/exported")
    eve.admin("POST", "/v1/groups/devs/members", {"subject": "user:eve"})
    made = ann.share(f"s3://{ann.bucket}/pub/", to=[f"group:{eve.tenant}/devs"])
    mount(eve, made["token"])
    about = {"op": "touch", "subject": "user:bob", "relation": "reader", "resource": f"s3://{eve.bucket}/partner/"}
    eve.admin("POST", "/v1/relations", {"changes": [about]})
    place = {"Bucket": eve.bucket, "Key": "partner/a.txt"}
    assert code(bob.s3.get_object, **place) == "AccessDenied"
    assert eve.s3.get_object(**place)["Body"].read() == b"pub/a.txt"
    eve.admin("POST", "/v1/groups/devs/members", {"subject": "user:bob"})
    assert bob.s3.get_object(**place)["Body"].read() == b"pub/a.txt"
    eve.admin("DELETE", "/v1/groups/devs/members?subject=user:bob")
    assert code(bob.s3.get_object, **place) == "AccessDenied"
    eve.admin("DELETE", "/v1/groups/devs/flags/exported")
    assert code(eve.s3.get_object, **place) == "AccessDenied"


def test_a_revoke_ends_a_mount_with_the_next_request(ann: Any, eve: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", can="edit")
    mount(eve, made["token"])

    def read() -> int:
        try:
            eve.s3.get_object(Bucket=eve.bucket, Key="partner/a.txt")["Body"].read()
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        before = [pool.submit(read) for _ in range(60)]
        ann.admin("DELETE", f"/v1/shares/{made['share']}")
        after = [pool.submit(read) for _ in range(200)]
        assert {one.result() for one in before} <= {200, 403} and {one.result() for one in after} == {403}
    assert code(eve.s3.put_object, Bucket=eve.bucket, Key="partner/x", Body=b"x") == "AccessDenied"
    assert names(eve.s3, eve.bucket) == ["a.txt", "partner-notes.txt", "z.txt"]


def test_below_a_mount_that_gives_nothing_a_listing_is_denied_and_not_empty(
    ann: Any, eve: Any, people: Callable[..., User]
) -> None:
    """Who mirrors a mount with `aws s3 sync --delete` would delete its copy."""
    made = ann.share(f"s3://{ann.bucket}/pub/")
    mount(eve, made["token"])
    first = eve.s3.list_objects_v2(Bucket=eve.bucket, Prefix="partner/", MaxKeys=1)
    listings = eve.s3.list_objects, eve.s3.list_objects_v2, eve.s3.list_multipart_uploads
    for listing in listings:
        listing(Bucket=eve.bucket, Prefix="partner/")
    below = {"Bucket": eve.bucket, "Prefix": "partner/sub/"}
    assert code(eve.s3.list_object_versions, **below) == "AccessDenied", "what was is not offered"
    assert "Versions" in eve.s3.list_object_versions(Bucket=eve.bucket), "around it it is left out"
    ann.admin("DELETE", f"/v1/shares/{made['share']}")
    for listing in listings:
        assert code(listing, **below) == "AccessDenied"
        listing(Bucket=eve.bucket, Prefix="part")
    token = first["NextContinuationToken"]
    again = {"Bucket": eve.bucket, "Prefix": "partner/", "ContinuationToken": token}
    assert code(eve.s3.list_objects_v2, **again) == "AccessDenied"
    assert names(eve.s3, eve.bucket, Prefix="part") == ["partner-notes.txt"]
    # Who may see nothing there does not hear that there is a mount.
    bob: Any = people("beta", "bob")
    about = {"op": "touch", "subject": "user:bob", "resource": f"s3://{eve.bucket}/photos/"}
    eve.admin("POST", "/v1/relations", {"changes": [{**about, "relation": "lister"}]})
    for listing in (bob.s3.list_objects, bob.s3.list_objects_v2, bob.s3.list_object_versions):
        mounted, none = (listing(Bucket=eve.bucket, Prefix=prefix) for prefix in ("partner/", "elsewhere/"))
        assert "Contents" not in mounted and mounted["IsTruncated"] == none["IsTruncated"]
    eve.admin(
        "POST",
        "/v1/relations",
        {"changes": [{**about, "relation": "lister", "resource": f"s3://{eve.bucket}/partner/sub/"}]},
    )
    assert code(bob.s3.list_objects_v2, Bucket=eve.bucket, Prefix="partner/") == "AccessDenied"


def test_either_side_may_go_away(ann: Any, eve: Any) -> None:
    name = ann.bucket + "-y"
    ann.s3.create_bucket(Bucket=name)
    ann.s3.put_object(Bucket=name, Key="k", Body=b"x")
    mount(eve, ann.share(f"s3://{name}")["token"])
    assert names(eve.s3, eve.bucket, Prefix="partner/") == ["partner/k"]
    ann.s3.delete_object(Bucket=name, Key="k")
    ann.s3.delete_bucket(Bucket=name)
    assert code(eve.s3.get_object, Bucket=eve.bucket, Key="partner/k") == "AccessDenied"
    assert names(eve.s3, eve.bucket) == ["a.txt", "partner-notes.txt", "z.txt"]
    assert code(names, eve.s3, eve.bucket, Prefix="partner/") == "AccessDenied"
    eve.admin("DELETE", f"/v1/mounts?at=s3://{eve.bucket}/partner/")
    assert eve.try_admin("DELETE", f"/v1/mounts?at=s3://{eve.bucket}/partner/")[0] == 404
    eve.s3.put_object(Bucket=eve.bucket, Key="partner/k", Body=b"own")
    assert eve.s3.get_object(Bucket=eve.bucket, Key="partner/k")["Body"].read() == b"own"
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/")["token"], "other/")
    for key in names(eve.s3, eve.bucket):
        if not key.startswith("other/"):
            eve.s3.delete_object(Bucket=eve.bucket, Key=key)
    eve.s3.delete_bucket(Bucket=eve.bucket)
    assert names(ann.s3, ann.bucket, Prefix="pub/"), "what is shared stays"


def test_tokens_that_do_not_work_are_refused_in_the_same_words(ann: Any, eve: Any, people: Callable[..., User]) -> None:
    revoked = ann.share(f"s3://{ann.bucket}/pub/")
    ann.admin("DELETE", f"/v1/shares/{revoked['share']}")
    others = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{ann.tenant}"])
    nobodys = ann.share(f"s3://{ann.bucket}/pub/", to=["group:nobody/none"])
    orphan_maker = people("acme", "orphan", admin=True)
    orphan = orphan_maker.share(f"s3://{ann.bucket}/pub/")
    User(ann.server, "", "", ROOT_KEY, ROOT_SECRET, None).admin("DELETE", f"/v1/users/{ann.tenant}/orphan")
    tokens = [revoked["token"], others["token"], nobodys["token"], orphan["token"], "A" * 44, "x", ""]
    at = f"s3://{eve.bucket}/partner/"
    answers = {str(eve.try_admin("POST", "/v1/mounts", {"token": token, "at": at})) for token in tokens}
    assert len(answers) == 1 and "there is no such share" in answers.pop()


def test_where_and_what_can_be_mounted(ann: Any, eve: Any, people: Callable[..., User]) -> None:
    token = ann.share(f"s3://{ann.bucket}/pub/")["token"]
    bob = people("beta", "bob")

    def refused(user: Any, at: str, token: str = token, **more: Any) -> tuple[int, str]:
        status, answer = user.try_admin("POST", "/v1/mounts", {"token": token, "at": at, **more})
        return status, answer.get("detail", "")

    assert refused(bob, f"s3://{eve.bucket}/partner/")[0] == 403
    assert refused(eve, f"s3://{ann.bucket}/partner/")[0] == 404
    assert refused(eve, f"s3://{eve.bucket}/partner")[0] == 400
    assert refused(eve, f"s3://{eve.bucket}")[0] == 400
    eve.s3.put_object(Bucket=eve.bucket, Key="full/x", Body=b"x")
    assert "there are keys, versions or open uploads under" in refused(eve, f"s3://{eve.bucket}/full/")[1]
    upload = eve.s3.create_multipart_upload(Bucket=eve.bucket, Key="open/x")
    assert refused(eve, f"s3://{eve.bucket}/open/")[0] == 409
    eve.s3.abort_multipart_upload(Bucket=eve.bucket, Key="open/x", UploadId=upload["UploadId"])
    mount(eve, token, "partner/")
    for place in ("partner/", "partner/in/"):
        assert refused(eve, f"s3://{eve.bucket}/{place}")[0] == 409, place
    mount(eve, token, "deep/er/")
    assert refused(eve, f"s3://{eve.bucket}/deep/")[0] == 409
    for more in ({"downloads": 3}, {"resource": f"s3://{ann.bucket}/pub/a.txt"}):
        made = ann.admin("POST", "/v1/shares", {"resource": f"s3://{ann.bucket}/pub/"} | more)
        assert refused(eve, f"s3://{eve.bucket}/p/", made["token"])[0] == 403, more
    locked = ann.share(f"s3://{ann.bucket}/pub/", password="sesame")["token"]
    assert refused(eve, f"s3://{eve.bucket}/p/", locked)[0] == 403
    assert refused(eve, f"s3://{eve.bucket}/p/", locked, password="wrong")[0] == 403
    mount(eve, locked, "p/", password="sesame")
    assert eve.s3.get_object(Bucket=eve.bucket, Key="p/a.txt")["Body"].read() == b"pub/a.txt"


def test_wrong_passwords_are_counted_with_those_at_the_link(ann: Any, eve: Any) -> None:
    share = ann.share(f"s3://{ann.bucket}/pub/", password="sesame")
    other = ann.share(f"s3://{ann.bucket}/pub/", password="sesame")

    def tried(password: str) -> Any:
        body = json.dumps({"token": share["token"], "at": f"s3://{eve.bucket}/p/", "password": password}).encode()
        signed = {"authorization": basic(eve.key, eve.secret), "content_type": "application/json"}
        return ask(eve.server.admin + "/v1/mounts", "POST", body, **signed)

    url = share["url"] + "a.txt"
    for n in range(5):
        assert tried(f"wrong {n}").status == 403
        assert ask(url, authorization=basic("x", f"wrong {n}")).status == 401
    for password in ("wrong", "sesame"):
        answer = tried(password)
        assert (answer.status, answer.headers["retry-after"]) == (503, "30"), "nobody learns whether it was right"
        assert json.loads(answer.body)["type"].endswith("/busy")
        assert ask(url, authorization=basic("x", password)).code == "SlowDown"
    mount(eve, other["token"], "other/", password="sesame")
    assert ask(other["url"] + "a.txt", authorization=basic("x", "sesame")).status == 200
    for n in range(10):
        assert ask(other["url"] + "a.txt", authorization=basic("x", f"wrong {n}")).status == 401
    assert ask(other["url"] + "a.txt", authorization=basic("x", "wrong")).status == 503
    mount(eve, other["token"], "again/", password="sesame")


def test_who_was_let_in_cannot_let_others_in(ann: Any, eve: Any, people: Callable[..., User]) -> None:
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/", can="edit", to=[f"tenant:{eve.tenant}"])["token"])
    third: Any = people("gamma", "carl", admin=True)
    third.bucket = f"c-{uuid.uuid4().hex[:12]}"
    third.s3.create_bucket(Bucket=third.bucket)
    made = eve.share(f"s3://{eve.bucket}", can="edit")
    mount(third, made["token"])
    assert names(third.s3, third.bucket) == ["partner/a.txt", "partner/partner-notes.txt", "partner/z.txt"]
    place = {"Bucket": third.bucket, "Key": "partner/partner/a.txt"}
    assert code(third.s3.get_object, **place) == "AccessDenied"
    assert code(third.s3.put_object, **place, Body=b"x") == "AccessDenied"
    assert ask(made["url"] + "partner/a.txt").code == "AccessDenied"
    assert ask(made["url"] + "partner/a.txt", "PUT", b"x").code == "AccessDenied"


def test_a_bucket_without_mounts_and_one_that_had_some_are_alike(ann: Any, eve: Any) -> None:
    mount(eve, ann.share(f"s3://{ann.bucket}/pub/")["token"])
    eve.admin("DELETE", f"/v1/mounts?at=s3://{eve.bucket}/partner/")
    assert names(eve.s3, eve.bucket) == ["a.txt", "partner-notes.txt", "z.txt"]
    assert code(eve.s3.get_object, Bucket=eve.bucket, Key="partner/a.txt") == "NoSuchKey"
    assert eve.admin("GET", "/v1/mounts") == []


def test_a_write_that_began_before_the_mount_does_not_hide_below_it(ann: Any, eve: Any) -> None:
    token = ann.share(f"s3://{ann.bucket}/pub/")["token"]
    url = eve.s3.generate_presigned_url("put_object", {"Bucket": eve.bucket, "Key": "partner/late.txt"})
    connection = http.client.HTTPConnection(eve.server.url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", url.removeprefix(eve.server.url))
    connection.putheader("content-length", "4")
    connection.endheaders(b"la")
    eve.s3.list_objects_v2(Bucket=eve.bucket)  # the server has read the head of the request by now
    mount(eve, token)
    connection.send(b"te")
    answer = connection.getresponse()
    assert (answer.status, b"OperationAborted" in answer.read()) == (409, True)
    eve.admin("DELETE", f"/v1/mounts?at=s3://{eve.bucket}/partner/")
    assert names(eve.s3, eve.bucket, Prefix="partner/") == []
