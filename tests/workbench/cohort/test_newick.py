"""Trees against Biopython; trees as deep as they have leaves; what is no tree."""

from __future__ import annotations

import random
from io import StringIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from Bio import Phylo

from workbench.cohort.newick import parse_newick
from workbench.cohort.relatedness import read_tree
from workbench.errors import InputError


def grown(seed: int, leaves: int) -> str:
    """A tree with up to four branches a node, comments, quotes and labels of inner nodes."""
    draw = random.Random(seed)
    parts = [f"s{i}" for i in range(leaves)]
    while len(parts) > 1:
        draw.shuffle(parts)
        some = [parts.pop() for _ in range(min(len(parts), draw.randint(2, 4)))]
        lengths = [draw.choice(["0", "1e-3", f"{draw.random():.4f}", "2"]) for _ in some]
        inside = ",".join(f"{s}:{n}" for s, n in zip(some, lengths, strict=True))
        parts.append(f"({inside})" + draw.choice(["", "0.95", "'an inner one'", "[&x=1]"]))
    return parts[0] + ";"


@pytest.mark.parametrize("seed", range(5))
def test_relatedness_as_biopython(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "t.nwk"
    path.write_text(grown(seed, 25))
    names = [f"s{i}" for i in random.Random(seed).sample(range(25), 12)]
    tree = Phylo.read(StringIO(path.read_text()), "newick")
    found = read_tree(path, names)
    for (i, a), (j, b) in product(enumerate(names), repeat=2):
        ancestor = tree.common_ancestor(a, b)
        assert found.kinship[i, j] == pytest.approx(tree.distance(tree.root, ancestor))
        assert found.distance[i, j] == pytest.approx(tree.distance(a, b))


def test_a_tree_as_deep_as_it_has_leaves(tmp_path: Path) -> None:
    """Isolates added one by one, each to all before it."""
    path = tmp_path / "t.nwk"
    count = 5000
    path.write_text("(" * count + "s0:1" + "".join(f",s{i}:1):1" for i in range(1, count + 1)) + ";")
    found = read_tree(path, ["s0", "s1", f"s{count}"])
    np.testing.assert_array_equal(
        found.distance, [[0, 2, count + 1], [2, 0, count + 1], [count + 1, count + 1, 0]]
    )


def test_labels() -> None:
    tree = parse_newick(" ( 'a b' :1, 'it''s':2 [not (this, one)], _c.1|x:-0.5 ) inner : 3 ; ")
    assert tree.label == ["inner", "a b", "it's", "_c.1|x"]
    assert (tree.parent, tree.length) == ([-1, 0, 0, 0], [0, 1, 2, -0.5])


BAD = {
    "(a:1,b:1": "it ends before the tree does",
    "(a:1,b:1));": "a bracket closes that was never opened",
    "(a:1,b:1);(c:1,d:1);": "several trees",
    "(a:1,b);": r"a branch without length \(above 'b'\)",
    "(a:1,b:x);": "a branch of length 'x'",
    "(a:1,b:nan);": "a branch of length 'nan'",
    "(a:1,b:);": r"a branch without length \(above 'b'\)",
    "(a b:1,c:1);": "'b' where a comma or a bracket is expected",
    "(a:1(b:1,c:1):1);": "a bracket opens after a label",
    "('a:1,b:1);": "' without its end, at letter 2",
    "[" * 1_000_000: r"\[ without its end, at letter 1",
    "(" * 1_000_000: "it ends before the tree does",
    "('" * 1_000_000: "",
    "''" * 1_000_000: "samples of the cohort are not in it",
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:20])
def test_what_is_no_tree(tmp_path: Path, text: str) -> None:
    """Among it a million brackets, over which a search that starts anew at each would not end."""
    path = tmp_path / "t.nwk"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"t\.nwk: .*{BAD[text]}"):
        read_tree(path, ["a", "b"])
