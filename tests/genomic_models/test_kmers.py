"""Words of k bases: where they lie, what fills the last one, and vocabularies in every published form."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from genomic_models.errors import ModelError
from genomic_models.kmers import KmerTokenizer, phases, read_kmer_tokenizer

WORDS = ["".join(letters) for letters in itertools.product("ACGT", repeat=3)]


def vocabulary(*others: str) -> dict[str, int]:
    return {word: i for i, word in enumerate([*others, *WORDS])}


def texts(tokenizer: KmerTokenizer, ids: list[int]) -> list[str]:
    by_id = {i: word for word, i in tokenizer.vocabulary.items()}
    return [by_id[i] for i in ids]


@pytest.mark.parametrize(
    ("others", "expected", "spans"),
    [
        (("<unk>",), ["ACG", "<unk>", "TTA"], [(0, 3), (3, 6), (6, 8)]),  # filled up with A
        (("<unk>", *"ACGT"), ["ACG", "<unk>", "T", "T"], [(0, 3), (3, 6), (6, 7), (7, 8)]),
        (("<unk>", "<dna>"), ["<dna>", "ACG", "<unk>", "TTA"], [(0, 0), (0, 3), (3, 6), (6, 8)]),
    ],
)
def test_words_and_what_is_left(others: tuple[str, ...], expected: list[str], spans: list) -> None:
    tokenizer = KmerTokenizer(vocabulary(*others), 3)
    ids, found = tokenizer.encode("ACGTNATT")
    assert (texts(tokenizer, ids), found) == (expected, spans)
    assert texts(tokenizer, tokenizer.words("ACGTNATT")[0]) == [word for word in expected if word != "<dna>"]


def test_no_unknown_token() -> None:
    with pytest.raises(ModelError, match="TNA: no word of the vocabulary, which has no unknown token"):
        KmerTokenizer(vocabulary(), 3).encode("ACGTNATT")


def test_readings_of_every_phase_hold_every_word() -> None:
    """Together they read each word of the sequence once, at its place."""
    sequence, tokenizer = "ACGTTGCAAG", KmerTokenizer(vocabulary(), 3)
    found = {}
    for first, rest in phases(sequence, 3):
        ids, spans = tokenizer.encode(rest)
        for word, (start, end) in zip(texts(tokenizer, ids), spans, strict=True):
            if end - start == 3:
                found[first + start] = word
    assert found == {i: sequence[i : i + 3] for i in range(len(sequence) - 2)}


@pytest.mark.parametrize("name", ["vocab.txt", "vocab.json", "tokenizer.json"])
def test_vocabularies_from_files(tmp_path: Path, name: str) -> None:
    words = vocabulary("<pad>", "<mask>", *"ACGT")
    forms = {
        "vocab.txt": "\n".join(words),
        "vocab.json": json.dumps(words),
        "tokenizer.json": json.dumps(
            {
                "model": {"vocab": {word: i for word, i in words.items() if i}},
                "added_tokens": [{"content": "<pad>", "id": 0}],
            }
        ),
    }
    (tmp_path / name).write_text(forms[name])

    def find(asked: str) -> Path | None:
        return tmp_path / asked if (tmp_path / asked).exists() else None

    tokenizer = read_kmer_tokenizer(find)
    assert tokenizer is not None and (tokenizer.k, dict(tokenizer.vocabulary)) == (3, words)
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (0, 1)
    # One word is missing: what would it be read as?
    (tmp_path / name).write_text(forms[name].replace("ACG", "acg"))
    assert read_kmer_tokenizer(find) is None
    (tmp_path / name).write_text("[1" if name != "vocab.txt" else "")
    if name == "vocab.txt":
        assert read_kmer_tokenizer(find) is None
    else:
        with pytest.raises(ModelError, match="not a readable vocabulary"):
            read_kmer_tokenizer(find)
