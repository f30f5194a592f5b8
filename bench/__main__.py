# SPDX-License-Identifier: Apache-2.0
"""`make bench`: runs every load driver in turn, each on a daemon of its own, and prints one table.

`python -m bench smtp imap` runs only these; `--json` prints JSON. A driver that fails is named at the end and
makes the exit code 1; the figures of the others stand.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

from bench.common import Row, print_rows

DRIVERS = ("smtp", "imap", "xmpp", "dav_files", "dav_calendar", "http")
TIMEOUT = 1800.0  # seconds for one driver
ROOT = Path(__file__).parent.parent


def run(driver: str) -> list[Row] | None:
    """The rows of one driver, or None when it failed (its errors have gone to standard error)."""
    print(f"running {driver} …", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{driver}", "--json"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{driver}: {error}", file=sys.stderr)
        return None
    return [Row(**row) for row in json.loads(done.stdout)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the server under load.")
    parser.add_argument(
        "drivers", nargs="*", metavar="DRIVER", help=f"of {', '.join(DRIVERS)}; all by default"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    unknown = set(arguments.drivers) - set(DRIVERS)
    if unknown:
        parser.error(f"no such driver: {', '.join(sorted(unknown))}")
    results = {driver: run(driver) for driver in arguments.drivers or DRIVERS}
    rows = [row for found in results.values() if found is not None for row in found]
    if not arguments.json:
        print(f"Python {platform.python_version()}, {platform.machine()}, Linux {platform.release()}")
    print_rows(rows, as_json=arguments.json)
    failed = [driver for driver, found in results.items() if found is None]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
