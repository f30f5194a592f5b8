# SPDX-License-Identifier: Apache-2.0
"""Mail in and out: RFC 5321 (SMTP), RFC 6409 (submission), RFC 8314 (TLS), and their extensions.

Invariants:
- The mx port takes mail for the department's own domains only; sending elsewhere needs a log-in.
- 250 after a message means that the store has it, for every recipient that was accepted.
- Only <CRLF>.<CRLF> or a counted chunk ends a message.
- What cannot be delivered is returned to its sender, and a report never causes a report.
"""

from __future__ import annotations

from armgs_server.config import Config
from armgs_server.service import Core
from armgs_server.smtp.routing import Routing
from armgs_server.smtp.service import SmtpService


def service(core: Core) -> SmtpService:
    """The SMTP service of the daemon."""
    return SmtpService(core)


def check(config: Config) -> None:
    """Settings whose form only this package knows: routes and hosts. Invalid."""
    Routing(config.smtp, config.server.hostname)
