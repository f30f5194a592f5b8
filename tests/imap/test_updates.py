# SPDX-License-Identifier: Apache-2.0
"""What others changed, as untagged responses: RFC 3501 §5.2, §7.4."""

from __future__ import annotations

from armgs_server.imap.updates import serialise_updates
from armgs_server.imap.view import View
from armgs_server.storage.mail_query import MailChanges


def lines(
    view: View, changes: MailChanges, *, may_expunge: bool = True, modseqs: bool = False
) -> list[bytes]:
    enabled = {"CONDSTORE"} if modseqs else set()
    return serialise_updates(view, changes, may_expunge=may_expunge, enabled=enabled)


def test_who_knows_qresync_is_told_uids() -> None:
    view = View([1, 4, 5, 9], 10)
    changes = MailChanges([], [4, 5, 7], 12)
    enabled = {"CONDSTORE", "QRESYNC"}
    assert serialise_updates(view, changes, may_expunge=True, enabled=enabled) == [b"* VANISHED 4:5\r\n"]
    assert list(view.uids) == [1, 9]


def test_expunge_comes_before_exists_before_fetch() -> None:
    view = View([1, 2, 3], 10)
    changes = MailChanges([(3, 1, "", 12), (4, 0, "", 13)], [1], 13)
    assert lines(view, changes) == [
        b"* 1 EXPUNGE\r\n",
        b"* 3 EXISTS\r\n* 0 RECENT\r\n",
        b"* 2 FETCH (UID 3 FLAGS (\\Seen))\r\n",
    ]
    assert view.modseq == 13
    assert list(view.uids) == [2, 3, 4]


def test_expunge_waits_where_it_may_not_be_sent() -> None:
    view = View([1, 2, 3], 10)
    assert lines(view, MailChanges([(3, 1, "", 12)], [1], 12), may_expunge=False) == [
        b"* 3 FETCH (UID 3 FLAGS (\\Seen))\r\n"
    ]
    assert view.gone == {1}
    assert lines(view, MailChanges([], [], 12)) == [b"* 1 EXPUNGE\r\n"]


def test_own_changes_are_not_told_again() -> None:
    view = View([1, 2], 10)
    view.own.add(11)
    assert lines(view, MailChanges([(1, 1, "", 11), (2, 1, "", 12)], [], 12)) == [
        b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
    ]
    assert view.own == set()


def test_who_knows_condstore_is_told_modseqs() -> None:
    assert lines(View([1], 10), MailChanges([(1, 1, "", 11)], [], 11), modseqs=True) == [
        b"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (11))\r\n"
    ]


def test_nothing_new_is_nothing_to_tell() -> None:
    assert lines(View([1], 10), MailChanges([], [99], 11)) == []


def test_a_new_keyword_is_named_in_flags_before_it_is_told() -> None:
    view = View([1], 10, ["$Forwarded"])
    rows = [(1, 0, "$Forwarded Urgent", 11)]
    assert lines(view, MailChanges(rows, [], 11)) == [
        b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded Urgent)\r\n",
        b"* 1 FETCH (UID 1 FLAGS ($Forwarded Urgent))\r\n",
    ]
    assert lines(view, MailChanges([(1, 0, "urgent", 12)], [], 12)) == [
        b"* 1 FETCH (UID 1 FLAGS (urgent))\r\n"
    ]
