"""Configuration: the only reader of configuration files and of the environment.

Belongs here: every setting once, with its parser, default and meaning; where each value came from. Does not belong
here: acting on settings (`boot.py`). Order: flag, then environment, then file, then default. `PANTHERA_X_FILE` names
a file whose content is the value of X, for secrets that must not stand in an environment.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from gateway.errors import SettingError
from gateway.limits import ACCESS_KEY_MAX, ACCESS_KEY_MIN, SECRET_KEY_MAX, SECRET_KEY_MIN

PREFIX: Final = "PANTHERA_"
DEFAULT: Final = "default"

_UNITS: Final = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SIZE: Final = re.compile(r"(\d+)\s*([KMGT]iB)?\Z", re.IGNORECASE)
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?\Z"
)
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}\Z")
_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9._-]+\Z")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("a text is needed")
    return value


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if isinstance(value, str) and (found := known.get(value.lower())) is not None:
        return found
    raise ValueError("true or false is needed")


def _between(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high} is needed")
        return number

    return parse


def _seconds(value: object) -> float:
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else 0.0
    except ValueError:
        number = 0.0
    if not 0 < number <= 86_400:
        raise ValueError("seconds are needed, more than 0 and at most 86400")
    return number


def _size(low: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number: object = value
        if isinstance(value, str) and (match := _SIZE.match(value.strip())):
            number = int(match[1]) * _UNITS[(match[2] or "").upper()]
        if isinstance(number, bool) or not isinstance(number, int) or number < low:
            raise ValueError(f"bytes are needed, at least {low}; KiB, MiB, GiB and TiB may follow the number")
        return number

    return parse


def _listed(one: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    """A list: in TOML an array, elsewhere separated by commas."""

    def parse(value: object) -> tuple[str, ...]:
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise ValueError("a list is needed")  # noqa: TRY004 - every refusal of a value is a ValueError
        return tuple(one(part) for part in parts if part != "")

    return parse


def _address(value: object) -> str:
    """`host:port`, `[v6]:port`, or `:port` for every interface."""
    host, colon, port = _text(value).rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535 or (":" in host and host[:1] != "["):
        raise ValueError("HOST:PORT is needed, an IPv6 host in brackets")
    return f"{host or '0.0.0.0'}:{port}"  # noqa: S104 - only when somebody asked for every interface


def _addresses(value: object) -> tuple[str, ...]:
    found = _listed(_address)(value)
    if not found:
        raise ValueError("at least one address is needed")
    return found


def _domain(value: object) -> str:
    name = _text(value).lower().removeprefix(".")
    if not _DOMAIN.match(name):
        raise ValueError(f"{name!r} is not a domain")
    return name


def _network(value: object) -> str:
    return str(ipaddress.ip_network(_text(value), strict=False))


def _region(value: object) -> str:
    if not _REGION.match(name := _text(value)):
        raise ValueError("a region is lower-case letters, digits and hyphens")
    return name


def _namespace(value: object) -> str:
    if _text(value) != "global":
        raise ValueError("only 'global' exists: bucket names are unique across tenants")
    return "global"


def _ownership(value: object) -> str:
    if (word := _text(value)) not in (known := ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")):
        raise ValueError(f"one of {', '.join(known)} is needed")
    return word


def _on_failure(value: object) -> str:
    if (word := _text(value)) not in ("deny", "continue"):
        raise ValueError("deny or continue is needed")
    return word


def _url(value: object) -> str:
    url = _text(value).rstrip("/")
    if not url.startswith(("http://", "https://")) or "?" in url or "#" in url or url.count("/") != 2:
        raise ValueError("http://HOST[:PORT] or https://HOST[:PORT] is needed")
    return url


def _access_key(value: object) -> str:
    key = _text(value).strip()
    if not ACCESS_KEY_MIN <= len(key) <= ACCESS_KEY_MAX or not _ACCESS_KEY.match(key):
        raise ValueError(f"{ACCESS_KEY_MIN} to {ACCESS_KEY_MAX} letters, digits, dots, hyphens, underscores are needed")
    return key


def _secret_key(value: object) -> str:
    key = value.strip() if isinstance(value, str) else ""
    if not SECRET_KEY_MIN <= len(key) <= SECRET_KEY_MAX or not (key.isascii() and key.isprintable()):
        raise ValueError(f"{SECRET_KEY_MIN} to {SECRET_KEY_MAX} printable ASCII characters are needed")
    return key


def _setting(default: object, parse: Callable[[object], Any], meaning: str, *, secret: bool = False) -> Any:  # noqa: ANN401 - a dataclass field takes its field's type
    return field(default=default, metadata={"parse": parse, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, parsed. `origins` says for each name where its value came from."""

    data: Path = _setting(Path("data"), _path, "The data directory. One process owns it.")
    s3_listen: tuple[str, ...] = _setting(
        ("127.0.0.1:9000",), _addresses, "Addresses of the S3 port; `:9000` is every interface, port 0 a free port."
    )
    admin_listen: str = _setting("127.0.0.1:9001", _address, "Address of health, metrics and the admin API; no TLS.")
    tls_cert: Path | None = _setting(None, _path, "Certificate chain (PEM). With it, the S3 port speaks TLS only.")
    tls_key: Path | None = _setting(None, _path, "Private key of `tls_cert` (PEM).")
    domains: tuple[str, ...] = _setting(
        (), _listed(_domain), "Domains under which `bucket.DOMAIN` addresses a bucket; path style always works."
    )
    external_url: str | None = _setting(
        None,
        _url,
        "The S3 endpoint as clients see it, `https://host[:port]`; what trusted proxies stand for unless they say.",
    )
    region: str = _setting("us-east-1", _region, "Region of new buckets. In us-east-1 recreating an own bucket is 200.")
    pin_region: bool = _setting(False, _flag, "Refuse signatures that name another region.")
    bucket_namespace: str = _setting("global", _namespace, "How bucket names are unique. Only `global` for now.")
    default_object_ownership: str = _setting(
        "BucketOwnerEnforced",
        _ownership,
        "Who owns the objects of a new bucket that does not say: `BucketOwnerEnforced` (no ACLs),"
        " `BucketOwnerPreferred` or `ObjectWriter`.",
    )
    sigv2: bool = _setting(True, _flag, "Accept signature version 2; boto3 presigns with it by default.")
    trusted_proxies: tuple[str, ...] = _setting(
        (), _listed(_network), "Networks whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )
    access_log: Path | None = _setting(None, _path, "File that gets one line for each request, in Amazon's log format.")
    workers: int = _setting(0, _between(0, 1024), "Threads of the data plane; 0: one for each processor.")
    control_queue: int = _setting(256, _between(1, 65_536), "Control requests that may wait; more answer SlowDown.")
    control_deadline_s: float = _setting(
        30.0, _seconds, "A control request is answered by then, if only with an error."
    )
    connections_per_address: int = _setting(4096, _between(1, 1 << 20), "Open connections of one client address.")
    header_timeout_s: float = _setting(30.0, _seconds, "Time for a request's head to arrive.")
    idle_timeout_s: float = _setting(75.0, _seconds, "Time a connection may wait for its next request.")
    body_timeout_s: float = _setting(60.0, _seconds, "Time between two pieces of a body.")
    drain_timeout_s: float = _setting(30.0, _seconds, "Time running requests get after SIGTERM.")
    volume_bytes: int = _setting(8 << 30, _size(64 << 20), "Size at which a volume file is closed and the next begun.")
    min_free_bytes: int = _setting(
        256 << 20, _size(0), "Writes are refused when the disk has less left; reads and deletes go on."
    )
    audit_max_bytes: int = _setting(
        8 << 30, _size(0), "Size at which the audit log is full; its last tenth is for changes of rights. 0: no limit."
    )
    audit_tenant_bytes: int = _setting(
        2 << 30,
        _size(0),
        "The same of one tenant's audit log, whatever the others have. 0: no limit.",
    )
    audit_keep_days: int = _setting(
        365, _between(0, 36_500), "Days after which audit entries are removed by themselves. 0: never."
    )
    audit_on_failure: str = _setting(
        "deny", _on_failure, "`deny` refuses what cannot be written to the audit log; `continue` counts what was lost."
    )
    audit_anonymous: bool = _setting(False, _flag, "Write down decisions about unsigned requests, too.")
    authz_caches: bool = _setting(
        True, _flag, "Keep what authorization found between requests. Off, it is slower and answers alike."
    )
    sync: bool = _setting(True, _flag, "Answer writes when they are on the disk. Off loses data on power failure.")
    root_access_key: str | None = _setting(None, _access_key, "Access key of the root user; generated when unset.")
    root_secret_key: str | None = _setting(None, _secret_key, "Secret of the root user.", secret=True)
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as documentation and the command line need it."""

    name: str
    meaning: str
    default: object
    secret: bool
    many: bool

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name.upper()


_FIELDS: Final = {item.name: item for item in fields(Config) if item.name != "origins"}

SETTINGS: Final = tuple(
    Setting(name, item.metadata["meaning"], item.default, item.metadata["secret"], isinstance(item.default, tuple))
    for name, item in _FIELDS.items()
)


def load(
    flags: Mapping[str, object] | None = None,
    *,
    config_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The configuration from all sources. `flags` holds only what was given. SettingError names what is wrong."""
    env = os.environ if environment is None else environment
    if config_file is None and (named := env.get(PREFIX + "CONFIG")):
        config_file = Path(named)
    raw: dict[str, tuple[object, str]] = {}
    if config_file is not None:
        raw.update(_from_file(config_file))
    raw.update(_from_environment(env))
    for name, value in (flags or {}).items():
        raw[name] = (value, f"flag --{name.replace('_', '-')}")
    values: dict[str, object] = {}
    origins = dict.fromkeys(_FIELDS, DEFAULT)
    for name, (value, origin) in raw.items():
        try:
            values[name] = _FIELDS[name].metadata["parse"](value)
        except ValueError as error:
            raise SettingError(name, origin, str(error)) from error
        origins[name] = origin
    config = Config(**values, origins=origins)  # type: ignore[arg-type]  # each value went through its own parser
    _check_together(config)
    return config


def _from_file(path: Path) -> dict[str, tuple[object, str]]:
    origin = f"file {path}"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingError("config", origin, error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError("config", origin, f"not TOML: {error}") from error
    for name in table:
        if name not in _FIELDS:
            raise SettingError(name, origin, "there is no such setting")
    return {name: (value, origin) for name, value in table.items()}


def _from_environment(env: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    """Variables of other names are let be: orchestrators invent PANTHERA_PORT and the like for a service's name."""
    return _read_variables(env, _FIELDS)


def _read_variables(env: Mapping[str, str], names: Iterable[str]) -> dict[str, tuple[object, str]]:
    """Values with where they stood: in `PANTHERA_NAME`, or in the file that `PANTHERA_NAME_FILE` names."""
    found: dict[str, tuple[object, str]] = {}
    for name in names:
        variable = PREFIX + name.upper()
        if (value := env.get(variable)) is not None:
            found[name] = (value, f"environment {variable}")
        if (file := env.get(variable + "_FILE")) is None:
            continue
        origin = f"file {file}, named by {variable}_FILE"
        if name in found:
            raise SettingError(name, origin, f"{variable} is set too")
        try:
            found[name] = (Path(file).read_text("utf-8").strip(), origin)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(name, origin, str(error)) from error
    return found


def _check_together(config: Config) -> None:
    """What only shows when settings are seen together, and files that must exist."""
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        path: Path | None = getattr(config, one)
        if path is not None and getattr(config, other) is None:
            raise SettingError(other, config.origins[other], f"needed beside {one}")
        if path is not None and not path.is_file():
            raise SettingError(one, config.origins[one], f"{path} is not a file")
    for one, other in (("root_access_key", "root_secret_key"), ("root_secret_key", "root_access_key")):
        if getattr(config, one) is not None and getattr(config, other) is None:
            raise SettingError(other, config.origins[other], f"needed beside {one}")


def admin_client(environment: Mapping[str, str] | None = None) -> tuple[str | None, str | None, str | None]:
    """What commands that ask a server read: admin URL, access key, secret key, each None when unset.

    The key is PANTHERA_ACCESS_KEY and PANTHERA_SECRET_KEY, whosever it is; where neither is set, the server's own
    PANTHERA_ROOT_ACCESS_KEY and PANTHERA_ROOT_SECRET_KEY. SettingError for half a key: two halves of two keys are none.
    """
    env = os.environ if environment is None else environment
    own = _read_variables(env, ("access_key", "secret_key"))
    found = own or _from_environment(env)
    access_key, secret_key = (found.get(name if own else f"root_{name}") for name in ("access_key", "secret_key"))
    if own and (access_key is None or secret_key is None):
        given, missing = ("access_key", "secret_key") if secret_key is None else ("secret_key", "access_key")
        words = f"{PREFIX}{missing.upper()} is needed beside {PREFIX}{given.upper()}"
        raise SettingError(missing, "environment", words)

    def shown(value: tuple[object, str] | None) -> str | None:
        return None if value is None else str(value[0])

    return env.get(PREFIX + "ADMIN_URL"), shown(access_key), shown(secret_key)


def shown(config: Config) -> list[tuple[str, str, str]]:
    """Name, value and origin of every setting, secrets hidden: what `panthera config show --effective` prints."""
    rows = []
    for setting in SETTINGS:
        value = getattr(config, setting.name)
        if setting.secret and value is not None:
            text = "(hidden)"
        elif isinstance(value, tuple):
            text = ", ".join(value)
        elif isinstance(value, bool):
            text = "true" if value else "false"
        else:
            text = "" if value is None else str(value)
        rows.append((setting.name, text, config.origins[setting.name]))
    return rows
