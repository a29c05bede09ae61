"""Byte tokenizer of the Evo models: the id of a letter is its ASCII code.

Sequences are upper-cased (lower-case bytes were never inputs in training). N and the other IUPAC codes
are ordinary tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genomic_models.contract import ModelError, Tokens, refuse_empty

# End-of-document id, also used as the start token when scoring.
BEGIN = 0
PAD = 1


def encode(sequences: Sequence[str]) -> Tokens:
    """Upper-case, encode and right-pad sequences with id 1.

    Raises ``ModelError`` for an empty batch, an empty sequence, or a letter that is not ASCII; ``TypeError``
    for one string in place of a batch.
    """
    refuse_empty(sequences)
    rows = []
    for i, sequence in enumerate(sequences):
        if not sequence.isascii():
            raise ModelError(f"sequence {i} has letters that are not ASCII: expected DNA letters")
        rows.append(torch.frombuffer(bytearray(sequence.upper(), "ascii"), dtype=torch.uint8))
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
    return Tokens(ids.long(), lengths)


def decode(ids: Tensor) -> str:
    """Letters of a row of ids; ids below 32 become spaces, as in the published tokenizer."""
    return "".join(chr(max(32, int(i))) for i in ids)
