"""The admin API as the command line speaks it.

Belongs here: finding the running server and its root credentials, one request, its answer or a message for people.
Does not belong here: what commands exist (`cli/`), what the API does (`admin/`).
"""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from gateway.config import admin_client
from gateway.errors import SettingError

ROOT_FILE: Final = "root.json"
"""In the data directory, mode 0600: admin address and root credentials of the server that owns it."""

TIMEOUT_S: Final = 60.0


class RemoteError(Exception):
    """Why the server could not be asked, or what it refused: a sentence for people. `problem` is all that it said."""

    def __init__(self, sentence: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.problem = problem or {}


@dataclass(frozen=True, slots=True)
class Remote:
    """A running server's admin API."""

    url: str
    access_key: str
    secret_key: str

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON. RemoteError with the server's own words otherwise."""
        token = base64.b64encode(f"{self.access_key}:{self.secret_key}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked in `find`
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise _refused(error) from error
        except (OSError, HTTPException, ValueError) as error:
            raise RemoteError(
                f"no server answers at {self.url}: {str(error).strip() or type(error).__name__}"
            ) from error
        try:
            return json.loads(content) if content else {}
        except ValueError as error:
            raise RemoteError(f"what answers at {self.url} is no admin API: {error}") from error


def _refused(error: urllib.error.HTTPError) -> RemoteError:
    try:
        problem = json.loads(error.read())
        return RemoteError(str(problem["detail"]), problem)
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return RemoteError(f"the server answered {error.code}")


def find(admin: str | None, data: Path) -> Remote:
    """The server to ask: `--admin-url`, else PANTHERA_ADMIN_URL, else what the local data directory says.

    The access key comes from the environment, else it is root's, from the data directory. RemoteError says what is
    missing.
    """
    try:
        url, access_key, secret_key = admin_client()
    except SettingError as error:
        raise RemoteError(str(error)) from error
    local = read_root_file(data)
    url = admin or url or local.get("admin_url")
    if url is None:
        raise RemoteError(f"which server? give --admin-url URL, set PANTHERA_ADMIN_URL, or start one on {data}")
    if not url.startswith(("http://", "https://")):
        raise RemoteError(f"{url} is not an http(s) URL")
    access_key = access_key or local.get("access_key")
    secret_key = secret_key or local.get("secret_key")
    if access_key is None or secret_key is None:
        raise RemoteError("an access key is needed: set PANTHERA_ACCESS_KEY and PANTHERA_SECRET_KEY")
    return Remote(url.rstrip("/"), access_key, secret_key)


def read_root_file(data: Path) -> dict[str, str]:
    """What the data directory says about its server; empty when it says nothing."""
    try:
        found = json.loads((data / ROOT_FILE).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RemoteError(f"cannot read {data / ROOT_FILE}: {error}") from error
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
