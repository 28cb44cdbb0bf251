"""The composition root: configuration -> stores -> core -> handlers and admin API -> ready. The only file that opens
anything.

Belongs here: the order of starting and stopping. Does not belong here: reading settings (`config.py`), deciding
anything about requests. Order: the data directory is locked and opened, the first tenant and the root user exist, the
control loop runs, then the ports accept; stopping goes the other way.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn

from authz.api import Relations
from authz.whole import WholeDecision
from gateway.accounts.accounts import Accounts, RootKey
from gateway.accounts.forgetting import Forgetting
from gateway.accounts.groups import GROUP, ROLE, Groups
from gateway.accounts.identity import Identities, recompile_identities
from gateway.admin.app import AdminServices, admin_app
from gateway.auditing import AuditedStore
from gateway.bucket_settings import BucketSettings
from gateway.config import Config
from gateway.dispatch import Dispatcher
from gateway.errors import SettingError
from gateway.knowing import knowing
from gateway.log_trimming import keep_log_short
from gateway.model import Place
from gateway.ops.grants import OWNERSHIPS
from gateway.ops.policy import recompile
from gateway.ops.table import ACTIONS, HANDLERS, core_rows
from gateway.remote import ROOT_FILE, read_root_file
from gateway.sharing.mounts import Mounts
from gateway.sharing.shares import Shares
from storage.native import ConfigError, Core, StoreError, generate_key

_log: Final = logging.getLogger("panthera")
_data_plane_log: Final = logging.getLogger("panthera.data")

_DAY_US: Final = 86_400_000_000

ADMIN_BACKLOG: Final = 64
"""Connections waiting on the admin port: people and scrapers."""


class StartError(Exception):
    """Why the server did not start; `status` is what the process exits with (2: another process owns the data)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def serve(config: Config, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT. `say` gets the lines for standard output. SettingError, StartError."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    core = _open(config)
    try:
        asyncio.run(_run(config, core, say))
    finally:
        # After a clean stop this is a second, empty drain; after a failed start it closes the stores.
        core.drain(config.drain_timeout_s)


def _open(config: Config) -> Core:
    try:
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Core(
            str(config.data),
            min_free_bytes=config.min_free_bytes,
            volume_bytes=config.volume_bytes,
            sync=config.sync,
            audit=(
                config.audit_max_bytes,
                config.audit_tenant_bytes,
                config.audit_keep_days * _DAY_US,
                config.audit_on_failure == "deny",
                config.audit_anonymous,
            ),
            caches=config.authz_caches,
        )
    except OSError as error:
        raise SettingError("data", config.origins["data"], str(error)) from error
    except ConfigError as error:
        raise SettingError("data", config.origins["data"], str(error)) from error
    except StoreError as error:
        raise StartError(str(error), 2 if "pid" in str(error) else 1) from error


async def _run(config: Config, core: Core, say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, _reload_tls, config, core))
    store = AuditedStore(core)
    accounts = Accounts(store, clock_us=_clock_us, entropy=generate_key)
    root, first_start = _root(config, accounts)
    if recompiled := recompile(core):
        _log.info("compiled %s bucket policies again for this version", recompiled)
    if recompiled := recompile_identities(core):
        _log.info("compiled the policies of %s identities again for this version", recompiled)
    services = _admin_services(core, store, accounts, lambda: not stop.is_set())
    dispatcher = Dispatcher(loop, HANDLERS, store, _place(config), services.forgetting, knowing(core))
    with _admin_socket(config) as admin_socket:
        admin_url = "http://{}:{}".format(*_named(admin_socket))
        bound = _listen(config, core, dispatcher)
        server = uvicorn.Server(_uvicorn_config(services))
        admin = asyncio.create_task(_serve_admin(server, admin_socket))
        scheme = "https" if config.tls_cert else "http"
        endpoints = [f"{scheme}://{address}" for address in bound]
        _keep_root_file(config.data / ROOT_FILE, root, admin_url, first_start=first_start)
        if first_start:
            _greet(say, root, config.external_url or endpoints[0], config.region)
        say(f"ready {' '.join(endpoints)} admin {admin_url}")
        with contextlib.suppress(OSError, AttributeError):
            sys.stdout.flush()
        stopping = asyncio.create_task(stop.wait())
        trimming = asyncio.create_task(keep_log_short(services.relations.engine, _clock_us))
        await asyncio.wait({stopping, admin}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        trimming.cancel()
        _log.info("draining")
        clean = await asyncio.to_thread(core.drain, config.drain_timeout_s)
        await dispatcher.close()
        server.should_exit = True
        await admin
    if not clean:
        _log.warning("some requests did not end within %s s", config.drain_timeout_s)


def _place(config: Config) -> Place:
    return Place(region=config.region, ownership=OWNERSHIPS[config.default_object_ownership])


def _admin_services(core: Core, store: AuditedStore, accounts: Accounts, ready: Callable[[], bool]) -> AdminServices:
    whole = WholeDecision(core, core)
    relations = Relations(core.relations(), core, clock_us=_clock_us, actions=ACTIONS, whole=whole)
    return AdminServices(
        core=core,
        store=store,
        accounts=accounts,
        relations=relations,
        groups=Groups(GROUP, store, relations, _clock_us),
        roles=Groups(ROLE, store, relations, _clock_us),
        identities=Identities(store, _clock_us),
        forgetting=Forgetting(relations.engine, _clock_us),
        settings=BucketSettings(store),
        shares=Shares(store, relations.engine, _clock_us, generate_key),
        mounts=Mounts(store, relations.engine, _clock_us, core.share_password),
        ready=ready,
        clock_us=_clock_us,
    )


def _clock_us() -> int:
    return time.time_ns() // 1000


def _listen(config: Config, core: Core, dispatcher: Dispatcher) -> list[str]:
    """Starts the S3 port; a refusal names the setting it is about."""
    try:
        return core.serve(
            listen=config.s3_listen,
            rows=core_rows(),
            dispatch=dispatcher.dispatch,
            complain=_data_plane_log.error,
            domains=config.domains,
            region=config.region,
            pinned_region=config.region if config.pin_region else None,
            external_url=config.external_url,
            tls_cert=None if config.tls_cert is None else str(config.tls_cert),
            tls_key=None if config.tls_key is None else str(config.tls_key),
            trusted_proxies=config.trusted_proxies,
            sigv2=config.sigv2,
            access_log=None if config.access_log is None else str(config.access_log),
            workers=config.workers,
            control_queue=config.control_queue,
            control_deadline_s=config.control_deadline_s,
            connections_per_address=config.connections_per_address,
            header_timeout_s=config.header_timeout_s,
            idle_timeout_s=config.idle_timeout_s,
            body_timeout_s=config.body_timeout_s,
        )
    except (ConfigError, OSError) as error:
        name = _blamed(config, str(error))
        raise SettingError(name, config.origins[name], str(error)) from error


def _reload_tls(config: Config, core: Core) -> None:
    """SIGHUP: the certificate files are read again; a bad one is logged and the one before stays."""
    if config.tls_cert is None:
        return
    try:
        core.reload_tls()
    except (ConfigError, OSError) as error:
        _log.error("the certificate was not changed: %s", error)
    else:
        _log.info("the certificate was read again")


def _blamed(config: Config, message: str) -> str:
    """The setting a refusal of the core is about: the one whose value it quotes, else the one whose name it says."""
    for name in ("tls_cert", "tls_key", "access_log", "domains", "trusted_proxies", "external_url", "s3_listen"):
        value = getattr(config, name)
        if any(str(one) in message for one in (value if isinstance(value, tuple) else (value,)) if one):
            return name
    return next((name for name in ("tls_cert", "domains", "trusted_proxies") if name in message), "s3_listen")


def _admin_socket(config: Config) -> socket.socket:
    host, _, port = config.admin_listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, int(port)))
        bound.listen(ADMIN_BACKLOG)
        bound.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    except OSError as error:
        bound.close()
        raise SettingError("admin_listen", config.origins["admin_listen"], str(error)) from error
    return bound


def _named(bound: socket.socket) -> tuple[str, int]:
    host, port = bound.getsockname()[:2]
    return (f"[{host}]" if ":" in host else host), port


def _uvicorn_config(services: AdminServices) -> uvicorn.Config:
    return uvicorn.Config(
        admin_app(services), lifespan="off", log_config=None, access_log=False, server_header=False, ws="none"
    )


async def _serve_admin(server: uvicorn.Server, bound: socket.socket) -> None:
    """Runs uvicorn on our socket and our loop, without its signal handlers: signals are ours."""
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    await server.serve(sockets=[bound])


def _root(config: Config, accounts: Accounts) -> tuple[RootKey, bool]:
    """The root credentials, made sure of; True when they were generated just now.

    Settings win; else what the data directory says, else what the store says, else new ones.
    """
    kept = read_root_file(config.data)
    if config.root_access_key is not None and config.root_secret_key is not None:
        key, fresh = RootKey(config.root_access_key, config.root_secret_key), False
    elif (stored := accounts.root_key(kept.get("access_key"))) is not None:
        key, fresh = stored, False
    else:
        key, fresh = accounts.new_key(), True
    accounts.bootstrap(key, replaces=kept.get("access_key"))
    return key, fresh


def _keep_root_file(path: Path, key: RootKey, admin_url: str, *, first_start: bool) -> None:
    """Writes what the commands of this machine need. Only a first start needs it: a full disk must not stop another."""
    content = {"admin_url": admin_url, "access_key": key.access_key, "secret_key": key.secret_key}
    text = json.dumps(content, indent=2)
    try:
        if path.is_file() and path.read_text("utf-8") == text:
            return
        _write_private(path, text)
    except OSError as error:
        if first_start:
            raise StartError(f"cannot write {path}: {error}", 1) from error
        _log.warning("cannot write %s (%s): commands on this machine need --admin-url and credentials", path, error)


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, readable by the owner only."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _greet(say: Callable[[str], None], key: RootKey, endpoint: str, region: str) -> None:
    """What a new user needs, once."""
    say(f"root credentials, shown once: access key {key.access_key}  secret key {key.secret_key}")
    say("try:")
    say(
        f"  AWS_ACCESS_KEY_ID={key.access_key} AWS_SECRET_ACCESS_KEY={key.secret_key} AWS_DEFAULT_REGION={region}"
        f" aws --endpoint-url {endpoint} s3 mb s3://first"
    )
