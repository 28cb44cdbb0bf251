"""Requests written byte by byte, signed by botocore: for what no client library would send.

What belongs here: signing, sending over a plain socket, reading one answer. No expectations.
"""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ANSWER_TIMEOUT_S = 20


@dataclass(frozen=True)
class Answer:
    """What came back. `code` is the S3 error code, or empty."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else ""


def exchange(url: str, data: bytes, half_close: bool = False) -> Answer | None:
    """Sends the bytes and reads one answer; None when the server closed without one."""
    at = urlsplit(url)
    assert at.hostname and at.port
    with socket.create_connection((at.hostname, at.port), timeout=ANSWER_TIMEOUT_S) as sock:
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may answer and close before it has read everything
        return read_answer(sock)


def read_answer(sock: socket.socket) -> Answer | None:
    """One answer with Content-Length, chunked, or up to the end of the connection."""
    got = b""
    try:
        while b"\r\n\r\n" not in got:
            piece = sock.recv(65536)
            if not piece:
                return None
            got += piece
        head, body = got.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        status = int(lines[0].split()[1])
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            piece = sock.recv(65536)
            if not piece:
                break
            body += piece
    except ConnectionResetError:
        return None
    return Answer(status, headers, body)


def signed(
    url: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    key: str,
    secret: str,
    payload_hash: str | None = None,
    length: int | None = None,
) -> bytes:
    """A whole signed request as bytes. `headers` are signed; `length` may lie about the body."""
    request = AWSRequest(method, url + path, data=body)
    for name, value in (headers or {}).items():
        request.headers[name] = value
    request.headers["Host"] = urlsplit(url).netloc
    digest = payload_hash or hashlib.sha256(body).hexdigest()
    signer = S3SigV4Auth(Credentials(key, secret), "s3", "us-east-1")
    signer.payload = lambda _: digest  # type: ignore[method-assign]
    signer.add_auth(request)
    sent = dict(request.headers.items())
    if body or length is not None or method in ("PUT", "POST"):
        sent.setdefault("Content-Length", str(len(body) if length is None else length))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return head.encode("latin-1") + b"\r\n" + body
