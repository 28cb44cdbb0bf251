"""A started server over HTTP and one over TLS for the whole session, and boto3 clients for them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from running import ROOT_KEY, ROOT_SECRET, Server, certificate, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over plain HTTP."""
    with running(tmp_path_factory.mktemp("http") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server over TLS and the file with its certificate."""
    home = tmp_path_factory.mktemp("tls")
    cert, key = certificate(home)
    with running(home / "data", "--tls-cert", cert, "--tls-key", key) as started:
        yield started, cert


@pytest.fixture(scope="session")
def make_client() -> Callable[..., Any]:
    """boto3's S3 client for a URL: stock defaults unless a test says otherwise."""

    def make(
        url: str, *, key: str = ROOT_KEY, secret: str = ROOT_SECRET, verify: Path | None = None, **config: Any
    ) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            verify=str(verify) if verify else None,
            config=Config(**({"retries": {"max_attempts": 0}} | config)),
        )

    return make


@pytest.fixture(scope="session")
def s3(server: Server, make_client: Callable[..., Any]) -> Any:
    """Root's client over HTTP."""
    return make_client(server.url)


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    """A fresh bucket over HTTP, emptied and removed afterwards."""
    name = f"t-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=name)
