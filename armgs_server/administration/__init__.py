# SPDX-License-Identifier: Apache-2.0
"""Administration: one table of verbs, which the commands, the JSON API and the pages have in common.

Invariants:
- A verb is one transaction, with the act that it is written down as (storage.acts): both or neither.
- Who administers one department learns nothing of another (verb.Desk).
- Whatever a verb does can be shown before it is done (directory.effects), but for those with transactions of
  their own.
"""

from armgs_server.administration.office import Office
from armgs_server.administration.table import TABLE, VERBS
from armgs_server.administration.verb import Verb

__all__ = ["TABLE", "VERBS", "Office", "Verb"]
