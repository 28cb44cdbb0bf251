"""Settings: every source, their order, where each value came from, and what a bad one says."""

from pathlib import Path

import pytest

from gateway.config import SETTINGS, Config, admin_client, load, shown
from gateway.errors import SettingError

ROOT = Path(__file__).resolve().parents[2]


def bad(name: str, *, origin: str = "flag", flags: dict[str, object] | None = None, **more: object) -> SettingError:
    with pytest.raises(SettingError) as caught:
        load(flags, **{"environment": {}, **more})  # type: ignore[arg-type]
    assert caught.value.name == name
    assert origin in caught.value.origin
    assert caught.value.name in str(caught.value)
    return caught.value


def test_defaults_are_local_and_durable() -> None:
    config = load(environment={})
    assert config.s3_listen == ("127.0.0.1:9000",)
    assert config.admin_listen == "127.0.0.1:9001"
    assert config.sync
    assert config.data == Path("data")
    assert set(config.origins.values()) == {"default"}


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('region = "from-file"\ndata = "from-file"\nsigv2 = false\n')
    env = {"PANTHERA_REGION": "from-env", "PANTHERA_DATA": "from-env"}
    config = load({"data": "from-flag"}, config_file=file, environment=env)
    assert (str(config.data), config.region, config.sigv2) == ("from-flag", "from-env", False)
    assert config.origins["data"] == "flag --data"
    assert config.origins["region"] == "environment PANTHERA_REGION"
    assert config.origins["sigv2"] == f"file {file}"
    assert config.origins["domains"] == "default"


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("workers = 3\n")
    assert load(environment={"PANTHERA_CONFIG": str(tmp_path / "p.toml")}).workers == 3


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the-secret-itself\n")
    env = {"PANTHERA_ROOT_SECRET_KEY_FILE": str(secret), "PANTHERA_ROOT_ACCESS_KEY": "admin"}
    config = load(environment=env)
    assert config.root_secret_key == "the-secret-itself"
    rows = {name: (value, origin) for name, value, origin in shown(config)}
    assert rows["root_secret_key"][0] == "(hidden)"
    assert str(secret) in rows["root_secret_key"][1]
    assert "the-secret-itself" not in str(rows)
    assert rows["root_access_key"] == ("admin", "environment PANTHERA_ROOT_ACCESS_KEY")
    assert admin_client({**env, "PANTHERA_ADMIN_URL": "http://x"}) == ("http://x", "admin", "the-secret-itself")


def test_a_secret_given_twice_or_in_no_file_is_refused(tmp_path: Path) -> None:
    env = {"PANTHERA_ROOT_SECRET_KEY": "abcdefgh", "PANTHERA_ROOT_SECRET_KEY_FILE": str(tmp_path / "none")}
    bad("root_secret_key", origin="_FILE", environment=env)
    del env["PANTHERA_ROOT_SECRET_KEY"]
    bad("root_secret_key", origin="_FILE", environment=env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("s3_listen", ()),
        ("s3_listen", ("9000",)),
        ("s3_listen", ("host:65536",)),
        ("s3_listen", ("::1:9000",)),
        ("s3_listen", ("host:-1",)),
        ("admin_listen", "host:"),
        ("domains", ("UPPER case",)),
        ("domains", ("-x.org",)),
        ("trusted_proxies", ("10.0.0.0/33",)),
        ("region", "Us East"),
        ("bucket_namespace", "per-tenant"),
        ("workers", "-1"),
        ("workers", "1025"),
        ("workers", "²"),
        ("control_queue", 0),
        ("control_deadline_s", "0"),
        ("control_deadline_s", "nan"),
        ("control_deadline_s", "soon"),
        ("volume_bytes", "1MiB"),
        ("volume_bytes", "12 parsecs"),
        ("min_free_bytes", "-1"),
        ("sigv2", "maybe"),
        ("external_url", "ftp://x"),
        ("external_url", "https://x/path"),
        ("root_access_key", "a b"),
        ("data", ""),
        ("tls_cert", "/no/such/file"),
    ],
)
def test_a_bad_value_names_its_setting_and_its_origin(name: str, value: object) -> None:
    flags = {name: value} | ({"tls_key": "/no/such/file"} if name == "tls_cert" else {})
    bad(name, flags=flags)


def test_values_have_their_types_whatever_their_source(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(
        's3_listen = [":9000", "[::1]:0"]\nvolume_bytes = "1GiB"\nworkers = 2\ndomains = [".S3.example.org"]\n'
    )
    config = load(
        config_file=file, environment={"PANTHERA_TRUSTED_PROXIES": "10.0.0.1, ::1/128", "PANTHERA_SYNC": "off"}
    )
    assert config.s3_listen == ("0.0.0.0:9000", "[::1]:0")
    assert config.volume_bytes == 1 << 30
    assert config.domains == ("s3.example.org",)
    assert config.trusted_proxies == ("10.0.0.1/32", "::1/128")
    assert config.sync is False


def test_a_file_with_an_unknown_setting_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text("regoin = 'x'\n")
    bad("regoin", origin=str(file), config_file=file)
    file.write_text("region = \n")
    bad("config", origin=str(file), config_file=file)
    file.write_text("workers = true\n")
    bad("workers", origin=str(file), config_file=file)
    bad("config", origin="none.toml", config_file=tmp_path / "none.toml")


def test_unknown_variables_are_other_peoples() -> None:
    load(environment={"PANTHERA_PORT": "tcp://10.0.0.1:9000", "PANTHERA_SERVICE_HOST": "x"})


def test_settings_that_belong_together() -> None:
    bad("tls_key", origin="default", flags={"tls_cert": __file__})
    bad("tls_cert", origin="default", flags={"tls_key": __file__})
    bad("root_secret_key", origin="default", environment={"PANTHERA_ROOT_ACCESS_KEY": "admin"})


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*.toml")), ids=lambda file: file.name)
def test_every_example_is_a_configuration(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    assert isinstance(load(config_file=file, environment={}), Config)


def test_every_setting_says_what_it_means() -> None:
    assert all(setting.meaning.endswith(".") for setting in SETTINGS)
    assert all(setting.flag.startswith("--") and setting.variable.startswith("PANTHERA_") for setting in SETTINGS)
