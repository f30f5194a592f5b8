# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells of itself while it runs: figures for Prometheus, and who is connected.

Each serving process counts for itself (measures.py). Who asks is answered by the process that was started:
the daemon, or with several workers their supervisor, which asks all of them over the bus and adds up. It
listens on a Unix socket in the data folder, for `armgs who` and `armgs top`, and where `[metrics] listen`
says.
"""

from armgs_server.metrics.inquiry import Asking
from armgs_server.metrics.site import Site, check
from armgs_server.metrics.telling import Telling

__all__ = ["Asking", "Site", "Telling", "check"]
