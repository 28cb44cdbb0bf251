"""Makes tests/vectors/sigv4/*.json: requests signed by botocore, and AWS's published examples.

Belongs here: the independent signer that the Rust verifier (rust/crates/wire) is tested against. Run it with any
Python that has botocore: `python tests/vectors/make_sigv4.py`. The output is committed; running it again gives the
same bytes.
"""

from __future__ import annotations

import base64
import calendar
import datetime as dt
import email.utils
import hashlib
import hmac
import json
import pathlib
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HERE = pathlib.Path(__file__).parent / "sigv4"
ACCESS_KEY = "AKIAPANTHERA/WITHSLASH"
SECRET_KEY = "secret/with+odd=chars"
TOKEN = "session//token+=="
REGION = "eu-central-1"
NOW = dt.datetime(2026, 11, 21, 7, 0, 0, tzinfo=dt.UTC)
CHUNK = 256
EMPTY = hashlib.sha256(b"").hexdigest()

Vector = dict[str, Any]


def pieces(*parts: tuple[bytes, int]) -> list[list[Any]]:
    """Bytes as repeated pieces, so that the examples with 64 KiB chunks stay small."""
    return [[base64.b64encode(part).decode(), times] for part, times in parts]


def frozen() -> Any:
    """botocore with its clocks stopped at NOW."""
    stamp = calendar.timegm(NOW.timetuple())
    return mock.patch.multiple(
        botocore.auth,
        get_current_datetime=lambda *_, **__: NOW.replace(tzinfo=None),
        formatdate=lambda usegmt=True: email.utils.formatdate(stamp, usegmt=True),
        time=mock.Mock(time=lambda: stamp),
    )


class PayloadAuth(botocore.auth.S3SigV4Auth):
    """The signer of headers with a payload word of our choice."""

    word = "UNSIGNED-PAYLOAD"

    def payload(self, request: AWSRequest) -> str:
        return self.word


def vector(name: str, request: AWSRequest, body: str, **more: Any) -> Vector:
    """What the Rust test reads: the request as it goes over the wire, and what must come out."""
    split = urlsplit(request.url)
    headers = [[key, value] for key, value in request.headers.items()]
    if not any(key.lower() == "host" for key, _ in headers):
        headers.append(["host", split.netloc])
    base = {
        "name": name,
        "method": request.method,
        "path": split.path,
        "query": split.query,
        "headers": headers,
        "vhost_bucket": None,
        "now_secs": calendar.timegm(NOW.timetuple()),
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "token": None,
        "region": REGION,
        "version": 4,
        "presigned": False,
        "body": body,
    }
    return base | more


CASES: list[tuple[str, str, str, dict[str, str]]] = [
    ("get", "GET", "/bucket/key", {}),
    ("root", "GET", "/", {}),
    ("list", "GET", "/bucket?list-type=2&prefix=a%2Fb&delimiter=%2F&encoding-type=url", {}),
    ("subresource", "GET", "/bucket?versioning", {}),
    ("empty-values", "GET", "/bucket?x-id=ListParts&prefix=&acl=", {}),
    ("repeated", "GET", "/bucket?b=2&b=1&a=%20~&a-b=x", {}),
    ("odd-key", "PUT", "/bucket/a%20b/%2B%3D%26/%E2%98%83//../x", {"Content-Type": "text/plain; charset=utf-8"}),
    ("port", "GET", "/bucket/key", {"Host": "localhost:9000"}),
    ("spaces", "PUT", "/bucket/key", {"x-amz-meta-a": "  two   words\t here ", "x-amz-meta-empty": ""}),
    ("checksum", "PUT", "/bucket/key", {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}),
    ("agent", "GET", "/bucket/key", {"User-Agent": "x/1.0", "Expect": "100-continue"}),
]


def request_of(method: str, target: str, headers: dict[str, str], data: bytes = b"") -> AWSRequest:
    host = headers.get("Host", "s3.example.com")
    return AWSRequest(method=method, url=f"http://{host}{target}", headers=dict(headers), data=data)


def header_vectors() -> list[Vector]:
    out = []
    for name, method, target, headers in CASES:
        for payload in ("UNSIGNED-PAYLOAD", hashlib.sha256(b"hello").hexdigest()):
            for token in (None, TOKEN):
                auth = PayloadAuth(Credentials(ACCESS_KEY, SECRET_KEY, token), "s3", REGION)
                auth.word = payload
                request = request_of(method, target, headers)
                auth.add_auth(request)
                label = f"header-{name}-{payload[:4]}{'-token' if token else ''}"
                body = "unsigned" if payload.startswith("UN") else payload
                out.append(vector(label, request, body, token=token))
    return out


def presigned_vectors() -> list[Vector]:
    out = []
    for name, method, target, headers in CASES:
        for token in (None, TOKEN):
            auth = botocore.auth.S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY, token), "s3", REGION, expires=600)
            request = request_of(method, target, headers)
            auth.add_auth(request)
            label = f"presigned-{name}{'-token' if token else ''}"
            out.append(vector(label, request, "unsigned", token=token, presigned=True))
    return out


def v2_vectors() -> list[Vector]:
    out = []
    for name, method, target, headers in CASES:
        for token in (None, TOKEN):
            credentials = Credentials(ACCESS_KEY, SECRET_KEY, token)
            request = request_of(method, target, headers)
            request.auth_path = None
            if token:
                request.headers["x-amz-security-token"] = token
            botocore.auth.HmacV1Auth(credentials).add_auth(request)
            label = f"{name}{'-token' if token else ''}"
            out.append(vector(f"v2-header-{label}", request, "unsigned", token=token, version=2))
            request = request_of(method, target, headers)
            request.auth_path = None
            if token:
                request.headers["x-amz-security-token"] = token
            botocore.auth.HmacV1QueryAuth(credentials, expires=600).add_auth(request)
            # What moved into the query need not be sent as a header again.
            for gone in [key for key in request.headers if key.lower() != "host"]:
                del request.headers[gone]
            out.append(vector(f"v2-query-{label}", request, "unsigned", token=token, version=2, presigned=True))
    request = request_of("GET", "/key?uploadId=a%2Fb&partNumber=3", {"Host": "bucket.s3.example.com"})
    request.auth_path = "/bucket/key"
    botocore.auth.HmacV1Auth(Credentials(ACCESS_KEY, SECRET_KEY)).add_auth(request)
    out.append(vector("v2-header-vhost", request, "unsigned", version=2, vhost_bucket="bucket"))
    return out


def chunk_line(auth: PayloadAuth, request: AWSRequest, kind: str, previous: str, tail: list[str]) -> str:
    """One link of the chain of signatures; the key derivation is botocore's."""
    lines = [kind, request.context["timestamp"], auth.credential_scope(request), previous, *tail]
    return auth.signature("\n".join(lines), request)


def chunked_vectors() -> list[Vector]:
    out = []
    data = bytes(i * 7 % 251 for i in range(3 * CHUNK + 77))
    for word in (
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ):
        for content in (data, b""):
            auth = PayloadAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
            auth.word = word
            headers = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(content))}
            trailer = word.endswith("TRAILER")
            if trailer:
                headers["x-amz-trailer"] = "x-amz-checksum-crc32c"
            request = request_of("PUT", "/bucket/key", headers)
            auth.add_auth(request)
            previous = request.headers["Authorization"].rsplit("Signature=", 1)[1]
            signed = "AWS4" in word
            body = b""
            for at in [*range(0, len(content), CHUNK), len(content)]:
                chunk = content[at : at + CHUNK]
                line = f"{len(chunk):x}"
                if signed:
                    tail = [EMPTY, hashlib.sha256(chunk).hexdigest()]
                    previous = chunk_line(auth, request, "AWS4-HMAC-SHA256-PAYLOAD", previous, tail)
                    line += f";chunk-signature={previous}"
                body += line.encode() + b"\r\n" + chunk + (b"\r\n" if chunk else b"")
            if trailer:
                body += b"x-amz-checksum-crc32c:AAAAAA==\r\n"
            if trailer and signed:
                digest = hashlib.sha256(b"x-amz-checksum-crc32c:AAAAAA==\n").hexdigest()
                signature = chunk_line(auth, request, "AWS4-HMAC-SHA256-TRAILER", previous, [digest])
                body += f"x-amz-trailer-signature:{signature}\r\n".encode()
            body += b"\r\n"
            more = {
                "wire": pieces((body, 1)),
                "content": pieces((content, 1)),
                "trailers": [["x-amz-checksum-crc32c", "AAAAAA=="]] if trailer else [],
            }
            out.append(vector(f"{word}-{len(content)}", request, "chunked", **more))
    return out


def post_vectors() -> list[Vector]:
    out = []
    for token in (None, TOKEN):
        auth = botocore.auth.S3SigV4PostAuth(Credentials(ACCESS_KEY, SECRET_KEY, token), "s3", REGION)
        request = request_of("POST", "/bucket", {})
        request.context["s3-presign-post-fields"] = {"key": "user/${filename}", "acl": "private"}
        conditions = [{"bucket": "bucket"}, ["starts-with", "$key", "user/"], {"acl": "private"}]
        request.context["s3-presign-post-policy"] = {"expiration": "2026-11-21T08:00:00Z", "conditions": conditions}
        auth.add_auth(request)
        fields = request.context["s3-presign-post-fields"]
        out.append(
            {
                "name": f"post-v4{'-token' if token else ''}",
                "fields": list(fields.items()),
                "version": 4,
                "token": token,
            }
        )
    conditions = [{"bucket": "bucket"}, ["starts-with", "$key", "user/"], {"acl": "private"}]
    policy = base64.b64encode(json.dumps({"expiration": "2026-11-21T08:00:00Z", "conditions": conditions}).encode())
    fields = {"key": "user/${filename}", "acl": "private", "policy": policy.decode(), "AWSAccessKeyId": ACCESS_KEY}
    fields["signature"] = base64.b64encode(hmac.new(SECRET_KEY.encode(), policy, hashlib.sha1).digest()).decode()
    out.append({"name": "post-v2", "fields": list(fields.items()), "version": 2, "token": None})
    for one in out:
        one |= {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "region": REGION}
        one["now_secs"] = calendar.timegm(NOW.timetuple())
    return out


def published_vectors() -> list[Vector]:
    """The examples of AWS's documentation, copied: "Signature Calculations for the Authorization Header",
    "Authenticating Requests: Using Query Parameters", "Signing and Authenticating REST Requests"."""
    key, secret = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    host = "examplebucket.s3.amazonaws.com"
    out = []

    def add(name: str, method: str, target: str, headers: dict[str, str], body: str, **more: Any) -> None:
        request = AWSRequest(method=method, url=f"http://{headers['Host']}{target}", headers=headers)
        base = {"access_key": key, "secret_key": secret, "region": "us-east-1"}
        out.append(vector(name, request, body, **(base | {"now_secs": 1369353600} | more)))

    def v4(
        name: str, method: str, target: str, headers: dict[str, str], signature: str, body: str, **more: Any
    ) -> None:
        signed = ";".join(sorted(header.lower() for header in headers))
        scope = f"{key}/20130524/us-east-1/s3/aws4_request"
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={signed},Signature={signature}"
        add(name, method, target, headers, body, **more)

    amz = {"Host": host, "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY}
    v4(
        "get-object",
        "GET",
        "/test.txt",
        {**amz, "Range": "bytes=0-9"},
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        EMPTY,
    )
    digest = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    v4(
        "put-object",
        "PUT",
        "/test%24file.text",
        {
            **amz,
            "Date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": digest,
        },
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        digest,
    )
    # The path as a client that does not encode it sends it: the verifier's second spelling.
    v4(
        "put-object-unencoded-path",
        "PUT",
        "/test$file.text",
        {
            **amz,
            "Date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": digest,
        },
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        digest,
    )
    v4(
        "get-lifecycle",
        "GET",
        "/?lifecycle",
        dict(amz),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        EMPTY,
    )
    v4(
        "list",
        "GET",
        "/?max-keys=2&prefix=J",
        dict(amz),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        EMPTY,
    )
    add(
        "presigned",
        "GET",
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
        "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        {"Host": host},
        "unsigned",
        presigned=True,
    )
    published_chunked(v4)
    old = {"version": 2, "now_secs": 1175024202}
    for name, method, target, headers, signature, bucket in (
        ("v2-get", "GET", "/photos/puppy.jpg", {}, "bWq2s1WEIj+Ydj0vQ697zp+IXMU=", "johnsmith"),
        (
            "v2-put",
            "PUT",
            "/photos/puppy.jpg",
            {"Content-Type": "image/jpeg", "Date": "Tue, 27 Mar 2007 21:15:45 +0000"},
            "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
            "johnsmith",
        ),
        (
            "v2-list",
            "GET",
            "/?prefix=photos&max-keys=50&marker=puppy",
            {"Date": "Tue, 27 Mar 2007 19:42:41 +0000"},
            "htDYFYduRNen8P9ZfE/s9SuKy0U=",
            "johnsmith",
        ),
        (
            "v2-acl",
            "GET",
            "/?acl",
            {"Date": "Tue, 27 Mar 2007 19:44:46 +0000"},
            "c2WLPFtWHVgbEmeEG93a4cG37dM=",
            "johnsmith",
        ),
    ):
        sent = {"Host": f"{bucket}.s3.amazonaws.com", "Date": "Tue, 27 Mar 2007 19:36:42 +0000", **headers}
        when = calendar.timegm(email.utils.parsedate(sent["Date"]) or ())
        sent["Authorization"] = f"AWS {key}:{signature}"
        add(name, method, target, sent, "unsigned", vhost_bucket=bucket, **(old | {"now_secs": when}))
    add(
        "v2-query",
        "GET",
        "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620",
        {"Host": "johnsmith.s3.amazonaws.com"},
        "unsigned",
        vhost_bucket="johnsmith",
        presigned=True,
        **old,
    )
    return out


def published_chunked(v4: Any) -> None:
    """The two chunked examples: 66560 bytes of `a` in chunks of 65536 and 1024."""
    plain = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]
    trailing = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ]
    tail = (
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
    )
    common = {
        "Host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "Content-Length": "66824",
    }
    for name, word, seed, chain, end, trailers in (
        (
            "chunked",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            plain,
            b"",
            [],
        ),
        (
            "chunked-trailer",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            trailing,
            tail,
            [["x-amz-checksum-crc32c", "sOO8/Q=="]],
        ),
    ):
        headers = {**common, "x-amz-content-sha256": word}
        if trailers:
            headers["x-amz-trailer"] = "x-amz-checksum-crc32c"
            del headers["Content-Length"]  # the example does not sign it
        body: list[tuple[bytes, int]] = []
        for size, signature in zip((65536, 1024, 0), chain, strict=True):
            body.append((f"{size:x};chunk-signature={signature}\r\n".encode(), 1))
            body.extend([(b"a", size), (b"\r\n", 1)] if size else [])
        more = {
            "wire": pieces(*body, (end + b"\r\n", 1)),
            "content": pieces((b"a", 66560)),
            "trailers": trailers,
        }
        v4(name, "PUT", "/examplebucket/chunkObject.txt", headers, seed, "chunked", **more)


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with frozen():
        families = {
            "header": header_vectors(),
            "presigned": presigned_vectors(),
            "sigv2": v2_vectors(),
            "chunked": chunked_vectors(),
            "post": post_vectors(),
            "published": published_vectors(),
        }
    for family, vectors in families.items():
        (HERE / f"{family}.json").write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
