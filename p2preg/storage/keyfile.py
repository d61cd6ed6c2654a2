"""The identity key on disk: a PKCS 8 PEM that only its owner can read."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from pathlib import Path

from p2preg.base.errors import ConfigError
from p2preg.crypto.keys import SEED_BYTES, IdentityKey
from p2preg.storage.datadir import sync_directory

KEY_FILE_BYTES_MAX = 4_096  # a PEM of an Ed25519 key has about 120


def load_or_create(path: Path) -> IdentityKey:
    """The key in `path`, made and written there when there is no such file; `ConfigError` as for its two halves."""
    if not os.path.lexists(path):
        write_new(path, IdentityKey(secrets.token_bytes(SEED_BYTES)))
    return load(path)


def load(path: Path) -> IdentityKey:
    """The key in `path`. `ConfigError` unless it is a regular file of ours that nobody else can read or write, and
    holds an Ed25519 key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise ConfigError(f"the key file {path} cannot be read: {reason}") from error
    try:
        _check_private(path, os.fstat(descriptor))
        return IdentityKey.from_pem(os.read(descriptor, KEY_FILE_BYTES_MAX))
    finally:
        os.close(descriptor)


def write_new(path: Path, key: IdentityKey) -> None:
    """Write `key` to `path`, whole or not at all, mode 0600, durable. `ConfigError` when something is there."""
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # O_EXCL, mode 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(key.to_pem())
                file.flush()
                os.fsync(descriptor)
            os.link(draft, path)  # unlike a rename, fails when the name is taken
        finally:
            os.unlink(draft)
        sync_directory(path.parent)
    except FileExistsError:
        raise ConfigError(f"{path} exists and is not overwritten: move it away if a new identity is meant") from None
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be written: {error.strerror}") from error


def _check_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"the key file {path} must be a regular file")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"the key file {path} belongs to user {found.st_uid}, not to {os.geteuid()}: chown it")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigError(f"the key file {path} is open to others (mode {mode:04o}): run chmod 600 {path}")
