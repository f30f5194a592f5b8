# SPDX-License-Identifier: Apache-2.0
"""The command `armgs`, one file a subcommand; `app.py` puts them together.

RFC 4155 (mbox), RFC 4180 (CSV), RFC 5545 §3.4 (calendar streams), XEP-0227 (export of chat).

Invariants:
- Commands act on the store through the functions that the services use, beside a running daemon or not.
- Passwords come from standard input only, and none is ever printed but the demonstration's.
- Results go to standard output, as a table or as JSON; everything else to standard error.
"""
