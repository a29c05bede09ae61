"""Sequence logos: what the strongest bases of a feature have in common around them."""

from __future__ import annotations

import numpy as np

from genomic_models.dna import BASES, IUPAC

COLOURS = {"A": "#2e8b57", "C": "#2c5fa8", "G": "#d99a1c", "T": "#c0392b"}

# Outlines in a box of 100 x 100, y down, drawn for this project; holes by the even-odd rule.
OUTLINES = {
    "A": "M0 100L36 0H64L100 100H78L71 78H29L22 100ZM35 60H65L50 14Z",
    "C": "M98 32C93 12 77 0 53 0C20 0 0 20 0 50S20 100 53 100C77 100 93 88 98 67L76 61"
    "C73 74 65 81 53 81C34 81 23 70 23 50S34 19 53 19C65 19 73 26 76 38Z",
    "G": "M98 30C92 11 76 0 53 0C20 0 0 20 0 50S20 100 53 100C73 100 89 93 98 83V46H52V64H77V74"
    "C71 79 63 81 54 81C34 81 23 69 23 50S34 19 53 19C65 19 73 25 76 36Z",
    "T": "M0 0H100V20H61V100H39V20H0Z",
}

_LETTER = {bases: letter for letter, bases in IUPAC.items()}


def position_frequencies(windows: np.ndarray) -> np.ndarray:
    """Position frequency matrix, float64 (width, 4), from codes uint8 (n, width), A C G T = 0 1 2 3.

    Every window weighs the same; other codes are left out of their column. A column without any
    letter is even.
    """
    if windows.ndim != 2 or windows.size == 0:
        raise ValueError(f"windows of shape {windows.shape}; expected (n, width) with n > 0")
    counts = np.stack([(windows == code).sum(axis=0) for code in range(4)], axis=1)
    known = counts.sum(axis=1, keepdims=True)
    return np.where(known > 0, counts / np.maximum(known, 1), 0.25)


def information(frequencies: np.ndarray, n_windows: int, background: np.ndarray | None = None) -> np.ndarray:
    """Information of every position in bits, float64 (width), never below 0.

    Relative entropy to the background (even by default: 2 bits minus the entropy), less the bias of
    a small sample, 3 / (2 ln 2 n) for four letters (Schneider et al. 1986).
    """
    base = np.full(4, 0.25) if background is None else np.asarray(background, np.float64)
    if base.shape != (4,) or not np.all(base > 0):
        raise ValueError("the background needs four shares above 0, of A, C, G and T")
    ratio = np.where(frequencies > 0, frequencies / (base / base.sum()), 1.0)
    bits = (frequencies * np.log2(ratio)).sum(axis=1)
    return np.maximum(bits - 3 / (2 * np.log(2) * n_windows), 0.0)


def consensus(frequencies: np.ndarray) -> str:
    """IUPAC consensus by the rule of Cavener (1987).

    One letter above half and more than twice the second; else two letters with more than three
    quarters together; else N.
    """
    out = []
    for column in frequencies:
        order = np.argsort(-column, kind="stable")
        first, second = column[order[0]], column[order[1]]
        if first > 0.5 and first > 2 * second:
            out.append(BASES[order[0]])
        elif first + second > 0.75:
            out.append(_LETTER["".join(sorted(BASES[i] for i in order[:2]))])
        else:
            out.append("N")
    return "".join(out)


def contribution_svg(letters: str, heights: np.ndarray, column_width: int = 10, height: int = 90) -> str:
    """Letters as high as their contribution as one SVG element: upright above 0, upside down below.

    Parameters
    ----------
    letters : A, C, G and T
    heights : (n), of any unit; the axis names the largest and the smallest
    """
    margin = 44
    top, bottom = max(0.0, float(heights.max())), min(0.0, float(heights.min()))
    scale = height / max(top - bottom, 1e-12)
    zero = top * scale
    width = margin + 4 + len(letters) * column_width
    parts = [f'<line x1="{margin}" x2="{width}" y1="{zero:.2f}" y2="{zero:.2f}" stroke="currentColor"/>']
    for value, y in ((top, 9.0), (bottom, float(height))):
        if value:
            parts.append(f'<text x="{margin - 4}" y="{y:.0f}" text-anchor="end">{value:.2g}</text>')
    for index, (letter, value) in enumerate(zip(letters, heights.tolist(), strict=True)):
        size, left = abs(value) * scale, margin + 2 + index * column_width
        if size >= 0.3:
            upright = size / 100 if value > 0 else -size / 100
            parts.append(
                f'<path d="{OUTLINES[letter]}" fill="{COLOURS[letter]}" fill-rule="evenodd" '
                f'transform="translate({left} {zero - value * scale if value > 0 else zero + size:.2f}) '
                f'scale({(column_width - 1) / 100:.3f} {upright:.4f})"/>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 2}" width="{width}" '
        f'height="{height + 2}" font-family="sans-serif" font-size="9" fill="currentColor" role="img">'
        f"<title>Contribution of {letters}</title>{''.join(parts)}</svg>"
    )


def logo_svg(
    frequencies: np.ndarray,
    bits: np.ndarray,
    first_position: int = 0,
    column_width: int = 16,
    height: int = 96,
) -> str:
    """A logo as one SVG element: letters stacked by frequency, stacks as high as their bits.

    Parameters
    ----------
    frequencies : (width, 4); bits : (width), from `information`
    first_position : label of the first column; position 0 is the active base and marked
    """
    margin, foot = 22, 14
    parts = [
        f'<line x1="{margin}" x2="{margin}" y1="0" y2="{height}" stroke="currentColor"/>',
        f'<text x="{margin - 4}" y="9" text-anchor="end">2</text>',
        f'<text x="{margin - 4}" y="{height}" text-anchor="end">0</text>',
    ]
    for index, (column, tall) in enumerate(zip(frequencies, bits, strict=True)):
        left = margin + 2 + index * column_width
        below = float(height)
        for code in np.argsort(column, kind="stable"):
            size = float(column[code] * tall / 2 * height)
            if size >= 0.3:
                below -= size
                letter = BASES[code]
                parts.append(
                    f'<path d="{OUTLINES[letter]}" fill="{COLOURS[letter]}" fill-rule="evenodd" '
                    f'transform="translate({left} {below:.2f}) '
                    f'scale({(column_width - 1) / 100:.3f} {size / 100:.4f})"/>'
                )
        position = first_position + index
        if position % 5 == 0:
            weight = ' font-weight="bold"' if position == 0 else ""
            parts.append(
                f'<text x="{left + column_width / 2:.1f}" y="{height + foot - 2}" '
                f'text-anchor="middle"{weight}>{position}</text>'
            )
    width = margin + 4 + len(frequencies) * column_width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + foot}" '
        f'width="{width}" height="{height + foot}" font-family="sans-serif" font-size="9" '
        f'fill="currentColor" role="img"><title>Sequence logo, bits: {consensus(frequencies)}'
        f"</title>{''.join(parts)}</svg>"
    )
