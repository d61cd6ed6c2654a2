"""The certificate of a link: X.509 (RFC 5280), self-signed, and its key is the identity key (Ed25519, RFC 8410).

It carries the key and nothing else. Whom it names and when it is valid are fixed and never looked at, so that a wrong
clock can't keep two registries apart.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from p2preg.base.errors import RemoteProtocolError
from p2preg.crypto.keys import IdentityKey
from p2preg.crypto.verify import is_identity

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "p2preg")])
_NOT_BEFORE = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)  # RFC 5280 4.1.2.5: no well-defined end
_SERIAL = 1


def make_certificate(key: IdentityKey) -> x509.Certificate:
    """The one certificate of `key`: the same bytes each time."""
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    builder = x509.CertificateBuilder(_NAME, _NAME, private.public_key(), _SERIAL, _NOT_BEFORE, _NOT_AFTER)
    return builder.sign(private, algorithm=None)


def public_key_of(certificate: x509.Certificate) -> bytes:
    """The 32-byte identity that `certificate` carries. `RemoteProtocolError` unless it is an Ed25519 key of the
    prime-order subgroup: for others OpenSSL accepts signatures that nobody made."""
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RemoteProtocolError(f"an Ed25519 certificate was expected: {error}") from None
    if not isinstance(public, Ed25519PublicKey):
        raise RemoteProtocolError(f"an Ed25519 certificate was expected, got {type(public).__name__}")
    raw = public.public_bytes_raw()
    if not is_identity(raw):
        raise RemoteProtocolError("the certificate's key is of small order or not canonical: it can't be an identity")
    return raw
