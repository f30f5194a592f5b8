# SPDX-License-Identifier: Apache-2.0
"""`make bench`: runs every load driver in turn, each on a daemon of its own, and prints one table.

`python -m bench smtp imap` runs only these; `--json` prints JSON; `--store postgresql` runs each on SQLite
and on PostgreSQL and prints both beside each other. A driver that fails is named at the end and makes the
exit code 1; the figures of the others stand.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bench import engines
from bench.report import Row, print_pairs, print_rows

DRIVERS = (
    "smtp",
    "sending",
    "imap",
    "arrival",
    "mail",
    "trust",
    "rules",
    "xmpp",
    "sasl2",
    "oauth",
    "logins",
    "messenger",
    "dav_files",
    "dav_calendar",
    "http",
    "workers",
    "idle",
    "hosts",
    "growth",
    "directory",
)
TIMEOUT = 1800.0  # seconds for one driver
ROOT = Path(__file__).parent.parent


def run(driver: str, engine: str) -> list[Row] | None:
    """The rows of one driver, or None when it failed (its errors have gone to standard error)."""
    print(f"running {driver} on {engine} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"bench.{driver}", "--json", "--store", engine]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        except BaseException as error:  # Ctrl-C among them: the driver ends its servers first
            process.terminate()
            process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            print(f"{driver}: not done after {TIMEOUT:.0f} s", file=sys.stderr)
            return None
    if process.returncode:
        print(f"{driver}: ended with {process.returncode}", file=sys.stderr)
        return None
    return [Row(**row) for row in json.loads(output)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the server under load.")
    parser.add_argument(
        "drivers", nargs="*", metavar="DRIVER", help=f"of {', '.join(DRIVERS)}; all by default"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--store", choices=engines.ENGINES, default=engines.SQLITE, help="the store's engine")
    arguments = parser.parse_args()
    unknown = set(arguments.drivers) - set(DRIVERS)
    if unknown:
        parser.error(f"no such driver: {', '.join(sorted(unknown))}")
    drivers = arguments.drivers or DRIVERS
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    used = dict.fromkeys((engines.SQLITE, arguments.store))
    results = {engine: {driver: run(driver, engine) for driver in drivers} for engine in used}
    rows = {
        engine: [row for found in each.values() if found is not None for row in found]
        for engine, each in results.items()
    }
    _print(rows, as_json=arguments.json)
    failed = [
        f"{driver} on {engine}"
        for engine, each in results.items()
        for driver, found in each.items()
        if found is None
    ]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _print(rows: dict[str, list[Row]], *, as_json: bool) -> None:
    """The rows of one engine, or of two beside each other; JSON has them by engine."""
    if as_json:
        print(json.dumps({engine: [asdict(row) for row in each] for engine, each in rows.items()}))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}, Linux {platform.release()}")
    if len(rows) == 1:
        print_rows(*rows.values())
    else:
        print_pairs(rows[engines.SQLITE], rows[engines.POSTGRESQL])


if __name__ == "__main__":
    sys.exit(main())
