# SPDX-License-Identifier: Apache-2.0
"""The command table (RFC 3501 §6). Capabilities are computed from it: nothing is announced that no line
here carries."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from armgs_server.imap.command import Spec, State
from armgs_server.imap.commands import (
    acl,
    append,
    basic,
    compress,
    context,
    copy_move,
    expunge,
    fetch,
    idle,
    language,
    list,
    login,
    mailboxes,
    metadata,
    multisearch,
    notify,
    quota,
    replace,
    search,
    select,
    sort,
    status,
    store,
    url_auth,
)
from armgs_server.imap.threads import ALGORITHMS

_NEW = State.NOT_AUTHENTICATED
_SELECTED = State.SELECTED
_IN = State.AUTHENTICATED | State.SELECTED
_ANY = _NEW | _IN
_SEARCHING = ("ESEARCH", "SEARCHRES", "WITHIN", "PARTIAL", "INPROGRESS", "SEARCH=FUZZY", "CONTEXT=SEARCH")

COMMANDS: Mapping[str, Spec] = {
    "CAPABILITY": Spec(basic.handle_capability, _ANY, ("IMAP4rev1", "IMAP4rev2", "LITERAL+")),
    "NOOP": Spec(basic.handle_noop, _ANY),
    "LOGOUT": Spec(basic.handle_logout, _ANY),
    "ID": Spec(basic.handle_id, _ANY, ("ID",)),
    "STARTTLS": Spec(login.handle_starttls, _NEW),
    "AUTHENTICATE": Spec(login.handle_authenticate, _NEW, ("SASL-IR",)),
    "LOGIN": Spec(login.handle_login, _NEW),
    "UNAUTHENTICATE": Spec(login.handle_unauthenticate, _IN, ("UNAUTHENTICATE",)),
    "COMPRESS": Spec(compress.handle_compress, _IN, ("COMPRESS=DEFLATE",)),
    "LANGUAGE": Spec(language.handle_language, _ANY, ("LANGUAGE", "I18NLEVEL=1")),
    "ENABLE": Spec(basic.handle_enable, _IN, ("ENABLE", "UTF8=ACCEPT", "UIDONLY")),
    "SELECT": Spec(select.handle_select, _IN, ("CONDSTORE", "QRESYNC")),
    "EXAMINE": Spec(select.handle_examine, _IN),
    "CREATE": Spec(mailboxes.handle_create, _IN, ("CREATE-SPECIAL-USE",)),
    "DELETE": Spec(mailboxes.handle_delete, _IN),
    "RENAME": Spec(mailboxes.handle_rename, _IN),
    "SUBSCRIBE": Spec(mailboxes.handle_subscribe, _IN),
    "UNSUBSCRIBE": Spec(mailboxes.handle_unsubscribe, _IN),
    "LIST": Spec(
        list.handle_list,
        _IN,
        ("CHILDREN", "LIST-EXTENDED", "LIST-METADATA", "LIST-MYRIGHTS", "LIST-STATUS", "SPECIAL-USE"),
    ),
    "LSUB": Spec(list.handle_lsub, _IN),
    "NAMESPACE": Spec(list.handle_namespace, _IN, ("NAMESPACE",)),
    "STATUS": Spec(status.handle_status, _IN, ("STATUS=SIZE", "OBJECTID")),
    "GETMETADATA": Spec(metadata.handle_getmetadata, _IN, ("METADATA",)),
    "SETMETADATA": Spec(metadata.handle_setmetadata, _IN),
    "GETACL": Spec(acl.handle_getacl, _IN, ("ACL", "RIGHTS=texk")),
    "SETACL": Spec(acl.handle_setacl, _IN),
    "DELETEACL": Spec(acl.handle_deleteacl, _IN),
    "LISTRIGHTS": Spec(acl.handle_listrights, _IN),
    "MYRIGHTS": Spec(acl.handle_myrights, _IN),
    "APPEND": Spec(append.handle_append, _IN, ("MULTIAPPEND", "CATENATE")),
    "IDLE": Spec(idle.handle_idle, _IN, ("IDLE",)),
    "NOTIFY": Spec(notify.handle_notify, _IN, ("NOTIFY",)),
    "ESEARCH": Spec(multisearch.handle_esearch, _IN, ("MULTISEARCH",)),
    "CANCELUPDATE": Spec(context.handle_cancelupdate, _SELECTED),
    "GETQUOTA": Spec(quota.handle_getquota, _IN, ("QUOTA", "QUOTA=RES-STORAGE")),
    "SETQUOTA": Spec(quota.handle_setquota, _IN, ("QUOTASET",)),
    "GETQUOTAROOT": Spec(quota.handle_getquotaroot, _IN),
    "GENURLAUTH": Spec(url_auth.handle_genurlauth, _IN, ("URLAUTH",)),
    "URLFETCH": Spec(url_auth.handle_urlfetch, _IN),
    "RESETKEY": Spec(url_auth.handle_resetkey, _IN),
    "CHECK": Spec(basic.handle_check, _SELECTED),
    "CLOSE": Spec(select.handle_close, _SELECTED),
    "UNSELECT": Spec(select.handle_unselect, _SELECTED, ("UNSELECT",)),
    "EXPUNGE": Spec(expunge.handle_expunge, _SELECTED),
    "UID EXPUNGE": Spec(expunge.handle_uid_expunge, _SELECTED, ("UIDPLUS",)),
    "SEARCH": Spec(search.handle_search, _SELECTED, _SEARCHING, may_expunge=False, by_number=True),
    "UID SEARCH": Spec(search.handle_uid_search, _SELECTED),
    "SORT": Spec(
        sort.handle_sort,
        _SELECTED,
        ("SORT", "SORT=DISPLAY", "ESORT", "CONTEXT=SORT"),
        may_expunge=False,
        by_number=True,
    ),
    "UID SORT": Spec(sort.handle_uid_sort, _SELECTED),
    "THREAD": Spec(
        sort.handle_thread,
        _SELECTED,
        tuple(f"THREAD={name}" for name in ALGORITHMS),
        may_expunge=False,
        by_number=True,
    ),
    "UID THREAD": Spec(sort.handle_uid_thread, _SELECTED),
    "FETCH": Spec(fetch.handle_fetch, _SELECTED, may_expunge=False, by_number=True),
    "UID FETCH": Spec(fetch.handle_uid_fetch, _SELECTED, ("BINARY", "PREVIEW", "SAVEDATE")),
    "STORE": Spec(store.handle_store, _SELECTED, may_expunge=False, by_number=True),
    "UID STORE": Spec(store.handle_uid_store, _SELECTED),
    "REPLACE": Spec(replace.handle_replace, _SELECTED, ("REPLACE",), by_number=True),
    "UID REPLACE": Spec(replace.handle_uid_replace, _SELECTED),
    "COPY": Spec(copy_move.handle_copy, _SELECTED, by_number=True),
    "UID COPY": Spec(copy_move.handle_uid_copy, _SELECTED),
    "MOVE": Spec(copy_move.handle_move, _SELECTED, ("MOVE",), by_number=True),
    "UID MOVE": Spec(copy_move.handle_uid_move, _SELECTED),
}


@functools.cache
def offered(state: State) -> tuple[str, ...]:
    """The capabilities of the commands that a state allows, or, behind the log-in, of all."""
    return tuple(
        name
        for spec in COMMANDS.values()
        if state is not State.NOT_AUTHENTICATED or State.NOT_AUTHENTICATED in spec.states
        for name in spec.capabilities
    )
