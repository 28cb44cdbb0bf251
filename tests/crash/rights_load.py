"""Load for the kill loop that gives and takes rights, and knows which of them must hold afterwards.

Belongs here: one worker's user, bucket and group, its rights, and asking by requests whether each is in force. Does not
belong here: killing (`kill_loop.py`), changes stopped at a chosen commit (`test_rights.py`).
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from running import ROOT_KEY, ROOT_SECRET, Server

from gateway.remote import Remote, RemoteError

REFUSED = (403, 404)


class GoneError(Exception):
    """The server did not answer: whether it did what it was asked is not known."""


def client(url: str, key: str, secret: str) -> Any:
    """boto3 that never retries: an unknown outcome must stay unknown."""
    config = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=30)
    names = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **names)


class RightsWorker:
    """One user whose rights come and go. A right holds, does not, or was being changed when the server died."""

    def __init__(self, number: int, seed: int) -> None:
        self.random = random.Random(seed * 1000 + 500 + number)
        self.user, self.group, self.bucket = f"u{number}", f"g{number}", f"rights-{number}"
        self.key, self.secret = f"USERKEY{number:013}", f"secret-of-user-{number:020}"
        self.operations, self.stopping = 0, False
        self.share: dict[str, Any] | None = None
        self.acked: dict[str, bool] = dict.fromkeys(self._rights(), False)
        self.in_flight: dict[str, bool] = {}
        self.wrong: list[str] = []

    def _rights(self) -> dict[str, Callable[[bool], object]]:
        """Every right by the prefix it is about, and how it is given and taken."""
        return {
            "relation": self._relation,
            "group": self._member,
            "policy": self._policy,
            "acl": self._acl,
            "identity": self._identity,
            "link": self._link,
            "key": self._key,
        }

    def prepare(self, server: Server) -> None:
        """The user with its key, the group, the bucket with an object for every right."""
        self._to(server)
        self.remote.call("POST", "/v1/users", {"tenant": "default", "name": self.user})
        pair = {"access_key": self.key, "secret_key": self.secret}
        self.remote.call("POST", "/v1/keys", {"tenant": "default", "user": self.user, **pair})
        second = {"access_key": self.key[::-1], "secret_key": self.secret}
        self.remote.call("POST", "/v1/keys", {"tenant": "default", "user": self.user, **second})
        self.remote.call("POST", "/v1/groups", {"name": self.group})
        self.s3.create_bucket(Bucket=self.bucket)
        rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        self.s3.put_bucket_ownership_controls(Bucket=self.bucket, OwnershipControls=rules)
        for right in self.acked:
            self.s3.put_object(Bucket=self.bucket, Key=f"{right}/k", Body=right.encode())
        self._change("touch", f"group:{self.group}", "group/")
        self._change("touch", f"user:{self.user}", "key/")
        self.acked["key"] = True

    def begin(self, server: Server) -> threading.Thread:
        """Changes rights until the server is gone."""
        self._to(server)
        self.stopping = False
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        return thread

    def _to(self, server: Server) -> None:
        self.url = server.url
        self.s3 = client(server.url, ROOT_KEY, ROOT_SECRET)
        self.remote = Remote(server.admin, ROOT_KEY, ROOT_SECRET)

    def _work(self) -> None:
        while not self.stopping:
            right = self.random.choice(list(self.acked))
            wanted = not self.acked[right]
            self.in_flight[right] = wanted
            try:
                self._do(right, wanted)
                self.acked[right] = wanted
                del self.in_flight[right]
                self.operations += 1
                # What was acknowledged is in force, with no crash in between, too.
                if self._holds(right) is not wanted:
                    self.wrong.append(f"{self.bucket}/{right}: {wanted} was acknowledged and is not in force")
            except GoneError:
                return

    def _do(self, right: str, wanted: bool) -> None:
        try:
            self._rights()[right](wanted)
        except RemoteError as error:
            if "no server answers" not in str(error):
                raise
            raise GoneError from error
        except BotoCoreError as error:
            raise GoneError from error
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            raise GoneError from error

    def check(self, server: Server) -> list[str]:
        """Asks for every right; what is wrong. Outcomes that were unknown are known afterwards."""
        self._to(server)
        wrong, self.wrong = self.wrong, []
        for right, acked in self.acked.items():
            allowed = {acked} | ({self.in_flight[right]} if right in self.in_flight else set())
            found = self._holds(right)
            if found not in allowed:
                wrong.append(f"{self.bucket}/{right}: in force is {found}, acknowledged was {acked}")
            self.acked[right] = found
        self.in_flight.clear()
        stored = self._stored_policy()
        if (stored is not None) != self.acked["policy"] or stored not in (None, self._document()):
            wrong.append(f"{self.bucket}: the policy document is {stored}, in force is {self.acked['policy']}")
        return wrong

    def _stored_policy(self) -> str | None:
        try:
            return str(self.s3.get_bucket_policy(Bucket=self.bucket)["Policy"])
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchBucketPolicy"
            return None

    def _holds(self, right: str) -> bool:
        """Whether a request that needs this right is answered."""
        if right == "link":
            return self.share is not None and self._status(self.share["link"]) == 200
        if right == "acl":
            return self._status(f"/{self.bucket}/acl/k") == 200
        key = self.key[::-1] if right == "key" else self.key
        at = {"Bucket": self.bucket, "Key": f"{right}/k"}
        url = urlsplit(client(self.url, key, self.secret).generate_presigned_url("get_object", Params=at))
        return self._status(f"{url.path}?{url.query}") == 200

    def _status(self, path: str) -> int:
        at = urlsplit(self.url)
        connection = HTTPConnection(at.hostname or "", at.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            raise GoneError from error
        finally:
            connection.close()
        assert answer.status in (200, *REFUSED), answer.status
        return answer.status

    # How each is given and taken.

    def _change(self, op: str, subject: str, path: str) -> None:
        change = {"op": op, "subject": subject, "relation": "reader", "resource": f"s3://{self.bucket}/{path}"}
        self.remote.call("POST", "/v1/relations", {"changes": [change]})

    def _relation(self, wanted: bool) -> None:
        self._change("touch" if wanted else "delete", f"user:{self.user}", "relation/")

    def _member(self, wanted: bool) -> None:
        at, member = f"/v1/groups/{self.group}/members", f"user:{self.user}"
        if wanted:
            self.remote.call("POST", at, {"subject": member})
        else:
            self.remote.call("DELETE", f"{at}?subject={quote(member)}")

    def _document(self, right: str = "policy") -> str:
        statement: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject"}
        statement["Resource"] = f"arn:aws:s3:::{self.bucket}/{right}/*"
        if right == "policy":
            statement["Principal"] = {"AWS": f"arn:aws:iam::default:user/{self.user}"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def _policy(self, wanted: bool) -> None:
        if wanted:
            self.s3.put_bucket_policy(Bucket=self.bucket, Policy=self._document())
        else:
            self.s3.delete_bucket_policy(Bucket=self.bucket)

    def _acl(self, wanted: bool) -> None:
        self.s3.put_object_acl(Bucket=self.bucket, Key="acl/k", ACL="public-read" if wanted else "private")

    def _identity(self, wanted: bool) -> None:
        at = f"/v1/users/default/{self.user}/policies/own"
        if wanted:
            self.remote.call("PUT", at, {"document": self._document("identity")})
        else:
            self.remote.call("DELETE", at)

    def _link(self, wanted: bool) -> None:
        """A link whose making was not answered is lost to us: what it opens cannot be asked for."""
        if wanted:
            self.share = None
            self.share = self.remote.call("POST", "/v1/shares", {"resource": f"s3://{self.bucket}/link/k"})
        else:
            assert self.share is not None
            self.remote.call("DELETE", f"/v1/shares/{self.share['share']}")

    def _key(self, wanted: bool) -> None:
        self.remote.call("PATCH", f"/v1/keys/{self.key[::-1]}", {"disabled": not wanted})
