"""The command line's way to write a filter, into the JSON tree of the contract.

    region=eu-west codecs=video/AV1 load<0.7 !labels.tier=test kind=sfu,mcu operator within=52.37,4.9,500

Terms are joined by spaces and mean `and`. `= != < <= > >=`; several values with commas mean `in`; `=` on a list field
means `has`; a field alone means `exists`; `!` before a term negates it; `within=latitude,longitude,km`. In double
quotes every character stands for itself, `\\"` for the quote and `\\\\` for the backslash. Text that begins with `{` is
taken as the JSON tree itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from p2preg.base.errors import Refused
from p2preg.base.limits import FILTER_LEAVES_MAX
from p2preg.index.filter import invalid, parse_filter, too_complex
from p2preg.index.schema import Kind, field_type

Tree = dict[str, object]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_CHARACTERS_MAX = 40  # longer digits have no meaning here, and Python refuses integers of thousands
_WHITESPACE = " \t\r\n"
_OPERATORS = ("!=", "<=", ">=", "=", "<", ">")
_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


@dataclass(frozen=True, slots=True)
class _Item:
    """One value of a term, and the position at which it begins."""

    text: str
    position: int


def parse_text(text: str) -> Tree:
    """The JSON tree that `text` says; `parse_filter` accepts it. Raises `Refused` -32004 that names the position."""
    if text.lstrip(_WHITESPACE).startswith("{"):
        return _parse_json(text)
    terms = _Reader(text).terms()
    tree: Tree = terms[0] if len(terms) == 1 else {"and": terms}
    parse_filter(tree)
    return tree


def _parse_json(text: str) -> Tree:
    try:
        tree: Tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise _invalid_at(error.pos, f"JSON was expected: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _invalid_at(0, "JSON with shorter numbers and less nesting was expected") from None
    parse_filter(tree)
    return tree


class _Reader:
    """Reads terms from left to right. Positions count characters from 1, as an editor does."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def terms(self) -> list[Tree]:
        terms: list[Tree] = []
        while self._skip_whitespace():
            if len(terms) == FILTER_LEAVES_MAX:
                raise too_complex(_path(self._at), f"at most {FILTER_LEAVES_MAX} terms are allowed")
            terms.append(self._term())
        return terms

    def _skip_whitespace(self) -> bool:
        while self._at < len(self._text) and self._text[self._at] in _WHITESPACE:
            self._at += 1
        return self._at < len(self._text)

    def _term(self) -> Tree:
        start = self._at
        negated = self._take("!")
        field = self._word(_WHITESPACE + "=!<>", "the name of a field")
        operator = next((sign for sign in _OPERATORS if self._take(sign)), "")
        items = self._items() if operator else []
        term = _tree(field, operator, items)
        try:
            parse_filter(term)
        except Refused as error:
            raise _at_position(error, start) from None
        return {"not": term} if negated else term

    def _items(self) -> list[_Item]:
        items = [self._item()]
        while self._take(","):
            items.append(self._item())
        return items

    def _item(self) -> _Item:
        if self._text[self._at : self._at + 1] in tuple("=!<>"):
            raise _invalid_at(self._at, "a value was expected, got an operator; quote it if it is meant")
        return self._word(_WHITESPACE + ",", "a value")

    def _word(self, ends: str, expected: str) -> _Item:
        """Characters up to one of `ends`, those in double quotes taken as they are."""
        start = self._at
        characters: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in ends:
            if self._take('"'):
                self._quoted(characters, self._at - 1)
            else:
                characters.append(self._text[self._at])
                self._at += 1
        if self._at == start:
            raise _invalid_at(start, f"{expected} was expected")
        return _Item("".join(characters), start)

    def _quoted(self, characters: list[str], start: int) -> None:
        while not self._take('"'):
            self._take("\\")
            if self._at == len(self._text):
                raise _invalid_at(start, "the double quote that begins here is never closed")
            characters.append(self._text[self._at])
            self._at += 1

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True


def _tree(field: _Item, operator: str, items: list[_Item]) -> Tree:
    """The tree of one term without its `!`."""
    name = field.text
    if name == "within":
        return _within(field, operator, items)
    known = field_type(name)
    if known is None:
        raise _invalid_at(field.position, f"the name of a field was expected, got {json.dumps(name[:40])}")
    if not operator:
        return {"exists": name}
    values = [_number(item) if known.kind is Kind.NUMBER else item.text for item in items]
    if operator in _COMPARISONS:
        if len(values) > 1:
            raise _invalid_at(items[1].position, f"one value was expected after {operator}")
        return {_COMPARISONS[operator]: [name, values[0]]}
    if known.kind is Kind.LIST:
        return _list_tree(name, operator, values)
    if operator == "=":
        return {"eq": [name, values[0]]} if len(values) == 1 else {"in": [name, values]}
    unequal: list[Tree] = [{"ne": [name, value]} for value in values]
    return unequal[0] if len(unequal) == 1 else {"and": unequal}


def _list_tree(name: str, operator: str, values: list[object]) -> Tree:
    has: list[Tree] = [{"has": [name, value]} for value in values]
    if operator == "=":
        return has[0] if len(has) == 1 else {"or": has}
    # As `ne`, this is false for a record without the field.
    return {"and": [{"exists": name}, *({"not": term} for term in has)]}


def _within(field: _Item, operator: str, items: list[_Item]) -> Tree:
    if operator != "=" or len(items) != 3:
        raise _invalid_at(field.position, "within=latitude,longitude,km was expected")
    latitude, longitude, km = (_number(item) for item in items)
    return {"within": {"latitude": latitude, "longitude": longitude, "km": km}}


def _number(item: _Item) -> object:
    if len(item.text) > _NUMBER_CHARACTERS_MAX or not _NUMBER.fullmatch(item.text):
        raise _invalid_at(item.position, f"a number was expected, got {json.dumps(item.text[:40])}")
    try:
        return int(item.text)
    except ValueError:
        return float(item.text)


def _at_position(error: Refused, at: int) -> Refused:
    """An error about one term's tree, told as an error about the text."""
    return Refused(error.code, error.reason, f"{_path(at)}: {error.message}", path=_path(at))


def _invalid_at(at: int, message: str) -> Refused:
    return invalid(_path(at), message)


def _path(at: int) -> str:
    return f"character {at + 1}"
