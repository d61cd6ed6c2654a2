"""Verification that a thousand registries in one process can afford: each signature is checked once, by the real
verifier, and the verdict is remembered for the others. A forgery is refused as ever."""

from __future__ import annotations

import hashlib

from p2preg.base.bounded import BoundedDict
from p2preg.crypto.verify import SignatureCheck, verify

VERDICTS_MAX = 262_144  # about 50 MB; a verdict that was forgotten is found again by checking


class RememberingVerifier:
    """Call it like `crypto.verify.verify`."""

    def __init__(self) -> None:
        self._verdicts: BoundedDict[bytes, bool] = BoundedDict(VERDICTS_MAX)

    def __call__(self, check: SignatureCheck) -> bool:
        lengths = bytes((len(check.public_key) % 256, len(check.signature) % 256))
        name = hashlib.sha256(lengths + check.public_key + check.signature + check.message).digest()
        verdict = self._verdicts.get(name)
        if verdict is None:
            verdict = verify(check)
            self._verdicts.set(name, verdict)
        return verdict
