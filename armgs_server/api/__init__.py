# SPDX-License-Identifier: Apache-2.0
"""The JSON API for administrators: the verbs of armgs_server.administration over HTTP, below /api/v1/.

RFC 8259 (JSON), RFC 9457 (problem details), RFC 7617 (Basic), RFC 6750 (Bearer). The document that describes
it (OpenAPI 3.1) is made of the same table as the routes, and is served at /api/openapi.json.
"""

from armgs_server.api.app import Api
from armgs_server.service import Core, Service


def service(core: Core) -> Service:
    """The API as the daemon mounts it."""
    return Api(core)
