"""Schemas over the admin API and the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from serving import Admin
from world import ROOT

from authz.schema import SOURCE_BYTES, compile_schema, default_source
from gateway.cli import main

SOURCE = "use default\ndefinition place {\n    relation auditor: user\n    permission audit = auditor - deny_all\n}\n"


@pytest.fixture
def here(admin: Admin) -> Admin:
    """User alice and bucket `photos` of `default`, tenant `other` with its administrator."""
    admin.world.accounts.add_user("default", "alice")
    admin.world.bucket("photos")
    admin.world.other()
    return admin


def run(here: Admin, *words: str, status: int = 0, stdin: str | None = None) -> str:
    env = {
        "PANTHERA_ADMIN_URL": here.url,
        "PANTHERA_ROOT_ACCESS_KEY": ROOT.access_key,
        "PANTHERA_ROOT_SECRET_KEY": ROOT.secret_key,
    }
    done = CliRunner().invoke(main, list(words), env=env, input=stdin)
    assert done.exit_code == status, done.output
    return done.output


def test_show_apply_and_show(here: Admin) -> None:
    status, found = here.ask("GET", "/v1/schema")
    assert (status, found["tenant"], found["built_in"], found["revision"]) == (200, "default", True, 0)
    assert found["source"] == default_source()
    status, dry = here.ask("PUT", "/v1/schema", {"source": SOURCE, "dry_run": True})
    assert (status, dry["added"], dry["dry_run"]) == (200, ["auditor"], True)
    assert here.ask("GET", "/v1/schema")[1]["built_in"]
    status, done = here.ask("PUT", "/v1/schema", {"source": SOURCE})
    assert (status, done["revision"]) == (200, 1)
    status, found = here.ask("GET", "/v1/schema?tenant=default")
    assert (found["source"], found["built_in"], found["permissions"][-1]) == (SOURCE, False, "audit")
    assert here.ask("GET", "/v1/schema?tenant=other")[1]["built_in"]
    asked = {"subject": "user:alice", "action": "audit", "resource": "s3://photos/a"}
    assert not here.ask("POST", "/v1/check", asked)[1]["allowed"]
    change = {"op": "touch", "subject": "user:alice", "relation": "auditor", "resource": "s3://photos"}
    assert here.ask("POST", "/v1/relations", {"changes": [change]})[0] == 200
    assert here.ask("POST", "/v1/check", asked)[1]["allowed"]


def test_a_wrong_schema_says_where_and_one_that_orphans_says_whom(here: Admin) -> None:
    status, problem = here.ask("PUT", "/v1/schema", {"source": "use default\ndefinition place { relation x }"})
    assert (status, problem["type"]) == (400, "/v1/problems/schema")
    assert (problem["line"], problem["column"]) == (2, 31)
    here.ask("PUT", "/v1/schema", {"source": SOURCE})
    change = {"op": "touch", "subject": "user:alice", "relation": "auditor", "resource": "s3://photos"}
    here.ask("POST", "/v1/relations", {"changes": [change]})
    status, problem = here.ask("PUT", "/v1/schema", {"source": "use default"})
    assert (status, problem["type"]) == (409, "/v1/problems/orphans")
    assert [one["subject"] for one in problem["relations"]] == ["user:alice"]
    assert here.ask("GET", "/v1/schema")[1]["source"] == SOURCE
    assert here.ask("GET", "/v1/schema?tenant=nobody")[0] == 404


def test_a_tenants_administrator_has_its_own_schema_and_no_revision(here: Admin) -> None:
    here.world.accounts.add_user("other", "chief", admin=True)
    made = here.world.accounts.add_key("other", "chief")
    key = (made["access_key"], made["secret_key"])
    status, done = here.ask("PUT", "/v1/schema", {"source": SOURCE}, key=key)
    assert (status, done["tenant"], "revision" in done) == (200, "other", False)
    status, found = here.ask("GET", "/v1/schema", key=key)
    assert (found["source"], "revision" in found) == (SOURCE, False)
    assert here.ask("GET", "/v1/schema?tenant=default", key=key)[0] == 404
    assert here.ask("PUT", "/v1/schema", {"source": SOURCE, "tenant": "default"}, key=key)[0] == 404
    assert here.ask("GET", "/v1/schema")[1]["built_in"]


def test_the_longest_source_passes_and_a_longer_one_is_told(here: Admin) -> None:
    longest = SOURCE + "/" * (SOURCE_BYTES - len(SOURCE))
    assert here.ask("PUT", "/v1/schema", {"source": longest, "dry_run": True})[0] == 200
    status, problem = here.ask("PUT", "/v1/schema", {"source": longest + "/", "dry_run": True})
    assert (status, problem["type"]) == (400, "/v1/problems/schema")


def test_the_command_line_shows_and_applies(here: Admin, tmp_path) -> None:
    assert run(here, "schema", "show") == default_source()
    file = tmp_path / "own.schema"
    file.write_text(SOURCE)
    assert run(here, "schema", "apply", str(file), "--dry-run") == (
        "the schema of default could be put in force\n+ auditor\n"
    )
    assert run(here, "schema", "apply", str(file)) == "the schema of default is in force\n+ auditor\n"
    assert run(here, "schema", "show") == SOURCE
    assert json.loads(run(here, "schema", "show", "--json", "--tenant", "other"))["built_in"]
    change = {"op": "touch", "subject": "user:alice", "relation": "auditor", "resource": "s3://photos"}
    here.ask("POST", "/v1/relations", {"changes": [change]})
    said = run(here, "schema", "apply", "-", status=1, stdin="use default")
    assert said.startswith("user:alice auditor s3://photos\npanthera: -: the schema has no place")
    said = run(here, "schema", "apply", "-", status=1, stdin="definition")
    assert "line 1, column 11: a type is missing" in said


TRIAL = """
schema_file: own.schema
relations:
  - user:alice auditor s3://photos/2024/
allowed:
  - user:alice audit s3://photos/2024/a
denied:
  - user:bob audit s3://photos/2024/a
"""


def test_a_model_is_tried_without_a_server(tmp_path) -> None:
    (tmp_path / "own.schema").write_text(SOURCE)
    file = tmp_path / "model.yaml"

    def tried(text: str) -> tuple[int, str]:
        file.write_text(text)
        done = CliRunner().invoke(main, ["schema", "test", str(file)], env={})
        return done.exit_code, done.output.replace(str(file), "FILE")

    assert tried(TRIAL) == (0, "FILE: 2 of 2 assertions hold\n")
    assert tried(TRIAL.replace("bob", "alice")) == (
        1,
        (
            "FILE: denied[0]: user:alice audit s3://photos/2024/a\n"
            "    - denied  (expected)\n"
            "    + allowed  (because user:alice has auditor on s3://photos/2024/)\n"
            "FILE: 1 of 2 assertions hold\n"
        ),
    )
    for text, words in [
        ("a: [", "expected the node content"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (TRIAL.replace("own.schema", "none.schema"), "there is no file"),
        (TRIAL + "schema: x", "give one of them"),
        (TRIAL.replace("allowed", "alowed"), "did you mean allowed?"),
        ("schema: definition", "line 1, column 11"),
    ]:
        status, said = tried(text)
        assert (status, words in said) == (2, True), said


def test_the_example_of_the_how_to_holds(tmp_path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "test-your-model.md").read_text()
    (tmp_path / "model.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    (tmp_path / "own.schema").write_text(SOURCE)
    done = CliRunner().invoke(main, ["schema", "test", str(tmp_path / "model.yaml")], env={})
    assert (done.exit_code, "6 of 6 assertions hold" in done.output) == (0, True), done.output


def test_the_example_of_the_reference_compiles() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "schema.md").read_text()
    assert compile_schema(page.split("```\n")[1]).warnings == ()
