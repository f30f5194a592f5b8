# SPDX-License-Identifier: Apache-2.0
"""A worker process, as the supervisor starts it: `python -m armgs_server.worker CONFIG`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from armgs_server import config as configuration
from armgs_server import daemon, log
from armgs_server.supervisor import BUS_VARIABLE, SOCKETS_VARIABLE


def main() -> int:
    """Serves until the supervisor says SIGTERM, or is gone; the exit status."""
    config_path = Path(sys.argv[1])
    config = configuration.load(config_path)
    log.setup(config.log.level)
    bus = _take(os.environ.pop(BUS_VARIABLE))
    sockets = [("", _take(number)) for number in os.environ.pop(SOCKETS_VARIABLE).split(",")]
    return daemon.run_loop(daemon.serve(config, config_path, sockets, bus))


def _take(number: str) -> socket.socket:
    descriptor = int(number)
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


if __name__ == "__main__":
    sys.exit(main())
