"""The key file: private, whole, never overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2preg.base.errors import ConfigError
from p2preg.crypto.keys import IdentityKey
from p2preg.storage.keyfile import load, load_or_create, write_new

ALICE = IdentityKey(b"a" * 32)


def test_a_key_is_made_once_and_then_found(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    made = load_or_create(path)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert load_or_create(path).seed == made.seed
    assert os.listdir(tmp_path) == ["identity.pem"]


def test_two_keys_differ(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "one").seed != load_or_create(tmp_path / "two").seed


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    write_new(path, ALICE)
    with pytest.raises(ConfigError, match="exists"):
        write_new(path, IdentityKey(b"m" * 32))
    assert load(path).seed == ALICE.seed
    assert os.listdir(tmp_path) == ["identity.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_open_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "identity.pem"
    write_new(path, ALICE)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_or_create(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    write_new(path, ALICE)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        load_or_create(path)


def test_a_link_a_directory_and_a_pipe_are_no_key_files(tmp_path: Path) -> None:
    write_new(tmp_path / "real", ALICE)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "directory").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "dangling", "directory", "pipe"):
        with pytest.raises(ConfigError):
            load_or_create(tmp_path / name)


def test_something_else_than_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    path.touch(0o600)
    with pytest.raises(ConfigError, match="PEM"):
        load_or_create(path)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_or_create(tmp_path / "nowhere" / "identity.pem")
