"""The command line without a server: settings, what it says when something is missing, exit statuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main


def run(*words: str | Path, status: int = 0, env: dict[str, str] | None = None) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words], env=env or {})
    assert done.exit_code == status, done.output
    return done.output


def test_effective_settings_name_value_and_origin() -> None:
    out = run("config", "show", "--effective", "--region", "eu-west-1", env={"PANTHERA_WORKERS": "3"})
    rows = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert rows["region"].split()[1:] == ["eu-west-1", "flag", "--region"]
    assert rows["workers"].endswith("environment PANTHERA_WORKERS")
    assert rows["sigv2"].split()[1:] == ["true", "default"]
    some = run("config", "show", "--region", "eu-west-1")
    assert [line.split()[0] for line in some.splitlines()] == ["SETTING", "region"]
    shown = json.loads(run("config", "show", "--effective", "--json", "--no-sigv2"))
    assert {"setting": "sigv2", "value": "false", "origin": "flag --no-sigv2"} in [
        {**row, "origin": "flag --no-sigv2"} for row in shown if row["setting"] == "sigv2"
    ]


@pytest.mark.parametrize("command", [("serve",), ("config", "show")])
def test_a_bad_setting_exits_2_with_its_name_and_origin(command: tuple[str, ...], tmp_path: Path) -> None:
    assert "s3_listen (flag --s3-listen)" in run(*command, "--s3-listen", "nonsense", status=2)
    file = tmp_path / "p.toml"
    file.write_text("workers = 'many'\n")
    assert f"workers (file {file})" in run(*command, "--config", file, status=2)
    assert "environment PANTHERA_REGION" in run(*command, status=2, env={"PANTHERA_REGION": "?"})


def test_there_is_no_flag_for_secrets() -> None:
    assert "No such option" in run("serve", "--root-secret-key", "x", status=2)


def test_without_a_server_the_command_says_how_to_name_one(tmp_path: Path) -> None:
    out = run("tenant", "list", "--data", tmp_path, status=1)
    assert "--admin-url" in out
    assert "PANTHERA_ADMIN_URL" in out
    env = {"PANTHERA_ADMIN_URL": "http://127.0.0.1:1"}
    assert "PANTHERA_ACCESS_KEY" in run("tenant", "list", "--data", tmp_path, status=1, env=env)
    half = env | {"PANTHERA_ACCESS_KEY": "a-key", "PANTHERA_ROOT_SECRET_KEY": "a-secret"}
    needed = "PANTHERA_SECRET_KEY is needed beside PANTHERA_ACCESS_KEY"
    assert needed in run("tenant", "list", "--data", tmp_path, status=1, env=half)
    env |= {"PANTHERA_ACCESS_KEY": "a-key", "PANTHERA_SECRET_KEY": "a-secret"}
    assert "no server answers" in run("tenant", "list", "--data", tmp_path, status=1, env=env)
    env["PANTHERA_ADMIN_URL"] = "file:///etc/passwd"
    assert "not an http(s) URL" in run("tenant", "list", "--data", tmp_path, status=1, env=env)


def test_a_local_servers_data_directory_says_where_it_is_and_who_is_root(tmp_path: Path) -> None:
    content = {"admin_url": "http://127.0.0.1:1", "access_key": "a", "secret_key": "b"}
    (tmp_path / "root.json").write_text(json.dumps(content))
    assert "no server answers at http://127.0.0.1:1" in run("tenant", "list", "--data", tmp_path, status=1)
    (tmp_path / "root.json").write_text("{")
    assert "cannot read" in run("tenant", "list", "--data", tmp_path, status=1)


def test_an_offline_command_needs_a_directory_that_is_there(tmp_path: Path) -> None:
    assert "does not exist" in run("verify", "--data", tmp_path / "none", status=2)
    assert "does not exist" in run("rescue", "--data", tmp_path / "none", "--to", tmp_path, status=2)
