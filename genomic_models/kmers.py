"""Words of k bases side by side: a tokenizer of a vocabulary alone, where a model brings its own as code.

A sequence is cut from its first base on into words of k bases, so that where it begins is the phase: one that
begins a base further left has other words throughout (`phases`). Bases that fill no word at the end are read
as single letters where the vocabulary has these, else the last word is filled up with A. A word with any
other letter is the unknown token. A ``<dna>`` tag in the vocabulary is put in front.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genomic_models.dna import BASES
from genomic_models.errors import ModelError

TAG = "<dna>"
UNKNOWN = ("<unk>", "[UNK]", "<oov>", "unk")
PADDING = ("<pad>", "[PAD]", "pad")
MASKS = ("<mask>", "[MASK]")
# Files that hold a vocabulary, in the order in which they are looked for.
FILES = ("tokenizer.json", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class KmerTokenizer:
    """A tokenizer of words of k bases.

    Attributes
    ----------
    vocabulary : mapping of str to int
        All ``4 ** k`` words, and what else there is.
    k : int
    """

    vocabulary: Mapping[str, int]
    k: int
    model_max_length: None = field(default=None, init=False)

    def get_vocab(self) -> dict[str, int]:
        """Ids by text."""
        return dict(self.vocabulary)

    @property
    def pad_token_id(self) -> int | None:
        """Id of padding."""
        return self._first(PADDING)

    @property
    def mask_token_id(self) -> int | None:
        """Id of what stands in place of a word that is asked for."""
        return self._first(MASKS)

    def _first(self, names: tuple[str, ...]) -> int | None:
        return next((self.vocabulary[name] for name in names if name in self.vocabulary), None)

    def words(self, sequence: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of a sequence's words, and the bases of each; without the tag."""
        ids, spans, whole = [], [], len(sequence) // self.k * self.k
        for start in range(0, whole, self.k):
            ids.append(self._id(sequence[start : start + self.k]))
            spans.append((start, start + self.k))
        rest = sequence[whole:]
        if rest and all(base in self.vocabulary for base in BASES):
            ids += [self._id(letter) for letter in rest]
            spans += [(whole + i, whole + i + 1) for i in range(len(rest))]
        elif rest:
            ids.append(self._id(rest + "A" * (self.k - len(rest))))
            spans.append((whole, len(sequence)))
        return ids, spans

    def encode(self, sequence: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The same with the tag in front, which is of no base."""
        ids, spans = self.words(sequence)
        if TAG in self.vocabulary:
            return [self.vocabulary[TAG], *ids], [(0, 0), *spans]
        return ids, spans

    def _id(self, word: str) -> int:
        found = self.vocabulary.get(word, self._first(UNKNOWN))
        if found is None:
            raise ModelError(f"{word}: no word of the vocabulary, which has no unknown token either")
        return found


def phases(sequence: str, k: int) -> list[tuple[int, str]]:
    """The ``k`` readings of a sequence in words of ``k`` bases: the bases left out in front, and the rest."""
    return [(first, sequence[first:]) for first in range(min(k, len(sequence)))]


def read_kmer_tokenizer(find: Callable[[str], Path | None]) -> KmerTokenizer | None:
    """The tokenizer of a vocabulary that holds all DNA words of one length above 1; None for another.

    ``find`` gives the path of a file of the model by its name, None where it has none.
    """
    for name in FILES:
        path = find(name)
        if path is None:
            continue
        try:
            vocabulary = _read(path)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ModelError(f"{path}: not a readable vocabulary ({error})") from error
        sizes = {len(word) for word in vocabulary if word and not set(word) - set(BASES)}
        for k in sorted(sizes - {1}, reverse=True):
            if sum(len(word) == k and not set(word) - set(BASES) for word in vocabulary) == 4**k:
                return KmerTokenizer(vocabulary, k)
    return None


def _read(path: Path) -> dict[str, int]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".txt":
        return {word: i for i, word in enumerate(text.splitlines())}
    found = json.loads(text)
    if path.name == "tokenizer.json":
        added = {entry["content"]: entry["id"] for entry in found.get("added_tokens", [])}
        found = {**found["model"]["vocab"], **added}
    return {str(word): int(i) for word, i in found.items()}
