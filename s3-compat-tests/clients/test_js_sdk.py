"""The AWS SDK for JavaScript v3 from npm: streams, lib-storage's multipart upload, pages, presigned URLs, errors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from endpoint import Site
from running import ROOT

PACKAGES = ["@aws-sdk/client-s3@3", "@aws-sdk/lib-storage@3", "@aws-sdk/s3-request-presigner@3"]
INSTALL_TIMEOUT_S = 100

PROGRAM = """
import assert from "node:assert";
import crypto from "node:crypto";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
const [Bucket, endpoint] = process.argv.slice(2);
const more = { endpoint, region: "us-east-1", forcePathStyle: true };
const c = new s3.S3Client(more);
const send = (name, words) => c.send(new s3[name + "Command"]({ Bucket, ...words }));
const read = async (words) => Buffer.from(await (await send("GetObject", words)).Body.transformToByteArray());
await send("CreateBucket");
await send("PutObject", { Key: "a ü+", Body: "hello", Metadata: { colour: "green" } });
assert.equal((await send("HeadObject", { Key: "a ü+" })).Metadata.colour, "green");
const data = crypto.randomBytes(21 << 20);
const pieces = () => Readable.from([data.subarray(0, 7 << 20), data.subarray(7 << 20)]);
const upload = new Upload({ client: c, params: { Bucket, Key: "big", Body: pieces() }, partSize: 5 << 20, queueSize: 3 });
assert.match((await upload.done()).ETag, /-5"$/);
assert((await read({ Key: "big" })).equals(data));
assert((await read({ Key: "big", Range: "bytes=7000001-7001000" })).equals(data.subarray(7000001, 7001001)));
await send("PutObject", { Key: "stream", Body: pieces(), ContentLength: data.length });
assert((await read({ Key: "stream" })).equals(data));
const get = await getSignedUrl(c, new s3.GetObjectCommand({ Bucket, Key: "a ü+" }), { expiresIn: 60 });
assert.equal(await (await fetch(get)).text(), "hello");
// By default the SDK signs the CRC32 of no body into a presigned PUT; AWS refuses other bytes as we do.
const plain = new s3.S3Client({ ...more, requestChecksumCalculation: "WHEN_REQUIRED" });
const put = await getSignedUrl(plain, new s3.PutObjectCommand({ Bucket, Key: "put" }), { expiresIn: 60 });
assert.equal((await fetch(put, { method: "PUT", body: "xyz" })).status, 200);
await send("CopyObject", { Key: "copy", CopySource: encodeURIComponent(Bucket + "/a ü+") });
await assert.rejects(send("GetObject", { Key: "none" }), { name: "NoSuchKey" });
await assert.rejects(send("PutObject", { Key: "put", Body: "x", IfNoneMatch: "*" }), { name: "PreconditionFailed" });
const keys = [];
for await (const page of s3.paginateListObjectsV2({ client: c, pageSize: 2 }, { Bucket }))
  keys.push(...page.Contents.map((entry) => entry.Key));
assert.deepEqual(keys, ["a ü+", "big", "copy", "put", "stream"]);
const gone = await send("DeleteObjects", { Delete: { Objects: keys.map((Key) => ({ Key })) } });
assert.equal(gone.Deleted.length, 5);
await send("DeleteBucket");
console.log("done");
"""


@pytest.fixture(scope="session")
def node() -> Path:
    """The folder with the SDK's packages, installed once."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm (Debian: nodejs npm)")
    home = ROOT / ".venv" / "clients" / "js"
    stamp = home / "complete"
    if not stamp.exists() or stamp.read_text() != " ".join(PACKAGES):
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true, "type": "module"}')
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
        subprocess.run(words, cwd=home, check=True, timeout=INSTALL_TIMEOUT_S)
        stamp.write_text(" ".join(PACKAGES))
    return home


def test_streams_uploads_pages_and_presigns(node: Path, run: Callable[..., str], site: Site, bucket: str) -> None:
    program = node / "program.mjs"  # beside node_modules, where it looks for them
    program.write_text(PROGRAM)
    trust = {"NODE_EXTRA_CA_CERTS": str(site.ca)} if site.ca else {}
    assert run("node", program, bucket, site.url, env=trust).strip() == "done"
