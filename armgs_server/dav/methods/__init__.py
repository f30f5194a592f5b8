# SPDX-License-Identifier: Apache-2.0
"""The methods of WebDAV, one file each; listed by hand."""

from armgs_server.dav.methods import (
    copy_move,
    delete,
    index,
    lock,
    mkcol,
    options,
    propfind,
    proppatch,
    put,
    report,
)

# In the order in which Allow names them.
METHODS = (
    options.METHOD,
    *index.METHODS,
    put.METHOD,
    delete.METHOD,
    mkcol.METHOD,
    *copy_move.METHODS,
    propfind.METHOD,
    proppatch.METHOD,
    *lock.METHODS,
    report.METHOD,
)
