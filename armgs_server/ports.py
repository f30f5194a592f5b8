# SPDX-License-Identifier: Apache-2.0
"""The standard ports that are listened on: always, or where the configuration says so."""

from armgs_server.config import COMPONENT_PORT, LMTP_PORT, Config

HTTP, HTTPS = 80, 443
STREAM_PORTS = (25, 465, 587, 143, 993, 4190, 5222, 5223)
POP3_PORTS = (110, 995)  # where POP3 is on
LDAP_PORTS = (389, 636)  # where LDAP is on
SERVER_PORTS = (5269, 5270)  # other XMPP servers, where the federation is on


def optional_ports(config: Config) -> list[int]:
    """The ports that are listened on only where the configuration says so."""
    federation = config.federation
    ports = [*POP3_PORTS] if config.pop3.enabled else []
    ports += LDAP_PORTS if config.ldap.enabled else ()
    ports += SERVER_PORTS if federation.enabled else ()
    ports += [LMTP_PORT] if config.smtp.lmtp_hosts or config.smtp.lmtp_socket else []
    return [*ports, COMPONENT_PORT] if federation.components else ports
