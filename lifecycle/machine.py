"""What the commands ask of the machine they run on: ports, system packages, and processes that die with us."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

PANGO = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")


def listen(port: int) -> socket.socket | None:
    """A listening socket on this machine's own address, or None when the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
    except OSError:
        listener.close()
        return None
    return listener


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tie_to_parent(last_signal: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn`: the kernel sends `last_signal` when this process is gone, even killed (Linux only)."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def tie() -> None:
        libc.prctl(1, last_signal)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it was gone before we asked
            os._exit(1)

    return tie


def install(packages: tuple[str, ...], purpose: str) -> str | None:
    """Install system packages when that is possible; otherwise the sentence that says what to type."""
    sentence = f"{purpose} needs system packages. Type: sudo apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return sentence
    print(f"Installing {' '.join(packages)}", file=sys.stderr, flush=True)  # noqa: T201
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "check": False}
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    subprocess.run(["apt-get", "update", "-qq"], env=environment, **quiet)
    done = subprocess.run(command, env=environment, **quiet)
    return None if done.returncode == 0 else sentence


def lacks_pango() -> bool:
    names = {
        "linux": ("libpango-1.0.so.0", "libpangoft2-1.0.so.0"),
        "darwin": ("libpango-1.0.dylib", "libpangoft2-1.0.dylib"),
    }.get(sys.platform, ())
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            return True
    return False
