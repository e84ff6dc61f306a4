"""A certificate for this machine (本机证书): browsers keep offline pages and camera to HTTPS, and a first look needs one.

A local authority is made once and kept in the home; whoever adds it to the browser's authorities sees no warning. An
installation that others use gets its certificate from the network's own authority instead (`--certificate`, `--key`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from warehouse.key_files import replaced

DAYS = 397
"""The longest that browsers accept."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate: the server's with its key, and the local authority to trust."""

    certificate: Path
    key: Path
    authority: Path


def local(folder: Path, names: Sequence[str], now: datetime) -> Certificate:
    """Return the certificate of this machine for the given names and addresses, made or renewed when needed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    if made.certificate.exists() and made.key.exists() and _serves(made.certificate, names, now):
        return made
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "onefact local authority")])
    authority = _begun(authority_name, authority_name, authority_key, now)
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    authority = authority.add_extension(_usage(signs=True), critical=True)
    root = authority.sign(authority_key, hashes.SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    server = _begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]), authority_name, key, now)
    server = server.add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
    server = server.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    leaf = server.add_extension(_usage(signs=False), critical=True).sign(authority_key, hashes.SHA256())
    # The authority's key is not kept: it signs this one certificate, and nobody can make another with it.
    replaced(made.key, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    replaced(made.authority, root.public_bytes(serialization.Encoding.PEM))
    replaced(made.certificate, leaf.public_bytes(serialization.Encoding.PEM))
    return made


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    moment = now.astimezone(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(moment - timedelta(hours=1))
    return builder.not_valid_after(moment + timedelta(days=DAYS))


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _serves(file: Path, names: Sequence[str], now: datetime) -> bool:
    """Return whether a certificate is for all these names and good for another week."""
    try:
        held = x509.load_pem_x509_certificate(file.read_bytes())
        alternative = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return all(_name(n) in alternative for n in names) and held.not_valid_after_utc > now.astimezone(UTC) + timedelta(
        days=7
    )
