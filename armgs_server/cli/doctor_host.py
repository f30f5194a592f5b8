# SPDX-License-Identifier: Apache-2.0
"""The host as a server needs it: disk, durable writes, clock; certificates as clients are shown them; and how
long mail has waited."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from armgs_server.cli.findings import Finding, Status
from armgs_server.cli.probes import TIMEOUT, ClientContext
from armgs_server.config import Config
from armgs_server.formats.addresses import to_ascii
from armgs_server.net.certificates import server_names
from armgs_server.storage import Store, clock
from armgs_server.storage import queue as rows

CERTIFICATE_DAYS = 30  # less than this is a warning
FREE_SHARE, FREE_SHARE_LOW = 0.05, 0.10  # of the disk and of its inodes: a problem, a warning
SLOW_FSYNC = 0.05  # seconds; every delivery waits for one
FSYNCS = 8
CLOCK_APART = 2 * clock.SECOND  # between this host and the database's
QUEUE_OLD = 4 * clock.HOUR  # mail that has waited for longer is told of to its sender, too
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_SIZE = 512  # bytes; struct timex has 208


def fsync_time(directory: Path) -> float:
    """Seconds that a durable write of one page takes there: the median of some."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(FSYNCS):
            begin = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def disk(config: Config) -> Iterator[Finding]:
    """Room, inodes, and how long a durable write takes."""
    usage = shutil.disk_usage(config.data_dir)
    fields = {"free": f"{usage.free / 2**30:.1f}", "share": f"{usage.free / usage.total:.0%}"}
    yield _room("disk", "disk", usage.free / usage.total, fields)
    system = os.statvfs(config.data_dir)
    if system.f_files:
        share = system.f_favail / system.f_files
        yield _room("inodes", "inodes", share, {"free": system.f_favail, "share": f"{share:.0%}"})
    took = fsync_time(config.data_dir)
    slow = took >= SLOW_FSYNC
    yield Finding(
        "fsync",
        "warning" if slow else "ok",
        "fsync",
        {"took": f"{took * 1000:.2f}"},
        "slow_disk" if slow else "",
    )


def _room(check: str, text: str, share: float, fields: Mapping[str, Any]) -> Finding:
    status: Status = "ok" if share >= FREE_SHARE_LOW else "warning" if share >= FREE_SHARE else "problem"
    return Finding(check, status, text, fields, "" if status == "ok" else "make_room")


def host_clock() -> Iterator[Finding]:
    """Whether something keeps the clock right: log-ins by TOTP, certificates and DKIM need it."""
    adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    state = -1 if adjtimex is None else adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    if state == -1:  # not Linux, or a sandbox that forbids it
        yield Finding("clock", "skipped", "clock_unknown")
    elif state == _TIME_ERROR:
        yield Finding("clock", "warning", "clock_free", advice="set_clock")
    else:
        yield Finding("clock", "ok", "clock_kept")


async def store(store: Store) -> list[Finding]:
    """The database answers, its clock is ours, and no mail is stuck."""
    begin = time.perf_counter()
    waiting = await store.read(rows.waiting)
    took = time.perf_counter() - begin
    found = [Finding("database", "ok", "database", {"took": f"{took * 1000:.1f}"}, seconds=took)]
    apart = abs(clock.now() - time.time_ns() // 1000)
    if apart > CLOCK_APART:
        fields = {"apart": f"{apart / clock.SECOND:.1f}"}
        found.append(Finding("clock", "problem", "clocks_apart", fields, "set_clock"))
    age = max(0, clock.now() - waiting.oldest) if waiting.oldest else 0
    status: Status = "ok" if age < QUEUE_OLD else "warning"
    counted = {"count": waiting.count, "held": waiting.held, "hours": f"{age / clock.HOUR:.1f}"}
    found.append(Finding("queue", status, "queue", counted, "" if status == "ok" else "look_at_queue"))
    return found


def certificates(config: Config, host: str, ca: Path | None) -> Iterator[Finding]:
    """The certificate that the running daemon shows, for each name that a client may ask for.

    On 443 for browsers, DAV and configuration files; what mail and chat are shown is seen by their log-ins.
    """
    names = server_names(to_ascii(config.server.hostname), config.server.domains)
    refused: list[str] = []
    reason, days = "", None
    for name in names:
        try:
            days = _days_left(host, config.port(443), name, ca)
        except ssl.SSLCertVerificationError as error:
            refused.append(name)
            reason = error.verify_message
        except OSError as error:
            fields = {"port": config.port(443), "error": f"{type(error).__name__}: {error}"}
            yield Finding("certificate", "problem", "certificate_unseen", fields, "start")
            return
    yield from _judged(names, refused, reason, days)


def _judged(names: Sequence[str], refused: Sequence[str], reason: str, days: int | None) -> Iterator[Finding]:
    if refused:
        # The host's own name is what everybody connects to; others matter to some clients only.
        status: Status = "problem" if names[0] in refused else "warning"
        fields = {"names": ", ".join(refused), "reason": reason}
        yield Finding("certificate", status, "certificate_refused", fields, "renew")
    if days is not None:
        status = "ok" if days >= CERTIFICATE_DAYS else "warning"
        fields = {"names": str(len(names) - len(refused)), "days": str(days)}
        yield Finding("certificate", status, "certificate", fields, "" if status == "ok" else "renew")


def _days_left(host: str, port: int, name: str, ca: Path | None) -> int:
    context = ClientContext.trusting(ca, name)
    with (
        socket.create_connection((host, port), TIMEOUT) as plain,
        context.wrap_socket(plain) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
        assert shown is not None, "a server always shows one"
        certificate = x509.load_der_x509_certificate(shown)
    return (certificate.not_valid_after_utc - datetime.now(UTC)).days
