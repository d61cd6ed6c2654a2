"""A record on disk: a CRC-32 of key and rest, one byte of format, then the value.

The checksum finds what a disk did; it is no protection from a person, who could write a fitting one."""

from __future__ import annotations

import zlib

FORMAT = b"\x01"
HEAD_BYTES = 5


def pack(key: bytes, value: bytes) -> bytes:
    """The record of `value` under `key`."""
    rest = FORMAT + value
    return _checksum(key, rest) + rest


def unpack(key: bytes, record: bytes) -> tuple[bytes, bool]:
    """The value, and whether checksum and format are right. What is not right may still be read, with care."""
    rest = record[4:]
    return record[HEAD_BYTES:], _checksum(key, rest) == record[:4] and rest[:1] == FORMAT


def _checksum(key: bytes, rest: bytes) -> bytes:
    return zlib.crc32(rest, zlib.crc32(key)).to_bytes(4)
