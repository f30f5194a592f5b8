# SPDX-License-Identifier: Apache-2.0
"""Asking the daemon that runs: over the socket in its data folder, which its own user may open (metrics/)."""

from __future__ import annotations

import json
import os
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

from armgs_server.config import Config
from armgs_server.errors import Temporary
from armgs_server.metrics.site import SOCKET

TIMEOUT = 30.0


class _Connection(HTTPConnection):
    def __init__(self, config: Config) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._folder = config.data_dir

    def connect(self) -> None:
        """By the folder's descriptor: sockaddr_un holds 107 bytes, and folders may be deep."""
        folder = os.open(self._folder, os.O_PATH | os.O_CLOEXEC)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(TIMEOUT)
            self.sock.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)


def ask(config: Config, path: str) -> Any:
    """The JSON at a path. Temporary where no daemon runs on this data folder, or it does not answer."""
    connection = _Connection(config)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Temporary(f"no daemon serves {config.data_dir} now: systemctl start armgs") from error
    except (OSError, HTTPException) as error:
        raise Temporary(f"the daemon does not answer: {error}") from error
    finally:
        connection.close()
    return json.loads(content)
