"""A mail server that takes everything and keeps nothing, in a process of its own: `python -m lifecycle.benchmarks.sink
PORT`."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lifecycle.machine import free_port

END = b"\r\n.\r\n"
ANSWERS = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Sink(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.rest, self.in_content = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(END if self.in_content else b"\r\n")) >= 0:
            verb = b"END" if self.in_content else self.rest[:4].upper()
            self.rest = self.rest[end + (len(END) if self.in_content else 2) :]
            self.in_content = verb == b"DATA"
            self.transport.write(ANSWERS.get(verb, b"250 fine\r\n"))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


@contextmanager
def running() -> Iterator[int]:
    """Its port, while it runs."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "lifecycle.benchmarks.sink", str(port)])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
