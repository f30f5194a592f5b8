# SPDX-License-Identifier: Apache-2.0
"""`armgs certificate renew` and `show`."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import acme
from tests.cli.conftest import Armgs


def test_the_new_certificate_is_of_the_same_authority(armgs: Armgs) -> None:
    tls = armgs.path / "tls"
    before, ca = (tls / "server.crt").read_bytes(), (tls / "ca.crt").read_bytes()
    renewed = armgs("certificate", "renew", armgs.path)
    assert renewed.code == 0
    assert "is new" in renewed.err
    after = (tls / "server.crt").read_bytes()
    assert after != before
    assert (tls / "ca.crt").read_bytes() == ca
    leaf, issuer = x509.load_pem_x509_certificates(after)
    builder = PolicyBuilder().store(Store([x509.load_pem_x509_certificate(ca)]))
    for name in ("digital.example", "conference.finance.example"):
        builder.build_server_verifier(x509.DNSName(name)).verify(leaf, [issuer])


def test_certificates_from_elsewhere_are_left_alone(armgs: Armgs) -> None:
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + '\n[tls]\ncertificate = "/etc/ssl/mine.crt"\n')
    refused = armgs("certificate", "renew", armgs.path)
    assert refused.code == 6
    assert "renew them where they come from" in refused.err


ACME = '\n[tls]\nacme_directory = "https://ca.example/dir"\n'


def test_a_certificate_of_an_acme_ca_is_demanded_of_the_daemon(armgs: Armgs) -> None:
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + ACME)
    before = (armgs.path / "tls" / "server.crt").read_bytes()
    assert armgs("certificate", "renew", armgs.path).code == 0
    assert (armgs.path / "tls" / "server.crt").read_bytes() == before

    async def demanded(workplace: Workplace) -> bool:
        return (await workplace.store.read(acme.state)).demanded

    assert armgs.work(demanded)
    shown = armgs("certificate", "show", "--json").json
    assert shown["authority"] == "https://ca.example/dir"
    assert shown["next order"] == "as soon as it can be"


def test_what_is_shown(armgs: Armgs) -> None:
    shown = armgs("certificate", "show", "--json").json
    assert shown["file"] == str(armgs.path / "tls" / "server.crt")
    assert "digital.example" in shown["names"]
    assert shown["days left"] > 390
    assert "authority" not in shown
