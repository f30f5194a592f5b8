# SPDX-License-Identifier: Apache-2.0
"""What is seen of the daemon while it runs."""

from dataclasses import dataclass

from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Figures for Prometheus, summed over the workers of a host."""

    listen: tuple[str, ...] = setting(
        (),
        doc='Where they are read over HTTP: "127.0.0.1:9464", "[::1]:9464", or a path for a Unix socket.\n'
        "Whoever can connect there reads them: they name no people.",
        restart=True,
    )
    timeout: float = setting(
        2.0, doc="A worker that does not answer within this time is left out.", minimum=0.1, maximum=60
    )


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Backups into a folder (`armgs backup add`)."""

    keep: str = setting(
        "7d,4w,12m",
        doc="Which of them stay: the last one of each of 7 days, 4 weeks and 12 months. h and y are hours\n"
        'and years; "" keeps all. The newest stays always, and all do as long as bodies are missing in\n'
        "the store.",
    )
    rate: int = setting(
        0, doc="Megabytes a second that a backup reads and writes at the most; 0 = no limit.", minimum=0
    )
