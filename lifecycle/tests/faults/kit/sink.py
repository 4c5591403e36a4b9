"""A mail server in a process of its own that misbehaves as told and writes down all it was given.

`Sink` starts it and talks to it: `sink.set(delay=0.015)` changes what it does from now on (see `BEHAVIOUR`),
`sink.talking()` tells who is in the middle of handing a mail over, `sink.contents()` what arrived.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import random
import ssl
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from email import message_from_bytes
from itertools import count
from pathlib import Path
from typing import Any

from lifecycle.machine import free_port

BEHAVIOUR: dict[str, Any] = {
    "open": True,  # False: connections are refused, and those that stand are cut
    "greeting": "220 sink",  # anything but 220 and it hangs up
    "line_delay": 0.0,  # seconds before each reply (tarpit)
    "delay": 0.0,  # seconds before the reply to the final dot
    "later": 0.0,  # probability of 451, "never" of 550, given at "rcpt" or "end" (the final dot)
    "never": 0.0,
    "at": "rcpt",
    "nobody": "",  # recipients that begin so are refused with 550 there, always
    "hang": "",  # recipients that begin so get no answer there, ever
    "drop": 0.0,  # probability of hanging up instead of answering the final dot; what came is written down
    "drop_after": 0.0,  # ... right after answering it
    "drop_before": 0.0,  # ... when DATA is asked for, before anything of the content
    "login": "",  # "user:password": AUTH is offered, demanded and checked
    "tls": "",  # "cert.pem:key.pem": STARTTLS is offered
}


class Talk:
    """One connection. `phase` is what the client is doing: idle, mail, content, answer."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.number = next(server.numbers)
        self.port = writer.get_extra_info("peername")[1]
        self.phase, self.recipient, self.secure = "idle", "", False
        self.trusted = not server.does["login"]

    async def run(self) -> None:
        self.server.talks.add(self)
        self.note("connected")
        try:
            if await self.say(self.server.does["greeting"]) and self.server.does["greeting"].startswith(
                "220"
            ):
                while words := await self.reader.readline():
                    if not await self.obey(words.decode("utf-8", "replace").strip()):
                        return
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # noted below, with the phase it happened in
        finally:
            self.note("gone", phase=self.phase)
            self.server.talks.discard(self)
            self.writer.close()

    def note(self, event: str, **more: object) -> None:
        line = {"event": event, "at": time.monotonic(), "talk": self.number, "port": self.port, **more}
        self.server.log.write(json.dumps(line) + "\n")

    async def say(self, words: str) -> bool:
        await asyncio.sleep(self.server.does["line_delay"])
        self.writer.write(f"{words}\r\n".encode())
        await self.writer.drain()
        return True

    async def obey(self, words: str) -> bool:
        verb, _, rest = words.partition(" ")
        match verb.upper():
            case "EHLO" | "HELO":
                return await self.say("\r\n".join(self.offers()))
            case "STARTTLS" if self.server.does["tls"]:
                await self.say("220 go on")
                await self.writer.start_tls(self.server.tls())
                self.secure = True
                return True
            case "AUTH":
                return await self.sign_in(rest)
            case "MAIL":
                self.phase, self.recipient = "mail", ""
                return await self.say("250 fine" if self.trusted else "530 sign in first")
            case "RCPT":
                self.recipient = rest.partition("<")[2].partition(">")[0]
                if self.hangs("rcpt"):
                    return await self.never_answer()
                refusal = self.server.judge("rcpt", self.recipient)
                self.phase = "idle" if refusal else "mail"
                return await self.say(refusal or "250 fine")
            case "DATA":
                if self.server.draw("drop_before"):
                    return False
                self.phase = "content"
                return await self.say("354 go on") and await self.content()
            case "QUIT":
                self.phase = "idle"
                await self.say("221 bye")
                return False
            case _:
                self.phase = "idle"
                return await self.say("250 fine")

    def hangs(self, where: str) -> bool:
        name = self.server.does["hang"]
        return bool(name) and where == self.server.does["at"] and self.recipient.startswith(name)

    async def never_answer(self) -> bool:
        """Until the client has enough of it."""
        self.note("hangs")
        return bool(await self.reader.read())

    def offers(self) -> list[str]:
        tls = ["STARTTLS"] if self.server.does["tls"] and not self.secure else []
        login = ["AUTH PLAIN LOGIN"] if self.server.does["login"] else []
        names = ["sink", *tls, *login, "PIPELINING", "8BITMIME"]
        return [f"250{' ' if name == names[-1] else '-'}{name}" for name in names]

    async def sign_in(self, rest: str) -> bool:
        self.note("auth", secure=self.secure)
        method, _, given = rest.partition(" ")
        if method.upper() == "PLAIN":
            said = base64.b64decode(given).decode().split("\0")[1:]
        else:
            said = [base64.b64decode(given).decode()] if given else []
            for prompt in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6")[len(said) :]:
                await self.say(f"334 {prompt}")
                said.append(base64.b64decode(await self.reader.readline()).decode())
        self.trusted = ":".join(said) == self.server.does["login"]
        return await self.say("235 welcome" if self.trusted else "535 wrong user or password")

    async def content(self) -> bool:
        raw = b""
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                return False
            raw += line[1:] if line.startswith(b"..") else line
        self.phase = "answer"
        self.server.arrived += 1
        headers = message_from_bytes(raw)
        refusal = self.server.judge("end", self.recipient)
        dropped = not refusal and self.server.draw("drop")
        self.note(
            "content",
            id=headers["Message-ID"],
            date=headers["Date"],
            sha=hashlib.sha256(raw).hexdigest(),
            to=self.recipient,
            secure=self.secure,
            answer=refusal[:3] or ("dropped" if dropped or self.hangs("end") else "250"),
        )
        if self.hangs("end"):
            return await self.never_answer()
        await asyncio.sleep(self.server.does["delay"])
        if dropped or self.reader.at_eof() or self.reader.exception():
            return False
        await self.say(refusal or "250 kept")
        self.phase = "idle"
        return not self.server.draw("drop_after")


class Server:
    def __init__(self, port: int, log: Path, seed: int) -> None:
        self.port, self.does = port, dict(BEHAVIOUR)
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.log = log.open("a", buffering=1)
        self.arrived, self.talks = 0, set[Talk]()
        self.numbers = count(1)
        self.listener: asyncio.Server | None = None

    def draw(self, name: str) -> bool:
        return self.random.random() < self.does[name]

    def judge(self, where: str, recipient: str) -> str:
        if where == self.does["at"]:
            if self.does["nobody"] and recipient.startswith(self.does["nobody"]):
                return "550 no such mailbox"
            drawn = self.random.random()
            if drawn < self.does["never"]:
                return "550 no such mailbox"
            if drawn < self.does["never"] + self.does["later"]:
                return "451 come back later"
        return ""

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.does["tls"].split(":"))
        return context

    async def serve(self) -> None:
        loop, orders = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        await self.listen()
        print("ready", flush=True)
        while order := await orders.readline():  # our parent's end ends us too
            match json.loads(order):
                case "talking":
                    print(json.dumps([(t.port, t.phase, t.recipient) for t in self.talks]), flush=True)
                case "arrived":
                    print(self.arrived, flush=True)
                case changes:
                    self.does |= changes
                    await self.listen()
                    print("done", flush=True)

    async def listen(self) -> None:
        if self.does["open"] and self.listener is None:
            self.listener = await asyncio.start_server(
                lambda reader, writer: Talk(self, reader, writer).run(), "127.0.0.1", self.port, backlog=200
            )
        elif not self.does["open"] and self.listener is not None:
            self.listener.close()
            self.listener = None
            for talk in list(self.talks):
                talk.writer.transport.abort()


class Sink:
    """The test's end of it."""

    def __init__(self, folder: Path, seed: int, **behaviour: object) -> None:
        self.port, self.file = free_port(), folder / "sink.jsonl"
        self.url = f"smtp://127.0.0.1:{self.port}"
        command = [sys.executable, __file__, str(self.port), str(self.file), str(seed)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
        with (folder / "sink.log").open("wb") as log:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            self.process = subprocess.Popen(command, env=environment, text=True, bufsize=1, **pipes)
        assert self.process.stdout.readline() == "ready\n", (folder / "sink.log").read_text()
        self.set(**behaviour)

    def _ask(self, order: object) -> str:
        self.process.stdin.write(json.dumps(order) + "\n")
        return self.process.stdout.readline()

    def set(self, **behaviour: object) -> None:
        """Behave so from the next command on."""
        assert not behaviour.keys() - BEHAVIOUR.keys(), "no such behaviour"
        assert self._ask(behaviour) == "done\n"

    def talking(self) -> dict[int, tuple[str, str]]:
        """By the client's port, which phase each connection is in, and for which recipient."""
        return {port: (phase, recipient) for port, phase, recipient in json.loads(self._ask("talking"))}

    def arrived(self) -> int:
        """How many mails came whole so far."""
        return int(self._ask("arrived"))

    def close(self) -> None:
        self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    # - what it wrote down

    def events(self, name: str) -> list[dict[str, Any]]:
        text = self.file.read_text() if self.file.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == name]

    def contents(self) -> list[dict[str, Any]]:
        """All that came whole, in order, however it was answered: id, date, sha, to, answer, at, secure."""
        return self.events("content")

    def taken(self) -> list[dict[str, Any]]:
        """Those that were not refused: the recipient may have them."""
        return [line for line in self.contents() if line["answer"] in ("250", "dropped")]

    def repeats(self) -> Counter[str]:
        """By Message-ID, how often more than once it came and was not refused."""
        seen = Counter(line["id"] for line in self.taken())
        return Counter({name: times - 1 for name, times in seen.items() if times > 1})

    def differing(self) -> list[str]:
        """Message-IDs under which different bytes or dates came and may have been taken."""
        kinds: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for line in self.contents():
            if line["answer"] in ("250", "dropped"):
                kinds[line["id"]].add((line["sha"], line["date"]))
        return [name for name, found in kinds.items() if len(found) > 1]


if __name__ == "__main__":
    asyncio.run(Server(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])).serve())
