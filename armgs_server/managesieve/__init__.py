# SPDX-License-Identifier: Apache-2.0
"""ManageSieve: people keep their mail rules here (RFC 5804), on port 4190.

Invariants:
- A script is taken only when it can run; what is kept with it is what runs.
- One command at a time, answered in order.
"""

from armgs_server.managesieve.service import ManageSieveService
from armgs_server.service import Core


def service(core: Core) -> ManageSieveService:
    """The ManageSieve service of the daemon."""
    return ManageSieveService(core)
