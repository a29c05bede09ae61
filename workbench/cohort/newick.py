"""Trees in Newick, read in one pass: they may be as deep as they have leaves."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.files.numbers import parse_number
from workbench.files.text import read_lines

_LABEL = re.compile(r"[^\s()\[\]',:;]+")


class Tree(NamedTuple):
    """Nodes of a rooted tree, each after its parent, the root first.

    parent : place of the parent, -1 for the root
    length : of the branch above, 0 for the root
    label : empty where there is none
    """

    parent: list[int]
    length: list[float]
    label: list[str]


def _tokens(text: str) -> Iterator[str]:
    """Brackets, commas, colons, semicolons, and labels behind a letter ``'``; comments are left out."""
    at = 0
    while at < len(text):
        letter = text[at]
        if letter.isspace():
            at += 1
        elif letter == "[":
            at = _after(text, "]", at)
        elif letter == "'":
            begin, at = at, _after(text, "'", at)
            while text.startswith("'", at):
                at = _after(text, "'", at)
            yield "'" + text[begin + 1 : at - 1].replace("''", "'")
        elif label := _LABEL.match(text, at):
            at = label.end()
            yield "'" + label[0]
        else:
            at += 1
            yield letter


def _after(text: str, mark: str, at: int) -> int:
    """The place after the next ``mark`` behind ``at``."""
    found = text.find(mark, at + 1)
    if found < 0:
        raise ValueError(f"{text[at]} without its end, at letter {at + 1:,}")
    return found + 1


def parse_newick(text: str) -> Tree:
    """The one tree of a text; ``ValueError`` says what is wrong.

    Every branch but that of the root must have a length, a finite number. Labels of inner nodes are kept.
    """
    tree = Tree([-1], [math.nan], [""])
    node, before, ended = 0, "", False
    for token in _tokens(text):
        if ended:
            raise ValueError("several trees")
        if token == "(":
            if before not in ("", "(", ","):
                raise ValueError("a bracket opens after a label")
            node = _add(tree, node)
        elif token in (",", ")"):
            if node == 0:
                raise ValueError("a bracket closes that was never opened")
            node = tree.parent[node]
            node = _add(tree, node) if token == "," else node
        elif token == ";":
            ended = True
        elif before == ":":
            tree.length[node] = _length(token)
        elif token != ":":
            if before not in ("", "(", ",", ")"):
                raise ValueError(f"{token[1:21]!r} where a comma or a bracket is expected")
            tree.label[node] = token[1:]
        before = token
    if node:
        raise ValueError("it ends before the tree does")
    tree.length[0] = 0.0
    bare = next((i for i, length in enumerate(tree.length) if math.isnan(length)), 0)
    if bare:
        raise ValueError(f"a branch without length (above {tree.label[bare][:20]!r})")
    return tree


def _add(tree: Tree, parent: int) -> int:
    tree.parent.append(parent)
    tree.length.append(math.nan)
    tree.label.append("")
    return len(tree.parent) - 1


def _length(token: str) -> float:
    try:
        return parse_number(token.removeprefix("'"))
    except ValueError:
        raise ValueError(f"a branch of length {token[1:21]!r}") from None


def read_newick(path: Path) -> Tree:
    """The tree of a file; ``InputError`` for one that is not Newick, or several."""
    try:
        return parse_newick("\n".join(line for _, line in read_lines(path)))
    except ValueError as error:
        raise InputError(f"{path}: not Newick: {error}; expected one tree, (A:1,B:2);") from None
