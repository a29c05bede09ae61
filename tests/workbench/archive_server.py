"""A server on this machine that holds files as archives and hubs do, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Archive:
    """What the server holds by path, how it misbehaves, and what it was asked."""

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, bytes] = {}
        self.drop = 0  # connections that break in the middle of the body
        self.refuse: list[tuple[int, str]] = []  # status and Retry-After of the next answers
        self.ranges: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.etags: dict[str, str] = {}  # instead of the hash of what is sent
        self.elsewhere = ""  # address to which it points for all that it holds
        self.commit = "0" * 40  # of the hub's repositories


@contextmanager
def serving() -> Iterator[Archive]:
    """A running server."""
    held = Archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if held.refuse:
                status, wait = held.refuse.pop(0)
                self.send_response(status)
                self.send_header("Retry-After", wait)
                self.end_headers()
                return
            body = held.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            if held.elsewhere:
                held.tokens[self.headers.get("Authorization", "")] += 1
                self.send_response(302)
                self.send_header("Location", held.elsewhere + self.path)
                self.end_headers()
                return
            etag = f'"{held.etags.get(self.path) or hashlib.sha256(body).hexdigest()}"'
            asked = self.headers.get("Range", "")
            held.ranges[asked] += 1
            held.tokens[self.headers.get("Authorization", "")] += 1
            first = int(asked[6:-1]) if asked and self.headers.get("If-Range") == etag else 0
            self.send_response(206 if first else 200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body) - first))
            self.send_header("X-Repo-Commit", held.commit)
            self.end_headers()
            if self.command == "HEAD":
                return
            if held.drop:
                held.drop -= 1
                self.wfile.write(body[first : first + 1000])
                self.wfile.flush()
                self.connection.close()
                return
            self.wfile.write(body[first:])

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
