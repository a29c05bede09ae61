"""Sessions saved and restored; broken and foreign files refused with nothing written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workbench.study_factory import N_FEATURES, make_study
from workbench.errors import InputError
from workbench.study.bookmarks import Bookmark, read_bookmarks, write_bookmarks
from workbench.study.feature_lists import read_lists, write_list
from workbench.study.notes import Note, read_notes, write_note
from workbench.study.session_file import parse_session, read_session, restore_session, session_text
from workbench.study.study import Study

MARKUP = "<img src=x onerror=alert(1)>"
WRITTEN = ("notes.json", "lists.json", "bookmarks.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with notes, a list, a bookmark."""
    study = make_study(tmp_path_factory.mktemp("session")).study
    write_note(study.folder, 3, Note(MARKUP, 4, True, name="stop <b>codons</b>"))
    write_list(study.folder, "mine", [7, 3, 7])
    write_bookmarks(study.folder, [Bookmark("chrA", 200, 800, "gene1")])
    return study


@pytest.fixture
def copy(made: Study, tmp_path: Path) -> Study:
    """The same study elsewhere, with nothing written in it."""
    folder = shutil.copytree(made.folder, tmp_path / "copy")
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)
    return Study.open(folder)


def test_a_session_comes_back_in_a_copy_of_the_study(made: Study, copy: Study) -> None:
    views = {"browse": "at=chrA:0-900&features=3,7"}
    text = session_text(made, read_session(made, views))
    found = parse_session(copy, text)
    assert str(found) == "1 note, 1 list, 1 bookmark, 1 view, 0 nodes" and found.views == views
    write_note(copy.folder, 3, Note("of before", 1))
    write_note(copy.folder, 5, Note("stays", 2))
    restore_session(copy, found)
    notes = read_notes(copy.folder)
    assert notes[3] == read_notes(made.folder)[3] and notes[3].text == MARKUP and notes[5].text == "stays"
    assert read_lists(copy.folder) == {"mine": [7, 3]}
    assert read_bookmarks(copy.folder) == [Bookmark("chrA", 200, 800, "gene1")]
    # What was saved of the copy holds the same and more.
    assert parse_session(made, session_text(copy, read_session(copy, {}))).notes[3] == notes[3]


def sealed(values: dict[str, Any]) -> str:
    """A file whose hash is right."""
    values.pop("sha256", None)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return json.dumps({**values, "sha256": digest})


Change = Callable[[dict[str, Any]], object]
WRONG: list[tuple[Change, str]] = [
    (lambda v: v.update(genome="0" * 64), "of another genome, 000000000000; this study has [0-9a-f]{12}"),
    (lambda v: v.update(autoencoder="0" * 64), "of another autoencoder, 000000000000; this study has"),
    (lambda v: v.update(kind="x"), "no session"),
    (lambda v: v.update(version=2), "version 2; this workbench reads version 1"),
    (lambda v: v["notes"].update({str(N_FEATURES): {}}), f"feature {N_FEATURES}; this study has"),
    (lambda v: v["notes"].update({"-1": {}}), "something else than notes"),
    (lambda v: v["notes"].update({"1": {"rating": 9}}), "rating 9"),
    (lambda v: v["notes"].update({"1": {"rating": "9"}}), "something else than notes"),
    (lambda v: v["notes"].update({"1": {"text": "x" * 3000}}), "at most 2,000"),
    (lambda v: v["notes"].update({"9" * 5000: {}}), "something else than notes"),
    (lambda v: v["notes"].update({"1": {"text": "x", "time": "x" * 99}}), "time of 99 characters"),
    (lambda v: v["notes"].update({"1": {"text": "x", "time": "\ud800"}}), "surrogates not allowed"),
    (lambda v: v["bookmarks"].append({"chrom": "\ud800", "start": 0, "end": 1}), "surrogates not allowed"),
    (lambda v: v["views"].update({"browse": "at=\ud800"}), "surrogates not allowed"),
    (lambda v: v["lists"].update({"x": ["3"]}), "lists are not"),
    (lambda v: v["lists"].update({"x" * 99: [3]}), "name of 99 characters"),
    (lambda v: v["bookmarks"].append({"chrom": "chrA", "start": 0, "end": 10**6}), "not on the genome"),
    (lambda v: v["bookmarks"].append({"chrom": "chrZ", "start": 0, "end": 1}), "not on the genome"),
    (lambda v: v["views"].update({"browse": "x" * 9000}), "addresses at most"),
    (lambda v: v.update(views=[1]), "views are not"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_foreign_file_is_refused_in_a_sentence(
    made: Study, copy: Study, change: Change, words: str
) -> None:
    values = json.loads(session_text(made, read_session(made, {})))
    change(values)
    with pytest.raises(InputError, match=words) as error:
        parse_session(copy, sealed(values))
    assert "\n" not in str(error.value)
    assert not any((copy.folder / name).exists() for name in WRITTEN)


def test_damage_is_found_by_the_hash(made: Study) -> None:
    text = session_text(made, read_session(made, {}))
    for damaged in ("", "[]", text[:-40], text.replace("stop", "stap"), text.encode()[:99].decode()):
        with pytest.raises(
            InputError, match=r"cannot be read as JSON|no session|has the hash [0-9a-f]{12}, it"
        ):
            parse_session(made, damaged)


def test_the_command_saves_and_restores(
    made: Study, copy: Study, tmp_path: Path, cli: Any, refused: Any
) -> None:
    path = tmp_path / "session.json"
    assert cli("session", made.folder, "--out", path)[:2] == (
        0, f"{path}: 1 note, 1 list, 1 bookmark, 0 views, 0 nodes\n",
    )  # fmt: skip
    assert cli("session", copy.folder, "--restore", path)[0] == 0
    assert read_lists(copy.folder) == {"mine": [7, 3]}
    assert "either --out FILE or --restore FILE" in refused("session", made.folder)
    path.write_text(path.read_text().replace("mine", "thine"))
    assert f"{path}: damaged or changed by hand" in refused("session", copy.folder, "--restore", path)
