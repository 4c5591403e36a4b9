"""A process on a host whose clock is wrong: `python .../skewed.py SECONDS manage.py dispatch`.

Its clock is that far off from the start. On SIGUSR1 it jumps by JUMP_SECONDS of its environment, on SIGUSR2 back.
"""

import os
import runpy
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine


def main() -> None:
    seconds, script, *_ = sys.argv[1:]
    host = time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(seconds)), tick=True).start()
    jump = timedelta(seconds=float(os.environ.get("JUMP_SECONDS", "0")))
    signal.signal(signal.SIGUSR1, lambda *_: host.shift(jump))
    signal.signal(signal.SIGUSR2, lambda *_: host.shift(-jump))
    sys.argv, sys.path[0] = sys.argv[2:], str(Path.cwd())
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
