"""Share links against a real server: what they open, for whom, until when; and that nothing tells why one does not."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from running import PANTHERA, ROOT_KEY, ROOT_SECRET, running
from sharing import User, ann, ask, basic, keys, people

__all__ = ["ann", "people"]


def test_a_link_to_an_object_opens_it_and_nothing_else(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/a.txt")
    for url in (made["url"], made["url"] + "/a.txt", made["url"] + "/"):
        got = ask(url)
        assert (got.status, got.body) == (200, b"pub/a.txt")
    assert got.headers["referrer-policy"] == "no-referrer"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "private, no-cache"
    head = ask(made["url"], "HEAD")
    assert (head.status, head.headers["content-length"]) == (200, "9")
    assert ask(made["url"], range="bytes=4-4").body == b"a"
    for rest in ("/b.txt", "/pub/a.txt", "/../secret.txt", "/a.txt/"):
        assert ask(made["url"] + rest).code == "AccessDenied"
    assert ask(made["url"] + "/a.txt", "PUT", b"x").code == "AccessDenied"
    assert ask(made["url"] + "/a.txt", "DELETE").status == 405


def test_a_link_to_a_prefix_opens_what_is_below(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    assert ask(made["url"] + "a.txt").body == b"pub/a.txt"
    assert ask(made["url"] + "sub/b.txt").body == b"pub/sub/b.txt"
    missing = ask(made["url"] + "none.txt")
    assert (missing.status, missing.code) == (404, "NoSuchKey")
    assert b"<Key>none.txt</Key>" in missing.body, "the client's name, not the owner's"
    assert ann.bucket.encode() not in missing.body
    assert ask(made["url"] + "../secret.txt").status == 404


def test_a_link_that_may_write_writes_as_its_creator(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", can="contribute")
    done = subprocess.run(
        ["curl", "-sS", "-f", "-T", "-", made["url"] + "new.txt"], input=b"from curl", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ann.s3.get_object(Bucket=ann.bucket, Key="pub/new.txt")["Body"].read() == b"from curl"
    viewer = ann.share(f"s3://{ann.bucket}/pub/")
    assert ask(viewer["url"] + "no.txt", "PUT", b"x").code == "AccessDenied"
    assert ask(made["url"] + "acl.txt", "PUT", b"x", x_amz_acl="public-read").status in (400, 403)


def test_a_copy_to_a_link_is_not_stored_as_the_empty_body_it_comes_with(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", can="contribute")
    refused = ask(made["url"] + "a.txt", "PUT", b"", x_amz_copy_source=f"/{ann.bucket}/secret.txt")
    assert (refused.status, refused.code) == (501, "NotImplemented")
    assert ask(made["url"] + "a.txt").body == b"pub/a.txt"
    assert ask(made["url"][:-3] + "AA/x", "PUT", b"", x_amz_copy_source="/b/k").code == "AccessDenied"


def test_a_revoked_link_has_ended_when_the_call_returns(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", can="edit")
    assert ask(made["url"] + "a.txt").status == 200
    relations = ann.admin("GET", f"/v1/relations?bucket={ann.bucket}")["relations"]
    assert {one["relation"] for one in relations if one["subject"] == f"share:#{made['share']}"} == {
        "reader", "lister", "writer", "deleter",
    }  # fmt: skip
    ann.admin("DELETE", f"/v1/shares/{made['share']}")
    assert ask(made["url"] + "a.txt").code == "AccessDenied"
    relations = ann.admin("GET", f"/v1/relations?bucket={ann.bucket}")["relations"]
    assert not [one for one in relations if one["subject"].startswith("share:")]
    assert ann.admin("GET", f"/v1/shares/{made['share']}")["state"] == "revoked"
    ann.admin("DELETE", f"/v1/shares/{made['share']}")  # again: nothing more to do


def test_revoking_only_the_relation_ends_it_too(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    change = {"op": "delete", "subject": f"share:{made['share']}", "relation": "reader",
              "resource": f"s3://{ann.bucket}/pub/"}  # fmt: skip
    ann.admin("POST", "/v1/relations", {"changes": [change]})
    assert ask(made["url"] + "a.txt").code == "AccessDenied"


def test_a_revoke_ends_access_under_load(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        before = [pool.submit(ask, made["url"] + "a.txt") for _ in range(200)]
        ann.admin("DELETE", f"/v1/shares/{made['share']}")
        after = [pool.submit(ask, made["url"] + "a.txt") for _ in range(400)]
        assert {one.result().status for one in before} <= {200, 403}
        assert {one.result().status for one in after} == {403}


def test_a_share_works_only_as_long_as_its_creator_could_do_the_same(ann: Any, people: Callable[..., User]) -> None:
    bob = people("acme", "bob")
    for relation in ("reader", "lister", "sharer"):
        grant = {"op": "touch", "subject": "user:bob", "relation": relation, "resource": f"s3://{ann.bucket}/pub/"}
        ann.admin("POST", "/v1/relations", {"changes": [grant]})
    made = bob.share(f"s3://{ann.bucket}/pub/")
    assert ask(made["url"] + "a.txt").status == 200
    for relation in ("sharer", "reader"):
        about = {"subject": "user:bob", "relation": relation, "resource": f"s3://{ann.bucket}/pub/"}
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "delete", **about}]})
        assert ask(made["url"] + "a.txt").code == "AccessDenied", relation
        assert (ask(made["url"]).status == 403) == (relation == "sharer"), "who may list may share the names"
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **about}]})
        assert ask(made["url"] + "a.txt").status == 200, relation
    denied = {"op": "touch", "subject": "user:bob", "relation": "deny_read", "resource": f"s3://{ann.bucket}/pub/sub/"}
    ann.admin("POST", "/v1/relations", {"changes": [denied]})
    assert (ask(made["url"] + "sub/b.txt").code, ask(made["url"] + "a.txt").status) == ("AccessDenied", 200)
    assert ann.admin("GET", f"/v1/shares/{made['share']}")["state"] == "open"
    User(ann.server, "", "", ROOT_KEY, ROOT_SECRET, None).admin("DELETE", f"/v1/users/{bob.tenant}/bob")
    assert ask(made["url"] + "a.txt").code == "AccessDenied"
    assert ann.admin("GET", f"/v1/shares/{made['share']}")["state"] == "orphaned"


def test_nobody_shares_more_than_the_own_right(ann: Any, people: Callable[..., User]) -> None:
    bob = people("acme", "bob")
    place = {"resource": f"s3://{ann.bucket}/pub/"}
    assert bob.try_admin("POST", "/v1/shares", place)[0] == 403
    for relation in ("reader", "lister"):
        ann.admin(
            "POST", "/v1/relations", {"changes": [{"op": "touch", "subject": "user:bob", "relation": relation} | place]}
        )
    assert "share" in bob.try_admin("POST", "/v1/shares", place)[1]["detail"]
    ann.admin(
        "POST", "/v1/relations", {"changes": [{"op": "touch", "subject": "user:bob", "relation": "sharer"} | place]}
    )
    assert "write" in bob.try_admin("POST", "/v1/shares", place | {"can": "contribute"})[1]["detail"]
    made = bob.admin("POST", "/v1/shares", place)
    assert [one["share"] for one in bob.admin("GET", "/v1/shares")] == [made["share"]]
    others = ann.share(f"s3://{ann.bucket}/")
    assert [one["share"] for one in bob.admin("GET", "/v1/shares")] == [made["share"]]
    assert bob.try_admin("DELETE", f"/v1/shares/{others['share']}")[0] == 404
    assert {one["share"] for one in ann.admin("GET", "/v1/shares")} == {made["share"], others["share"]}


def test_what_was_probably_not_meant_is_said(ann: Any) -> None:
    assert ann.share(f"s3://{ann.bucket}/pub/")["notes"] == []
    assert "a prefix ends in /" in ann.share(f"s3://{ann.bucket}/pub")["notes"][0]
    status, problem = ann.try_admin("POST", "/v1/shares", {"resource": f"s3://{ann.bucket}/pub/", "to": [ann.tenant]})
    assert (status, "a share is for tenant:NAME" in problem["detail"]) == (400, True)


def test_deny_relations_apply_to_shares(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    for subject in ("anyone", f"share:{made['share']}"):
        change = {"subject": subject, "relation": "deny_read", "resource": f"s3://{ann.bucket}/pub/"}
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **change}]})
        assert ask(made["url"] + "a.txt").code == "AccessDenied", subject
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "delete", **change}]})
        assert ask(made["url"] + "a.txt").status == 200, subject


def test_a_password_is_asked_for_and_ranges_do_not_pay_again(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/", password="open sesame")
    asked = ask(made["url"] + "a.txt")
    assert (asked.status, asked.headers["www-authenticate"].partition(",")[0]) == (401, 'Basic realm="share"')
    assert ask(made["url"] + "a.txt", authorization=basic("x", "wrong")).status == 401
    for name in ("x", ""):
        got = ask(made["url"] + "a.txt", authorization=basic(name, "open sesame"))
        assert (got.status, got.body) == (200, b"pub/a.txt")
    done = subprocess.run(
        ["curl", "-sS", "-f", "-u", "me:open sesame", made["url"] + "a.txt"], capture_output=True, check=False
    )
    assert done.stdout == b"pub/a.txt"
    ann.admin("DELETE", f"/v1/shares/{made['share']}")
    assert ask(made["url"] + "a.txt", authorization=basic("x", "open sesame")).code == "AccessDenied"
    assert ask(made["url"] + "a.txt").code == "AccessDenied", "a link that ended does not ask for its password"


def test_ten_wrong_passwords_in_a_row_and_the_next_waits(ann: Any) -> None:
    made, other = (ann.share(f"s3://{ann.bucket}/pub/", password="open sesame") for _ in range(2))
    url = made["url"] + "a.txt"
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(ask, url, authorization=basic("x", f"wrong {i}")) for i in range(20)]
        statuses = sorted(answer.result().status for answer in answers)
    # Two are looked at at the same time.
    assert statuses.count(401) in (10, 11), statuses
    assert statuses.count(503) == 20 - statuses.count(401), statuses
    refused = ask(url, authorization=basic("x", "open sesame"))
    assert (refused.code, refused.headers["retry-after"]) == ("SlowDown", "30"), "nobody learns whether it was right"
    assert ask(other["url"] + "a.txt", authorization=basic("x", "open sesame")).status == 200


def test_so_many_downloads_and_no_more_at_once(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/a.txt", downloads=5)
    assert ask(made["url"], range="bytes=1-").code == "AccessDenied", "nothing began that could go on"
    assert ask(made["url"], "HEAD").status == 200
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = [one.result() for one in [pool.submit(ask, made["url"]) for _ in range(40)]]
    assert sorted(one.status for one in got) == [200] * 5 + [403] * 35
    assert ask(made["url"], range="bytes=4-").body == b"a.txt", "the rest of one that began"
    assert ask(made["url"], range="bytes=0-3").status == 403
    assert ann.admin("GET", f"/v1/shares/{made['share']}")["downloaded"] == 5


def test_links_that_do_not_work_cannot_be_told_apart(ann: Any, people: Callable[..., User]) -> None:
    revoked = ann.share(f"s3://{ann.bucket}/pub/")
    ann.admin("DELETE", f"/v1/shares/{revoked['share']}")
    named = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{ann.tenant}"])
    unknown = ann.server.url + "/-/" + base64.urlsafe_b64encode(b"\x01" + bytes(32)).decode()
    short = ann.server.url + "/-/AAAA"
    expired = ann.share(f"s3://{ann.bucket}/pub/", expires="1s")
    gone = ann.share(f"s3://{ann.bucket}/pub/a.txt")["url"] + "/other-name"
    time.sleep(1.1)
    urls = [revoked["url"] + "a.txt", named["url"] + "a.txt", unknown + "/a.txt", short + "/a.txt",
            expired["url"] + "a.txt", gone]  # fmt: skip
    for headers in ({}, {"accept": "text/html"}, {"authorization": basic("x", "y")}):
        answers = [ask(url, **headers) for url in urls]
        assert {one.status for one in answers} == {403}
        texts = set()
        for url, one in zip(urls, answers, strict=True):
            path = url.removeprefix(ann.server.url)
            text = one.body.decode().replace(path, "PATH").replace(one.headers["x-amz-request-id"], "ID")
            texts.add((text, tuple(sorted(name for name in one.headers if name.lower() != "date"))))
        assert len(texts) == 1, texts


def test_no_link_is_a_service_worker(ann: Any) -> None:
    """Its scope would be `/-/`: the script of one share would see every other that its reader opens."""
    ann.s3.put_object(Bucket=ann.bucket, Key="pub/sw.js", Body=b"", ContentType="text/javascript")
    script, folder = (ann.share(f"s3://{ann.bucket}/pub/{name}")["url"] for name in ("sw.js", ""))
    for url in (script, folder + "sw.js"):
        assert ask(url).status == 200
        refused = ask(url, service_worker="script")
        assert (refused.status, refused.code) == (403, "AccessDenied")


def test_a_link_for_named_tenants_works_for_who_signs(ann: Any, people: Callable[..., User]) -> None:
    eve, mallory = people("beta", "eve"), people("gamma", "mallory")
    made = ann.share(f"s3://{ann.bucket}/pub/", to=[f"tenant:{eve.tenant}"])
    for user, status in ((eve, b"200"), (mallory, b"403")):
        done = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:s3",
             "--user", f"{user.key}:{user.secret}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
             made["url"] + "a.txt"],
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.stdout == status, (user.name, done.stdout, done.stderr)


def test_browsers_read_pages_and_tools_read_xml(ann: Any) -> None:
    page = ask(ann.server.url + "/-/AAAA", accept="text/html,*/*;q=0.8")
    assert page.headers["content-type"].startswith("text/html") and b"does not work" in page.body
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert ask(ann.server.url + "/-/AAAA").headers["content-type"] == "application/xml"
    # Not a link: an object's errors are S3's, whatever a browser accepts.
    assert ask(f"{ann.server.url}/{ann.bucket}/x", accept="text/html").headers["content-type"] == "application/xml"


def test_a_bucket_made_anew_under_the_old_name_is_not_shared(ann: Any) -> None:
    name = ann.bucket + "-x"
    ann.s3.create_bucket(Bucket=name)
    ann.s3.put_object(Bucket=name, Key="k", Body=b"old")
    made = ann.share(f"s3://{name}")
    assert ask(made["url"] + "k").body == b"old"
    ann.s3.delete_object(Bucket=name, Key="k")
    ann.s3.delete_bucket(Bucket=name)
    assert ask(made["url"] + "k").code == "AccessDenied"
    ann.s3.create_bucket(Bucket=name)
    ann.s3.put_object(Bucket=name, Key="k", Body=b"new")
    assert ask(made["url"] + "k").code == "AccessDenied"
    assert ann.admin("GET", f"/v1/shares/{made['share']}")["state"] == "orphaned"


def test_who_names_a_tenant_is_not_told_whether_it_exists(ann: Any, people: Callable[..., User]) -> None:
    eve = people("beta", "eve")
    answers = []
    for whom in (f"tenant:{eve.tenant}", "tenant:nobody-has-this", f"group:{eve.tenant}/none", "group:nobody/none"):
        made = ann.share(f"s3://{ann.bucket}/pub/", to=[whom])
        shown = ann.admin("GET", f"/v1/shares/{made['share']}")
        assert shown["to"] == [whom]
        answers.append({name for name in made if made[name] is not None})
    assert all(one == answers[0] for one in answers)


def test_a_presigned_url_has_its_signers_present_rights(ann: Any, people: Callable[..., User]) -> None:
    bob = people("acme", "bob")
    about = {"subject": "user:bob", "relation": "reader", "resource": f"s3://{ann.bucket}/pub/"}
    ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **about}]})
    url = bob.s3.generate_presigned_url("get_object", {"Bucket": ann.bucket, "Key": "pub/a.txt"})
    assert ask(url).body == b"pub/a.txt"
    ann.admin("POST", "/v1/relations", {"changes": [{"op": "delete", **about}]})
    assert ask(url).code == "AccessDenied"


def test_the_logs_have_no_token(ann: Any, tmp_path: Path, make_client: Callable[..., Any]) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    ask(made["url"] + "a.txt")
    assert made["token"] not in ann.server.log.read_text()
    with running(tmp_path / "data", "--access-log", tmp_path / "access.log") as server:
        root = User(server, "default", "root", ROOT_KEY, ROOT_SECRET, make_client(server.url))
        root.s3.create_bucket(Bucket="logged")
        made = root.share("s3://logged")
        for url in (made["url"], made["url"].replace("/-/", "/%2D/")):
            assert ask(url, referer=made["url"]).status == 200
    log = (tmp_path / "access.log").read_text()
    assert log.count("ListSharedFolder") + log.count("/-/.../") >= 2
    assert made["token"] not in log


def test_a_bucket_policy_that_denies_everybody_denies_shares(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    arn = f"arn:aws:s3:::{ann.bucket}/pub/a.txt"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}
    ann.s3.put_bucket_policy(Bucket=ann.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert ask(made["url"] + "a.txt").code == "AccessDenied"
    assert ask(made["url"] + "sub/b.txt").status == 200


def test_public_access_block_does_not_end_shares(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    every = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
        True,
    )
    ann.s3.put_public_access_block(Bucket=ann.bucket, PublicAccessBlockConfiguration=every)
    assert ask(made["url"] + "a.txt").status == 200
    assert b"<Key>a.txt</Key>" in ask(made["url"]).body


def test_what_everybody_may_is_not_the_shares(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    grant = {"op": "touch", "subject": "anyone", "relation": "writer", "resource": f"s3://{ann.bucket}/pub/"}
    ann.admin("POST", "/v1/relations", {"changes": [grant]})
    assert ask(made["url"] + "new.txt", "PUT", b"x").code == "AccessDenied"


def test_a_folder_is_listed_in_the_links_own_names(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    whole = ask(made["url"])
    assert keys(whole) == ["a.txt", "sub/b.txt", "ü &amp; &lt;b&gt;.txt"]
    assert (keys(whole, "Name"), keys(whole, "Prefix")) == (["-"], [""])
    assert ann.bucket not in whole.body.decode() and "pub/" not in whole.body.decode()
    assert "<Owner>" not in ask(made["url"] + "?list-type=2&fetch-owner=true").body.decode()
    rolled = ask(made["url"] + "?delimiter=/")
    assert (keys(rolled), keys(rolled, "Prefix")[1:]) == (["a.txt", "ü &amp; &lt;b&gt;.txt"], ["sub/"])
    assert keys(ask(made["url"] + "sub/")) == ["sub/b.txt"]
    assert keys(ask(made["url"] + "none/")) == []
    assert ask(made["url"], "HEAD").status == 200
    assert ask(made["url"] + "?versionId=x").status == 405
    assert keys(ask(made["url"] + "?prefix=sub/")) == keys(whole), "what the row does not know is not obeyed"
    first = ask(made["url"] + "?max-keys=1")
    (token,) = keys(first, "NextContinuationToken")
    assert keys(first) + keys(ask(made["url"] + f"?continuation-token={token}")) == keys(whole)


def test_a_folder_is_a_page_for_browsers(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    got = ask(made["url"], accept="text/html,application/xhtml+xml")
    page = got.body.decode()
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert got.headers["content-security-policy"].startswith("default-src 'none'") and "<script" not in page
    assert 'href="./sub/"' in page and 'href="./a.txt"' in page and "<b>" not in page
    assert ann.bucket not in page and "secret" not in page
    assert 'href="../"' in ask(made["url"] + "sub/", accept="text/html").body.decode()
    link = made["url"].rstrip("/")
    done = subprocess.run(
        ["curl", "-sS", "-L", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}", link], capture_output=True
    )
    assert done.stdout.decode() == f"200 {link}/"


def test_a_listing_shows_what_share_and_creator_may_see(ann: Any) -> None:
    made = ann.share(f"s3://{ann.bucket}/pub/")
    place = f"s3://{ann.bucket}/pub/sub/"
    for subject in (f"share:{made['share']}", f"user:{ann.name}"):
        change = {"subject": subject, "relation": "deny_all", "resource": place}
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "touch", **change}]})
        assert keys(ask(made["url"])) == ["a.txt", "ü &amp; &lt;b&gt;.txt"], subject
        ann.admin("POST", "/v1/relations", {"changes": [{"op": "delete", **change}]})
    assert len(keys(ask(made["url"]))) == 3
    ann.admin("DELETE", f"/v1/shares/{made['share']}")
    assert ask(made["url"]).code == "AccessDenied"


def test_the_commands_share_mount_and_revoke_and_verify_finds_the_data_sound(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:

        def panthera(*words: str, **env: str) -> Any:
            done = subprocess.run(
                [PANTHERA, *words, "--json"], env=os.environ | server.env | env, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout.strip() else None

        root = boto3.client(
            "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_SECRET,
        )  # fmt: skip
        root.create_bucket(Bucket="photos")
        root.put_object(Bucket="photos", Key="2024/cat.jpg", Body=b"meow")
        panthera("tenant", "add", "acme")
        panthera("user", "add", "acme", "ann", "--admin")
        key = panthera("key", "add", "acme", "ann")
        ann = {"PANTHERA_ACCESS_KEY": key["access_key"], "PANTHERA_SECRET_KEY": key["secret_key"]}
        secret = tmp_path / "password"
        secret.write_text("sesame\n")
        made = panthera("share", "create", "s3://photos/2024/", "--to", "tenant:acme", "--expires", "7d")
        link = panthera(
            "share", "create", "s3://photos/2024/cat.jpg", "--password-file", str(secret), "--downloads", "1"
        )
        url = server.url + link["link"]
        assert ask(url).status == 401
        assert ask(url, authorization=basic("x", "sesame")).body == b"meow"
        assert ask(url, authorization=basic("x", "sesame")).code == "AccessDenied"
        assert panthera("share", "show", str(link["share"]))["downloaded"] == 1
        client = boto3.client(
            "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"],
        )  # fmt: skip
        client.create_bucket(Bucket="mine")
        panthera("share", "import", made["token"], "s3://mine/partner/", **ann)
        assert client.get_object(Bucket="mine", Key="partner/cat.jpg")["Body"].read() == b"meow"
        assert [one["at"] for one in panthera("share", "mounts", **ann)] == ["s3://mine/partner/"]
        panthera("share", "revoke", str(made["share"]))
        assert [one["state"] for one in panthera("share", "list")] == ["revoked", "open"]
        assert server.stop() == 0
        words = [PANTHERA, "verify", "--data", server.data, "--json"]
        report = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        assert (report["sound"], report["problems"], report["counts"]["shares"]) == (True, [], 2)
