"""Writes the seeds under corpus/ from tests/vectors and from requests as the usual clients send them.

Plain Python, no dependency: `python3 rust/fuzz/write_seeds.py`. Inputs that a fuzzer found and that failed are kept
beside these, named `found-...`; this script leaves them alone.
"""

# ruff: noqa: INP001, E501  (a script beside a Cargo workspace; seeds stand on one line each)

import base64
import hashlib
import json
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parents[1] / "tests" / "vectors"
MULTIPART = "multipart/form-data; boundary=----x"


def write(target: str, name: str, data: bytes | str) -> None:
    """One seed."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def vectors(path: str) -> list[dict]:
    """A file of tests/vectors."""
    return json.loads((VECTORS / path).read_text())


def signatures() -> None:
    """Requests as botocore and AWS sign them, and programs for the signer of the fuzz crate."""
    for kind, every in (("header", 4), ("presigned", 3), ("sigv2", 4), ("published", 2)):
        for vector in vectors(f"sigv4/{kind}.json")[::every]:
            target = vector["path"] + ("?" + vector["query"] if vector["query"] else "")
            lines = [f"{vector['method']} {target}"] + [f"{name}: {value}" for name, value in vector["headers"]]
            write("claim", vector["name"].replace("/", "-"), "\n".join(lines))
    for way in range(4):
        for change in range(8):
            plain = bytes([way, change % 4, change % 5, 3, 0x61, 0x20, 0x2F, way & 1, 2, 1, 2, 3, 0x62, 0x2B, 0x63])
            write("signature", f"way-{way}-change-{change}", plain + bytes([0, 3, 4, 1, 2, 0, 1, change, 3, 9, 9, 9]))


def bodies() -> None:
    """aws-chunked."""
    plain = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    write("chunked", "trailer", bytes([2 | 8, 5, 0, 7]) + plain)
    write("chunked", "without", bytes([0, 3]) + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")
    write("chunked", "lies", bytes([2, 1, 0, 9]) + b"ffffffff\r\nabc")
    for i, vector in enumerate(vectors("sigv4/chunked.json")):
        wire = b"".join(base64.b64decode(piece) * count for piece, count in vector["wire"])
        write("chunked", f"signed-{i}", bytes([4 | (i & 1), 17]) + wire[:1500])
    for i in range(6):
        chunks = bytes([i % 5]) + b"".join(bytes([n]) + b"z" * n for n in (3, 40, 1, 9)[: i % 5])
        write(
            "chunked_signed",
            f"body-{i}",
            bytes([i & 1, 4, 1, 2, 3, 4])[: 1 + 5 * (i & 1)] + chunks + bytes([1, 5, 1, 40, 0, i]),
        )


def forms() -> None:
    """PostObject."""
    part = '------x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    file = '------x\r\nContent-Disposition: form-data; name="file"; filename="C:\\a\\b.txt"\r\nContent-Type: text/plain\r\n\r\n'
    fields = "".join(part.format(name, value) for name, value in vectors("sigv4/post.json")[0]["fields"][:3])
    write("form", "browser", f"{MULTIPART}\n{chr(7)}{fields}{file}hello\r\n--\r\n------x--\r\n")
    write(
        "form",
        "quoted",
        f'multipart/form-data; charset=utf-8; boundary="a b"\n{chr(3)}\r\n--a b\r\nContent-Disposition: form-data; name=key\r\n\r\nk\r\n--a b--',
    )
    write("form", "other-type", "application/json\n{}")
    write("form", "after-the-file", f"{MULTIPART}\n{chr(1)}{file}x\r\n{part.format('submit', 'Upload')}------x--")
    write(
        "form_made",
        "two",
        bytes([3, 1, 2, 3, 4, 2, 1, 5, 6, 3]) + b"abc" + bytes([0, 1, 4]) + b"zz\r\n" + b"\r\n--b" * 4,
    )
    for i, vector in enumerate(vectors("sigv4/post.json")):
        given = {name.lower(): value for name, value in vector["fields"]}
        document = base64.b64decode(given["policy"]).decode()
        lines = "\n".join(f"{name}={value}" for name, value in vector["fields"] if name != "policy")
        write("policy", f"signed-{i}", f"{document}\n\n{lines}")
    document = {
        "expiration": "2026-12-01T12:00:00.000Z",
        "conditions": [
            {"acl": "public-read"},
            ["eq", "$bucket", "bucket"],
            ["starts-with", "$Content-Type", "image/"],
            ["starts-with", "$key", "user/"],
            ["content-length-range", 1, "1048576"],
        ],
    }
    write(
        "policy",
        "aws",
        json.dumps(document) + "\n\nacl=public-read\nkey=user/a\nContent-Type=image/png, image/jpeg\nx-ignore-me=1",
    )


DOCUMENTS = {
    "delete": "<?xml version='1.0'?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
    "<Object><Key>a&amp;b</Key></Object><Object><Key>x&#x1;</Key><VersionId>null</VersionId></Object></Delete>",
    "complete": "<CompleteMultipartUpload><Part><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>"
    "<PartNumber>1</PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
    "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>\u00fc b</Key><Value/></Tag></TagSet></Tagging>",
    "odd": "\ufeff<s:Root a='1' b=\"&lt;\"><!-- c --><?pi x?><![CDATA[<&]]><a/>\r\n</s:Root >",
    "doctype": '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
    "deep": "<a>" * 17 + "</a>" * 17,
}


def documents() -> None:
    """XML, and tags in both forms."""
    for name, text in DOCUMENTS.items():
        for plan in (b"\2\2\1\1", b"\0\1\2\0"):
            write("xml", f"{name}-{plan[0]}", plan + text.encode())
        write("tagging", name, text)
    for i, text in enumerate(["a=1&b=x%20y+z&%C3%BC=%2B", "k=%zz", "aws:x=1", "&".join(f"k{n}=v" for n in range(11))]):
        write("tagging", f"header-{i}", text)


def small() -> None:
    """Single values of headers and queries."""
    for i, text in enumerate(["/a b/\u00e9+~*", "prefix=&delimiter=%2F&acl", "%zz=%", "a+b=%2B&&=", "%F0%9F%A6%81%ff"]):
        write("uri", f"text-{i}", text)
    ranges = [
        "bytes=0-9",
        "bytes=-5",
        "bytes=5-",
        "bytes=9-1",
        "bytes=0-0,2-3",
        "Bytes=007-99999999999999999999",
        "items=0-1",
    ]
    for i, text in enumerate(ranges):
        write("ranges", f"header-{i}", struct.pack("<Q", 10 * i) + text.encode())
    dates = [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "20261121T070000Z",
        "2026-11-21T07:00:00.000Z",
        "2000-02-29T23:59:60Z",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ]
    for i, text in enumerate(dates):
        write("dates", f"form-{i}", text)
    for i, data in enumerate([b"\3foobar", b"\0Zm9vYmE=", b"\xff" + bytes(range(256)), b"\1Zh=="]):
        write("checksums", f"bytes-{i}", data)
    for i in range(16):
        write(
            "conditions",
            f"flags-{i}",
            struct.pack("<I", 784111777) + bytes([i, i & 1, 127 * (i & 2), 1, 0, i % 4, 0, 2, 1, 2]),
        )
    heads = [
        "content-type: text/plain\ncache-control: no-cache\nx-amz-meta-a: 1\nx-amz-meta-a: 2\ncontent-encoding: aws-chunked, gzip",
        "x-amz-copy-source: /bucket/a%20b%2Fc?versionId=null\nx-amz-copy-source-range: bytes=0-9\nx-amz-metadata-directive: REPLACE",
        "x-amz-checksum-crc32: NhCmhg==\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\nx-amz-sdk-checksum-algorithm: CRC32",
        "x-amz-trailer: x-amz-checksum-crc64nvme\nx-amz-checksum-algorithm: CRC64NVME\nx-amz-checksum-type: FULL_OBJECT",
        "x-amz-server-side-encryption: AES256\nx-amz-acl: public-read\nx-amz-storage-class: GLACIER",
        "x-amz-website-redirect-location: /x\nx-amz-tagging-directive: COPY\nx-amz-storage-class: COLD&x-amz-meta-q=1&X-Amz-Acl=private",
    ]
    for i, text in enumerate(heads):
        write("headers", f"head-{i}", text)


def stored() -> None:
    """Records, row keys, volumes and edits of a disk."""
    kinds = ["object", "bucket", "credential", "fence", "part", "tenant", "upload", "user"]
    for number, kind in enumerate(kinds):
        for i, vector in enumerate(vectors(f"records/{kind}.json")[:4]):
            write("records", f"{kind}-{i}", bytes([number]) + bytes.fromhex(vector["hex"]))
    for i, vector in enumerate(vectors("records/pointers.json")):
        write("records", f"pointer-{i}", bytes([9 + (i & 1)]) + bytes.fromhex(vector["hex"]))
    for i, vector in enumerate(vectors("records/keys.json")):
        write("keys", f"row-{i}", bytes.fromhex(vector["hex"]))
    numbers = struct.pack("<IIQ", 7, 7, 1795000000123456)
    for i, pair in enumerate([(b"a\0b", b"a\0b"), (b"a\0", b"a"), (b"", b"\xff\xff"), (b"k", b"0006600b98d21240")]):
        write("keys", f"pair-{i}", numbers + bytes([len(pair[0])]) + pair[0] + pair[1])
    for name in ("00000001.vol", "00000003.vol"):
        data = (VECTORS / "volume" / "v1" / name).read_bytes()
        generation = struct.unpack_from("<Q", data, 16)[0]
        for offset in (0, 4096, 4160):
            place = struct.pack("<IQQI", int(name[:8], 16), generation, offset, 1)
            write("volume_format", f"{name[:8]}-{offset}", place + data[offset : offset + 96])
    edits = {
        "flip": bytes([0, 0, 0, 16, 0, 0, 0xFF]),
        "cut-log": bytes([0, 50, 0, 0, 0, 3]),
        "zero": bytes([1, 0, 16, 0, 0, 2, 0, 1]),
        "copy": bytes([1, 0, 32, 0, 0, 4, 0, 16, 0, 0, 0, 2]),
        "gone": bytes([2, 0, 0, 0, 0, 5]),
        "stray": bytes([0, 0, 0, 0, 0, 6, 2, 4]) + b"abcd",
    }
    for number in range(4):
        fields = bytes([1, number, 1, 0, 2, 0, 2, 0, 80, 0, 1])
        edits[f"forge-{number}"] = bytes([0, 0, 0, 0, 0, 7]) + fields
    for name, data in edits.items():
        write("volume", name, data)


STORY = """PutObject a/b
content-type: text/plain
x-amz-meta-m: 1
x-amz-tagging: k=v

hello
===
GetObject a/b
range: bytes=1-3
if-none-match: "x"
===
CopyObject c
x-amz-copy-source: /bucket/a/b
x-amz-metadata-directive: REPLACE
===
ListObjectsV2 ?list-type=2&delimiter=b&max-keys=1
===
ListObjectsV2 ?list-type=2&continuation-token=TOKEN
===
GetObjectAttributes a/b
x-amz-object-attributes: ETag,ObjectSize,Checksum,ObjectParts,StorageClass
===
ListObjectVersions ?versions&prefix=a&key-marker=a&encoding-type=url
===
DeleteObject a/b?versionId=VERSION
"""
UPLOAD = """CreateMultipartUpload big?uploads
x-amz-checksum-algorithm: CRC32
===
UploadPart big?partNumber=1&uploadId=UPLOAD

12345
===
UploadPartCopy big?partNumber=2&uploadId=UPLOAD
x-amz-copy-source: bucket/none
x-amz-copy-source-range: bytes=0-1
===
ListParts big?uploadId=UPLOAD&max-parts=1&part-number-marker=0
===
ListMultipartUploads ?uploads&prefix=b&delimiter=g&key-marker=a&upload-id-marker=UPLOAD
===
CompleteMultipartUpload big?uploadId=UPLOAD

<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>827ccb0eea8a706c4c34a16891f84e7b</ETag></Part></CompleteMultipartUpload>
===
GetObject big?partNumber=1
===
AbortMultipartUpload big?uploadId=UPLOAD
"""
MD5 = base64.b64encode(hashlib.md5(DOCUMENTS["delete"].encode(), usedforsecurity=False).digest()).decode()
BATCH = f"""PutObject x

1
===
DeleteObjects ?delete
content-md5: {MD5}

{DOCUMENTS["delete"]}
===
PostObject ?
key: user/${{filename}}
acl: private
success_action_status: 201

data
===
ListObjects ?prefix=&marker=a&delimiter=/&max-keys=5
===
HeadObject user/file.txt
"""


def whole() -> None:
    """Calls of operations in a row, and listings."""
    for name, text in {"story": STORY, "upload": UPLOAD, "batch": BATCH}.items():
        for versioning in range(3):
            write("operations", f"{name}-{versioning}", bytes([versioning]) + text.encode())
    for i in range(4):
        keys = bytes([10]) + b"".join(bytes([n % 5, n % 7, 2, (n * 3) % 7, 1])[: 1 + n % 5] for n in range(1, 11))
        write("listing", f"keys-{i}", keys + bytes([i % 3, 0, 2, 0, i, 1, i & 1]) + b"AWEv")


def sockets() -> None:
    """Requests as they are on the wire."""
    plain = {
        "get": "GET /bucket/key HTTP/1.1\r\nHost: s3.test\r\n\r\n",
        "bare": "GET / HTTP/1.0\r\n\r\n",
        "pipelined": "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b/c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "chunked": "PUT /bucket/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "both-lengths": "PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "expect": "PUT /bucket/k HTTP/1.1\r\nHost: bucket.s3.test:9000\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "options": "OPTIONS /bucket/k HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
        "form": "POST /bucket HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 73\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--x--\r\n',
        "absolute": "GET http://s3.test/bucket?acl HTTP/1.1\r\nHost: other\r\n\r\n",
        "noise": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    }
    for name, text in plain.items():
        write("port", name, text.encode("latin-1"))
    signed = vectors("sigv4/header.json")[0]
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed["headers"])
    write("port", "signed-by-a-stranger", f"GET {signed['path']} HTTP/1.1\r\n{lines}\r\n")
    for i in range(16):
        words = bytes([i % 4]) + bytes([i & 1, i % 4, i % 14, 0, (i * 5) % 14, 1, 1, 7])[: 3 * (i % 4)]
        write(
            "routing", f"request-{i}", bytes([i % 5, i & 1, i % 3]) + words + bytes([i % 3]) + "key/\u00fc x".encode()
        )


def rights() -> None:
    """Compiled schemas, policies and lists."""
    for name in ("default", "everything"):
        compiled = bytes.fromhex("".join((VECTORS / f"schema/{name}.hex").read_text().split()))
        for i, held in enumerate((0x0, 0x8, 0x808, 0xFFFFFFFF)):
            write("schema", f"{name}-{i}", struct.pack("<I", held) + compiled)
    for case in vectors("policy/evaluation.json")[::150] + vectors("policy/random.json")[::60]:
        name = "".join(c if c.isalnum() else "-" for c in case["name"])[:60]
        for who, action in ((0, 64), (1, 82)):
            head = bytes([who, action, 2, 1]) + b"a"
            write("compiled_policy", f"{name}-{who}", head + bytes.fromhex(case["compiled"]))
    for i in range(6):
        grants = [(n % 4, 0 if n % 4 else n, 1 << (i + n) % 4) for n in range(i)]
        body = b"".join(struct.pack("<BIB", *grant) for grant in grants)
        write("acl", f"grants-{i}", bytes([i % 3 * 4]) + b"\x01" + struct.pack("<H", len(grants)) + body)


for step in (signatures, bodies, forms, documents, small, stored, whole, sockets, rights):
    step()
