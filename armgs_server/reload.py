# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: configuration and certificates are read again, checked whole, and put in place (decision 8).

A file that is wrong changes nothing. Whoever keeps the Config or a section of it, and reads a setting when
it is needed, goes by the new value from the next turn of the loop; no connection is ended.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from armgs_server import config as configuration
from armgs_server import log, metrics, smtp, trust, xmpp
from armgs_server.config import Config
from armgs_server.directory import forms
from armgs_server.errors import Invalid, Unusable
from armgs_server.net.tls import TlsContexts, open_contexts

# Settings whose form only the service knows that uses them: each raises Invalid.
_CHECKS: tuple[Callable[[Config], None], ...] = (
    forms.check,
    metrics.check,
    smtp.check,
    trust.check,
    xmpp.check,
)

_log = log.get("reload")


def check(config: Config) -> None:
    """What `config.load` cannot know: certificates and the services' own settings. Invalid."""
    open_contexts(config)
    for check_service in _CHECKS:
        check_service(config)


def take_over(config: Config, path: Path, tls: TlsContexts | None, report: Callable[..., None]) -> bool:
    """Brings the Config in use, and its certificates, to what the file says; False where it is wrong.

    `report` writes the line that says what was changed: a worker leaves that to its supervisor.
    """
    try:
        loaded = configuration.load(path)
        check(loaded)
        if tls is not None and loaded.tls.certificate:
            tls.reload(*loaded.certificate_files)
    except (Invalid, Unusable) as error:
        _log.error("reload refused, nothing was changed", error=error)
        return False
    was_secured = bool(config.tls.certificate)
    changed, waiting = configuration.adopt(config, loaded)
    if bool(loaded.tls.certificate) != was_secured:
        waiting.append("tls.certificate")  # whether there is TLS at all is settled at the start
    log.setup(config.log.level, config.log.backlog)
    report("reloaded", changed=",".join(changed) or "nothing", needs_restart=",".join(waiting) or "nothing")
    return True
