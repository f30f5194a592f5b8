# SPDX-License-Identifier: Apache-2.0
"""A worker process, as the supervisor starts it: `python -m armgs_server.worker CONFIG`."""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import tomllib
from pathlib import Path

from armgs_server import config as configuration
from armgs_server import daemon, log
from armgs_server.worker_process import BUS_VARIABLE, CONFIG_VARIABLE, SOCKETS_VARIABLE


def main() -> int:
    """Serves until the supervisor says SIGTERM, or is gone; the exit status."""
    config_path = Path(sys.argv[1])
    faulthandler.enable()  # a worker that stands still is ended by SIGABRT: the journal gets its stack
    with os.fdopen(int(os.environ.pop(CONFIG_VARIABLE)), "rb") as settings:
        settings.seek(0)
        config = configuration.parse(tomllib.loads(settings.read().decode()), config_path.absolute().parent)
    log.setup(config.log.level, config.log.backlog)
    bus = _take(os.environ.pop(BUS_VARIABLE))
    sockets = [("", _take(number)) for number in os.environ.pop(SOCKETS_VARIABLE).split(",")]
    return daemon.run_loop(daemon.serve(config, config_path, sockets, bus))


def _take(number: str) -> socket.socket:
    descriptor = int(number)
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


if __name__ == "__main__":
    sys.exit(main())
