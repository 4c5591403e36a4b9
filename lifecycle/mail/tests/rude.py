"""A mail server that misbehaves on demand and keeps what it was given: for tests of failure."""

from __future__ import annotations

import socketserver
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message


@dataclass
class Received:
    """One content as it came over the wire, whether or not it was answered."""

    recipient: str
    raw: bytes

    @property
    def message(self) -> Message:
        return message_from_bytes(self.raw)


@dataclass
class RudeServer:
    """`answers` maps a verb (or `END`, the final dot; `HELLO`, the greeting) to a reply; "" hangs up.

    `before_answer` runs after the content has come in and before it is answered; `delay` seconds likewise.
    """

    answers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    delay: float = 0
    before_answer: object = None
    logins: int = 0

    def __enter__(self) -> RudeServer:
        rude = self

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                rude.talk(self)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def talk(self, line: socketserver.StreamRequestHandler) -> None:
        if not self.say(line, "HELLO", "220 rude"):
            return
        recipient = ""
        while words := line.rfile.readline():
            verb = words[:4].decode().strip().upper()
            if verb == "RCPT":
                recipient = words.decode().partition("<")[2].partition(">")[0]
            default = {"EHLO": "250 rude", "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 fine")
            if not self.say(line, verb, default) or verb == "QUIT":
                return
            if verb == "DATA" and "DATA" not in self.answers and not self.content(line, recipient):
                return

    def content(self, line: socketserver.StreamRequestHandler, recipient: str) -> bool:
        raw = b""
        while (part := line.rfile.readline()) not in (b".\r\n", b""):
            raw += part[1:] if part.startswith(b"..") else part
        self.received.append(Received(recipient, raw))
        if self.before_answer:
            self.before_answer()
        time.sleep(self.delay)
        return self.say(line, "END", "250 kept")

    def say(self, line: socketserver.StreamRequestHandler, verb: str, default: str) -> bool:
        words = self.answers.get(verb, default)
        if not words:
            return False
        try:
            line.wfile.write(f"{words}\r\n".encode())
        except OSError:
            return False
        return not words.startswith("421")
