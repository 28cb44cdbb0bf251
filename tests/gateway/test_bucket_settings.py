"""Settings of buckets by the admin API and the command line."""

import json

from click.testing import CliRunner
from serving import Admin
from world import ROOT, World

from gateway.cli import main
from storage.api import Conflict
from storage.records import keys
from storage.records.bucket import BucketRecord, ListingMode


def record(world: World, name: str = "bucket") -> BucketRecord:
    return BucketRecord.decode(world.store.get(keys.bucket(name.encode())))


def test_listing_is_filtered_until_somebody_says_strict(admin: Admin) -> None:
    admin.world.bucket()
    path = "/v1/buckets/bucket/settings"
    assert admin.ask("GET", path) == (200, {"bucket": "bucket", "listing": "filtered"})
    before = record(admin.world).generation
    assert admin.ask("PUT", path, {"listing": "strict"}) == (200, {"bucket": "bucket", "listing": "strict"})
    assert record(admin.world).listing is ListingMode.STRICT
    assert record(admin.world).generation == before + 1
    assert admin.ask("PUT", path, {}) == (200, {"bucket": "bucket", "listing": "strict"})
    assert record(admin.world).generation == before + 1, "what changes nothing writes nothing"
    assert admin.ask("PUT", path, {"listing": "filtered"})[1]["listing"] == "filtered"
    assert record(admin.world).listing is ListingMode.FILTERED


def test_a_word_that_is_none_is_refused(admin: Admin) -> None:
    admin.world.bucket()
    for body in ({"listing": "loose"}, {"listing": 1}, {"other": "x"}):
        status, problem = admin.ask("PUT", "/v1/buckets/bucket/settings", body)
        assert (status, problem["title"]) == (400, "The request cannot be meant")


def test_a_bucket_of_another_tenant_reads_as_one_that_is_not_there(admin: Admin) -> None:
    admin.world.bucket()
    admin.world.other()
    stranger = admin.key("other", "ann")
    answers = []
    for name in ("bucket", "nothing"):
        path = f"/v1/buckets/{name}/settings"
        for method, body in (("GET", None), ("PUT", {"listing": "strict"})):
            status, problem = admin.ask(method, path, body, key=stranger)
            assert problem["detail"] == f"there is no bucket {name}"
            answers.append(status)
    assert answers == [404] * 4
    assert record(admin.world).listing is ListingMode.FILTERED
    admin.world.call("CreateBucket", "theirs", caller=admin.world.other())
    assert admin.ask("PUT", "/v1/buckets/theirs/settings", {"listing": "strict"}, key=stranger)[0] == 200


def test_a_bucket_that_always_changes_is_a_conflict(admin: Admin) -> None:
    admin.world.bucket()

    def never(*_: object) -> int:
        raise Conflict(0)

    admin.services.settings._store = type("Busy", (), {"get": admin.world.store.get, "commit": never})()
    assert admin.ask("PUT", "/v1/buckets/bucket/settings", {"listing": "strict"})[0] == 409


def test_the_command_sets_and_shows(admin: Admin) -> None:
    admin.world.bucket()
    env = {
        "PANTHERA_ADMIN_URL": admin.url,
        "PANTHERA_ROOT_ACCESS_KEY": ROOT.access_key,
        "PANTHERA_ROOT_SECRET_KEY": ROOT.secret_key,
    }

    def run(*words: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, ["bucket", *words], env=env)
        assert done.exit_code == status, done.output
        return done.output

    assert run("show", "bucket").split() == ["BUCKET", "LISTING", "bucket", "filtered"]
    assert json.loads(run("set", "s3://bucket", "--listing", "strict", "--json"))["listing"] == "strict"
    assert run("show", "s3://bucket/").split()[-1] == "strict"
    assert "say what to change" in run("set", "bucket", status=2)
    assert "s3://name is one" in run("set", "s3://bucket/folder/", "--listing", "strict", status=2)
    assert "there is no bucket other" in run("show", "other", status=1)
