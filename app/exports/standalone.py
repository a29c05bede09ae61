"""A view as one page for somebody without the study: the canvas and all that it shows, in one file.

It opens from a disk without a network: nothing is fetched and nothing is sent, which its own policy forbids
the browser. Names, notes and labels in it are text.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from app import links
from app.canvas import modes
from app.canvas.component import asset, scripts
from app.canvas.message import MOST_CODES, View, around, whole_message
from app.data.study import Opened
from app.verdict_text import label_sentences, short_label
from workbench import InputError
from workbench.files.pages import templates
from workbench.genome.interval import Interval
from workbench.wording import bases, spoken

HERE = Path(__file__).parent
# Bytes of a page, at most.
MOST_BYTES = 10_000_000
# Views that it holds, bases that it holds at least, and the most that are held base by base.
VIEWS, LEAST, MOST = 9, 20_000, 400_000


class Feature(NamedTuple):
    """A feature in the table of a page."""

    number: int
    label: str
    sentences: list[str]


def held_stretch(opened: Opened, view: View) -> Interval:
    """The stretch around a view that its page holds: nine views, on its contig."""
    size = view.locus.size
    most = max(size, min(MOST, MOST_CODES // (2 * max(1, len(view.features)))))
    return around(opened, view.locus, (min(most, max(LEAST, VIEWS * size)) - size) // 2)


def view_page(opened: Opened, view: View) -> str:
    """The page of a view of the browser; ``InputError`` where it would be too large."""
    held = held_stretch(opened, view)
    lines = [
        f"{spoken(*view.locus)}, {bases(view.locus.size)}; the picture moves within {spoken(*held)}. Strength"
        " is a share of full scale, the value that 99.9 % of a feature's active bases do not reach."
    ]
    message = whole_message(opened, view, held, {"shown": modes.shown(opened, view)})
    # A file that was dropped on the page is with its reader alone.
    command = "" if view.own else view_command(opened.evidence.name, view)
    return make_page(opened, spoken(*view.locus), message, view.features, lines, command)


def view_command(folder: str, view: View) -> str:
    """The command that writes the page of a view of the study in a folder.

    It names place, features and tracks where these are all of the view, else its address.
    """
    query, names = view.query, [track.name for track in view.tracks]
    words = ["--address", str(links.Address("browse", query))]
    if set(query) <= {"at", "features", "tracks"} and not any("," in name for name in names):
        words = ["--at", spoken(*view.locus), "--features", ",".join(map(str, view.features)) or "none"]
        words += ["--tracks", ",".join(names) or "none"]
    return shlex.join(["workbench", "view", folder, *words, "--out", "view.html"])


def make_page(
    opened: Opened, title: str, message: bytes, features: Sequence[int], lines: list[str], command: str = ""
) -> str:
    """A page that shows a message of the canvas which needs no server.

    Parameters
    ----------
    title : str
    message : bytes
        Of `whole_message` or of `app.stretch.strips`.
    features : sequence of int
        Those whose labels and verdicts are listed.
    lines : list of str
        What is said of the view.
    command : str
        What makes the page again.

    Raises
    ------
    InputError
        For a page of more than ``MOST_BYTES``.
    """
    evidence, manifest = opened.evidence, opened.evidence.manifest
    model, genome = manifest.model, manifest.inputs["genome"]
    css = Markup(asset("browser.css") + asset("standalone.css"))
    script = Markup(scripts() + "\n" + asset("standalone.js"))
    rules = ["default-src 'none'", f"script-src {_hash(script)}", f"style-src {_hash(css)}"]
    rules += ["img-src data: blob:", "base-uri 'none'", "form-action 'none'"]
    packed = base64.b64encode(gzip.compress(message, 6, mtime=0)).decode()
    text = templates(HERE).get_template("standalone.html.j2").render(
        title=f"{title}, study {evidence.name}",
        policy="; ".join(rules),
        css=css,
        canvas=Markup(asset("browser.html")),
        lines=lines,
        features=[Feature(f, short_label(evidence, f), label_sentences(evidence, f)) for f in features],
        origin=[
            ("study", evidence.name),
            ("model", f"{model.shown_name}, {model.layer}, weights {model.weights_hash}"),
            ("autoencoder", str(evidence.sae["hash"])),
            ("genome", f"{Path(genome.path).name}, {genome.sha256}"),
            ("settings", manifest.hash),
        ],
        command=command,
        held=Markup(packed),
        script=script,
    )  # fmt: skip
    if len(text.encode()) > MOST_BYTES:
        raise InputError(
            f"the page would have more than {MOST_BYTES // 1_000_000} MB: draw fewer features, a shorter view"
        )
    return text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
