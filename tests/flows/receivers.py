"""Receivers of alerts on 127.0.0.1: a webhook's server and a mail server, which keep what they are sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from aiosmtpd.controller import Controller


class Desk:
    """What a webhook was sent, as JSON, and where it is."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}/alerts"
        self.received: list[dict[str, Any]] = []


@contextmanager
def webhook_server(*, status: int = 200) -> Iterator[Desk]:
    """Serve a webhook that answers with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            desk.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    desk = Desk(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Mailbox:
    """A handler that keeps every message whole."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a message."""
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        self.received.append(cast(EmailMessage, parsed))
        return "250 OK"


@contextmanager
def mail_server(port: int) -> Iterator[Mailbox]:
    """Serve SMTP on a port."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
