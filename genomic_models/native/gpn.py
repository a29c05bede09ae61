"""GPN: dilated convolutions over one-hot bases, which see both sides of a base that is masked.

Two published forms: ``ConvNet`` (songlab/gpn-brassicales) norms after each part, ``GPN`` before it. Keys and
settings are those that the package ``gpn`` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.network import Network, Said, figure, masked, require

# Bases of the windows on which the published ones were trained; a convolution would read more.
CONTEXT = 512


class Block(nn.Module):
    """A dilated convolution and a feed-forward, each added to the stream.

    Padding is set to 0 before the convolution, as what lies beyond a sequence is.
    """

    def __init__(self, config: Mapping[str, Any], kernel: int, dilation: int, first: bool) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.before = config["model_type"] == "GPN"
        if self.before:
            biased, inner = bool(config.get("bias", False)), figure(config, "intermediate_size")
            groups = width if config.get("depthwise", False) and not first else 1
            convolution = nn.Conv1d(
                width, width, kernel, padding="same", dilation=dilation, bias=biased, groups=groups
            )
            self.conv = nn.ModuleDict(
                {
                    "0": nn.LayerNorm(width, bias=biased),
                    "2": convolution,
                    "5": nn.Linear(width, width, bias=biased),
                }
            )
            self.ffn = nn.ModuleDict(
                {
                    "0": nn.LayerNorm(width, bias=biased),
                    "1": nn.Linear(width, inner, bias=biased),
                    "3": nn.Linear(inner, width, bias=biased),
                }
            )
        else:
            convolution = nn.Conv1d(width, width, kernel, padding="same", dilation=dilation)
            self.conv = nn.ModuleDict({"1": convolution, "4": nn.LayerNorm(width)})
            self.ffn = nn.ModuleDict({"0": nn.Linear(width, width), "2": nn.LayerNorm(width)})

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        conv, ffn = self.conv, self.ffn
        if self.before:
            read = masked(conv["0"](x), mask).transpose(1, 2)
            x = x + conv["5"](functional.gelu(conv["2"](read).transpose(1, 2)))
            return x + ffn["3"](functional.gelu(ffn["1"](ffn["0"](x))))
        seen = conv["1"](masked(x, mask).transpose(1, 2)).transpose(1, 2)
        x = x + conv["4"](functional.gelu(seen))
        return x + ffn["2"](functional.gelu(ffn["0"](x)))


class GPN(Network):
    """The network with its head of masked bases."""

    renamed = (
        (r"^cls\.transform\.", "head."),
        (r"^cls\.decoder\.(?=\d)", "head."),
        (r"^cls\.decoder\.", "head.3."),
        (r"^model\.encoder\.(layer\.)?", "blocks."),
        (r"^model\.", ""),
    )
    unused = r"^embeddings?\."

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        before = config["model_type"] == "GPN"
        require(
            config,
            "GPN",
            {"encoder": "convnet", "embedding": "one_hot", "n_aux_features": 0, "mlm_head_transform": True},
        )
        self.width, self.context = figure(config, "hidden_size"), CONTEXT
        vocabulary = figure(config, "vocab_size")
        biased = bool(config.get("bias", False)) if before else True
        default = (9999, 8) if before else (32, 6)
        longest, cycle = (
            int(config.get("dilation_max", default[0])),
            int(config.get("dilation_cycle", default[1])),
        )
        every, base = int(config.get("dilation_double_every", 1)), int(config.get("dilation_base", 2))
        self.blocks = nn.ModuleList()
        for i in range(figure(config, "num_hidden_layers" if before else "n_layers")):
            if before:
                kernel = int(config.get("rest_kernel_size", 5) if i else config.get("first_kernel_size", 9))
            else:
                kernel = int(config.get("kernel_size", 9))
            dilation = min(longest, base ** (i % cycle // every))
            self.blocks.append(Block(self.config, kernel, dilation, i == 0))
        self.ln_f = nn.LayerNorm(self.width, bias=biased) if before else nn.Identity()
        self.head = nn.Sequential(
            nn.Linear(self.width, self.width, bias=biased),
            nn.GELU(),
            nn.LayerNorm(self.width, bias=biased),
            nn.Linear(self.width, vocabulary, bias=biased),
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        x = functional.one_hot(input_ids, self.width).to(next(self.parameters()).dtype)
        for block in self.blocks:
            x = block(x, attention_mask)
        return Said(self.head(self.ln_f(x)))
