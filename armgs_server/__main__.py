# SPDX-License-Identifier: Apache-2.0
"""`python -m armgs_server` is the command `armgs`."""

from __future__ import annotations

import sys

from armgs_server.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
