# SPDX-License-Identifier: Apache-2.0
"""The extensions, one file each, listed by hand. Features and IQ routes are gathered from the files.

A file may declare `FEATURES` (of the server), `ACCOUNT_FEATURES` (of a person's bare JID) and `ROUTES`
(IQs it answers). No file here imports the router, presence or the streams: those import the files.
"""

from __future__ import annotations

from armgs_server.xmpp.xeps import (
    xep_0012_last,
    xep_0030_disco,
    xep_0049_private,
    xep_0050_commands,
    xep_0050_table,
    xep_0054_vcard,
    xep_0055_search,
    xep_0059_rsm,
    xep_0077_registration,
    xep_0092_version,
    xep_0115_caps,
    xep_0160_offline,
    xep_0163_disco,
    xep_0163_pep,
    xep_0191_blocking,
    xep_0199_ping,
    xep_0202_time,
    xep_0215_services,
    xep_0280_carbons,
    xep_0313_mam,
    xep_0357_push,
    xep_0359_stanza_ids,
    xep_0377_reporting,
    xep_0424_retraction,
    xep_0441_preferences,
    xep_0494_access,
)

SERVER_FEATURES = (
    *xep_0012_last.FEATURES,
    *xep_0030_disco.FEATURES,
    *xep_0049_private.FEATURES,
    *xep_0050_commands.FEATURES,
    *xep_0054_vcard.FEATURES,
    *xep_0055_search.FEATURES,
    *xep_0059_rsm.FEATURES,
    *xep_0077_registration.FEATURES,
    *xep_0092_version.FEATURES,
    *xep_0115_caps.FEATURES,
    *xep_0160_offline.FEATURES,
    *xep_0191_blocking.FEATURES,
    *xep_0199_ping.FEATURES,
    *xep_0202_time.FEATURES,
    *xep_0215_services.FEATURES,
    *xep_0280_carbons.FEATURES,
    *xep_0359_stanza_ids.FEATURES,
    *xep_0377_reporting.FEATURES,
    *xep_0424_retraction.FEATURES,
)
ACCOUNT_FEATURES = (
    *xep_0030_disco.ACCOUNT_FEATURES,
    *xep_0049_private.ACCOUNT_FEATURES,
    *xep_0054_vcard.ACCOUNT_FEATURES,
    *xep_0163_pep.ACCOUNT_FEATURES,
    *xep_0199_ping.ACCOUNT_FEATURES,
    *xep_0313_mam.ACCOUNT_FEATURES,
    *xep_0357_push.ACCOUNT_FEATURES,
    *xep_0359_stanza_ids.FEATURES,
    *xep_0424_retraction.FEATURES,
    *xep_0494_access.ACCOUNT_FEATURES,
)
ROUTES = (
    *xep_0012_last.ROUTES,
    *xep_0030_disco.ROUTES,
    *xep_0049_private.ROUTES,
    *xep_0050_table.ROUTES,
    *xep_0054_vcard.ROUTES,
    *xep_0055_search.ROUTES,
    *xep_0077_registration.ROUTES,
    *xep_0092_version.ROUTES,
    *xep_0163_disco.ROUTES,
    *xep_0163_pep.ROUTES,
    *xep_0191_blocking.ROUTES,
    *xep_0199_ping.ROUTES,
    *xep_0202_time.ROUTES,
    *xep_0215_services.ROUTES,
    *xep_0280_carbons.ROUTES,
    *xep_0313_mam.ROUTES,
    *xep_0357_push.ROUTES,
    *xep_0441_preferences.ROUTES,
    *xep_0494_access.ROUTES,
)
