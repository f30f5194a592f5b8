# SPDX-License-Identifier: Apache-2.0
"""armgs_server: one daemon, one store, one directory behind XMPP, IMAP, SMTP, CalDAV, CardDAV and WebDAV."""

__version__ = "0.1.0"
