"""All that a reader wrote in a study, and what they looked at, as one file for themselves and for colleagues.

JSON: notes, ratings and names of features, lists, bookmarks, addresses of views and the history of what was
painted, with the hashes of the genome and the autoencoder that they are of, and a hash of all of it. Text in
it stays text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.errors import InputError
from workbench.files.facts import fits, make_record
from workbench.study.bookmarks import Bookmark, check_bookmarks, read_bookmarks, write_bookmarks
from workbench.study.feature_lists import check_lists, read_lists, write_lists
from workbench.study.history import Node, add_nodes, parse_nodes, read_history
from workbench.study.notes import Note, check_note, read_notes, write_notes
from workbench.wording import plural

if TYPE_CHECKING:
    from workbench.study.study import Study

KIND, VERSION = "genomics-workbench session", 1
# Characters of a file: notes of thousands of features. Addresses of views, and characters of each.
MOST, MOST_VIEWS, LONGEST_VIEW = 20_000_000, 50, 8000
_SEAL = "sha256"


class Session(NamedTuple):
    """Notes by feature, lists by name, bookmarks, queries of addresses by page, and what was painted."""

    notes: dict[int, Note]
    lists: dict[str, list[int]]
    bookmarks: list[Bookmark]
    views: dict[str, str]
    nodes: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return ", ".join(plural(len(each), name[:-1]) for name, each in self._asdict().items())


def read_session(study: Study, views: Mapping[str, str]) -> Session:
    """What is written in a study, with addresses to keep."""
    folder = study.folder
    return Session(
        read_notes(folder),
        read_lists(folder),
        read_bookmarks(folder),
        dict(views),
        tuple(read_history(study).nodes.values()),
    )


def session_text(study: Study, session: Session) -> str:
    """The file of a session."""
    values = {
        "kind": KIND,
        "version": VERSION,
        "study": study.folder.name,
        **_locks(study),
        "notes": {str(f): note._asdict() for f, note in sorted(session.notes.items())},
        "lists": session.lists,
        "bookmarks": [mark._asdict() for mark in session.bookmarks],
        "views": session.views,
        "nodes": [vars(node) for node in session.nodes],
    }
    return json.dumps({**values, _SEAL: _digest(values)}, indent=1, ensure_ascii=False) + "\n"


def parse_session(study: Study, text: str, where: str = "session file") -> Session:
    """The session of a file's text, checked against a study.

    Raises ``InputError``, a sentence, for what is damaged, of another kind, or of another genome or
    autoencoder (with both hashes), and for parts that a study does not take.
    """
    values = _whole(text, where)
    for what, expected in _locks(study).items():
        found = str(values.get(what))
        if found != expected:
            raise InputError(
                f"{where}: of another {what}, {found[:12]}; this study has {expected[:12]}: open the study"
                " that it was saved from"
            )
    numbered = {f: note for f, note in values["notes"].items() if f.isdecimal() and len(f) < 10}
    notes = {int(f): make_record(Note, note) for f, note in numbered.items()}
    bookmarks = [make_record(Bookmark, mark) for mark in values["bookmarks"]]
    if len(notes) < len(values["notes"]) or None in notes.values() or None in bookmarks:
        raise InputError(f"{where}: holds something else than notes and bookmarks; save it again")
    # Files of before there was a history have none.
    nodes = tuple(parse_nodes(study, values.get("nodes", []), where).nodes.values())
    session = Session(notes, values["lists"], bookmarks, values["views"], nodes)  # type: ignore[arg-type]
    _check(study, session, where)
    return session


def restore_session(study: Study, session: Session) -> None:
    """Add a session that `parse_session` has checked to a study; where both have one, the file's word stands.

    Raises ``InputError`` where both together are too many; then nothing is written.
    """
    folder = study.folder
    notes = read_notes(folder) | session.notes
    lists = check_lists(read_lists(folder) | session.lists)
    bookmarks = check_bookmarks([*read_bookmarks(folder), *session.bookmarks])
    add_nodes(study, session.nodes)
    write_notes(folder, notes)
    write_lists(folder, lists)
    write_bookmarks(folder, bookmarks)


def _locks(study: Study) -> dict[str, str]:
    return {"genome": study.manifest.inputs["genome"].sha256, "autoencoder": study.sae_hash}


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _whole(text: str, where: str) -> dict[str, Any]:
    if len(text) > MOST:
        raise InputError(f"{where}: {len(text):,} characters; expected {MOST:,} at most")
    try:
        values = json.loads(text)
        json.dumps(values, ensure_ascii=False).encode()  # an escape of half a character is no text
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: cannot be read as JSON ({error}); expected a saved session") from None
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise InputError(
            f"{where}: no session of the workbench; expected a file that `workbench session` wrote"
        )
    if values.get("version") != VERSION:
        raise InputError(
            f"{where}: version {str(values.get('version'))[:20]}; this workbench reads version {VERSION}"
        )
    seal, found = values.pop(_SEAL, None), _digest(values)
    if seal != found:
        raise InputError(
            f"{where}: damaged or changed by hand: its content has the hash {found[:12]}, it says"
            f" {str(seal)[:12]}; save it again"
        )
    kinds = {"notes": dict[str, Any], "lists": dict[str, list[int]], "bookmarks": list[Any]}
    for name, kind in (kinds | {"views": dict[str, str]}).items():
        if not fits(values.get(name), kind):
            raise InputError(f"{where}: {name} are not as a session has them; save it again")
    return values


def _check(study: Study, session: Session, where: str) -> None:
    """Refuse what the study does not take."""
    width, lengths = study.sae_config.d_sae, study.manifest.contigs
    for feature in [*session.notes, *(f for listed in session.lists.values() for f in listed)]:
        if not 0 <= feature < width:
            raise InputError(f"{where}: feature {feature}; this study has features 0 to {width - 1}")
    for note in session.notes.values():
        check_note(note)
    check_lists(session.lists)
    for mark in check_bookmarks(session.bookmarks):
        if not 0 <= mark.start < mark.end <= lengths.get(mark.chrom, 0):
            raise InputError(f"{where}: bookmark {mark.place} is not on the genome")
    long = [name for name, query in session.views.items() if max(len(name), len(query)) > LONGEST_VIEW]
    if len(session.views) > MOST_VIEWS or long:
        raise InputError(f"{where}: {len(session.views)} views; expected {MOST_VIEWS} addresses at most")
