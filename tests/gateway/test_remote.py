"""A server that hangs up in the middle of what it says: a sentence for people, no traceback.

Belongs here: `gateway.remote` against answers that are none. Does not belong here: what commands print (`test_cli.py`).
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.remote import Remote, RemoteError


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A server that sends these bytes to whoever asks and hangs up."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "no server answers at http://127.0.0.1:.*closed connection"),
        (b"\r\n", "no server answers at http://127.0.0.1:.*BadStatusLine"),
        (b"hello\r\n\r\n", "no server answers at http://127.0.0.1:.*hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "no server answers at http://127.0.0.1:.*2 bytes read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "what answers at http://127.0.0.1:.* is no admin API"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\n{}", "the server answered 403"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nhi", "the server answered 403"),
    ],
)
def test_what_is_no_whole_answer_is_told_in_a_sentence(answer: bytes, words: str) -> None:
    with saying(answer) as url, pytest.raises(RemoteError, match=words):
        Remote(url, "key", "secret").call("GET", "/v1/buckets")
