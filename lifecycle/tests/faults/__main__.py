"""What `make test-faults` runs: every fault at full size, once, because it brings its own servers; arguments go to
pytest. The last line counts the tests; above it stand the figures."""

import os
import signal
import sys

from lifecycle.tests.suite import closing_line, prepare, run

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    prepare()
    os.environ["FAULTS"] = "all"
    sys.exit(closing_line(run("Faults", ["-m", "fault", *sys.argv[1:]])))
