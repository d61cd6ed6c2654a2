"""One question to the first registry that can be reached, and ids given by their first digits."""

from __future__ import annotations

import argparse
import string
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import trio

from p2preg.base.errors import ConfigError
from p2preg.base.ids import ID_BYTES
from p2preg.cli import options
from p2preg.client import CannotConnect, Connection, RpcError, connect

ID_DIGITS = 2 * ID_BYTES
PREFIX_DIGITS_MIN = 4  # fewer match too much to be meant
PAGE = 1_000

T = TypeVar("T")


def ask(arguments: argparse.Namespace, question: Callable[[Connection], Awaitable[T]]) -> T:
    """The answer to `question`, put to the first of the registries that can be reached."""
    work = partial(_ask, options.registries(arguments), options.tls(arguments), question)
    return trio.run(work, restrict_keyboard_interrupt_to_checkpoints=True)


def call(arguments: argparse.Namespace, method: str, params: dict[str, Any]) -> Any:
    """The result of one method. Parameters that are None are left out."""

    async def question(connection: Connection) -> Any:
        return await connection.call(method, given(params))

    return ask(arguments, question)


def given(params: dict[str, Any]) -> dict[str, Any]:
    """Without the parameters that are None."""
    return {name: value for name, value in params.items() if value is not None}


async def _ask(urls: Sequence[str], tls: Any, question: Callable[[Connection], Awaitable[T]]) -> T:
    failures: list[str] = []
    for url in urls:
        try:
            async with connect(url, tls=tls) as connection:
                return await question(connection)
        except CannotConnect as error:
            failures.append(str(error))
    raise CannotConnect(f"{'; '.join(failures)}. Is a registry running there? Name one with --rpc URL")


async def full_ids(connection: Connection, texts: Sequence[str]) -> list[str]:
    """The ids meant by `texts`: whole ids as they are, shorter ones as the first digits of exactly one known node."""
    texts = [text.lower() for text in texts]
    for text in texts:
        _check_digits(text)
    if all(len(text) == ID_DIGITS for text in texts):
        return list(texts)
    known = await _known_ids(connection)
    return [text if len(text) == ID_DIGITS else _only(text, known) for text in texts]


async def full_id(connection: Connection, text: str) -> str:
    [node_id] = await full_ids(connection, [text])
    return node_id


def _check_digits(text: str) -> None:
    if not PREFIX_DIGITS_MIN <= len(text) <= ID_DIGITS or text.strip(string.hexdigits):
        raise ConfigError(
            f"an id has {ID_DIGITS} hex digits, of which at least {PREFIX_DIGITS_MIN} are needed: {text!r}"
        )


async def _known_ids(connection: Connection) -> list[str]:
    found: list[str] = []
    params: dict[str, Any] = {"include": "all", "fields": [], "limit": PAGE}
    while True:
        page = await connection.call("nodes.list", params)
        found += [node["node_id"] for node in page["nodes"]]
        if not page.get("next_page_token"):
            return found
        params["page_token"] = page["next_page_token"]


def _only(prefix: str, known: Sequence[str]) -> str:
    matching = [node_id for node_id in known if node_id.startswith(prefix)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise RpcError(-32002, f"no node is known whose id begins with {prefix}", {"reason": "node.unknown"})
    raise ConfigError(
        f"{len(matching)} nodes have ids that begin with {prefix}: {', '.join(matching[:4])}, …: add digits"
    )
