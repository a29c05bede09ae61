"""Parts of a feature's page: consistency, strongest bases, notes."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from app.data import Opened
from app.portrait import table
from app.words import plain
from feature_mining.logo import logo_svg
from workbench.audit.flags import FLAGS
from workbench.notes import LONGEST, Note, read_notes, write_note
from workbench.report.formats import NONE, fixed, percent


def consistency(opened: Opened, feature: int) -> None:
    """Stability over seeds, agreement of strands and of shifted windows, and the audit's flags."""
    quality, audit = _row(opened, "quality_features", feature), _row(opened, "audit", feature)
    several = quality is not None and pd.notna(quality.get("stability"))
    fired = audit is not None and audit.get("shift_fired", 0) > 0
    shown = {
        "stability over seeds": (
            fixed(quality["stability"], 2) if quality is not None and several else "one seed only",
            "Cosine with its partner in dictionaries trained with other seeds; 1 is the same direction."
            " Needs [sae] seeds = 2 or more.",
        ),
        "same base, other strand": (
            fixed(quality["strand_correlation"], 2) if quality is not None else "not measured",
            "Correlation of its values in the plus and the minus reading of the same bases; 0: the strands"
            " are told apart.",
        ),
        "change with window": (
            percent(audit["shift_change"]) if audit is not None and fired else "not measured",
            "How much its values change (relative L2) when windows begin half a window earlier; not"
            " measured where it did not fire in the sample.",
        ),
        "explained by GC": (
            percent(audit["gc_share"])
            if audit is not None and "gc_share" in audit
            else "not measured",
            "Share of where it fires that GC content within 50 bases explains.",
        ),
        "explained by six letters": (
            percent(audit["kmer_share"])
            if audit is not None and "kmer_share" in audit
            else "not measured",
            "Share of where it fires that the six letters ending at a base explain.",
        ),
    }
    for place, (name, (value, meaning)) in zip(st.columns(len(shown)), shown.items(), strict=True):
        place.caption(name, help=meaning)
        place.markdown(f"**{plain(value if value != NONE else 'not measured')}**")
    flags = str(opened.evidence.catalog.loc[feature].get("flags", "") or "")
    named = [f for f in flags.split(",") if f in FLAGS]
    if named:
        said = "; ".join(f"{name.replace('_', ' ')}: {FLAGS[name].meaning}" for name in named)
        st.warning(plain(f"Flags of the audit. {said}."), icon=":material/flag:")
    else:
        st.caption("No flag of the shortcut audit." if audit is not None else "Not audited.")


def _row(opened: Opened, name: str, feature: int) -> pd.Series | None:
    rows = table(opened, name)
    if rows is None:
        return None
    own = rows[rows["feature"] == feature]
    return own.iloc[0] if len(own) else None


def logo_image(opened: Opened, feature: int) -> bool:
    """The logo of a feature's strongest bases; whether there is one."""
    logos = opened.evidence.logos
    logo = logos[logos["feature"] == feature].sort_values("position")
    if logo.empty:
        return False
    letters = logo[["A", "C", "G", "T"]].to_numpy()
    svg = logo_svg(letters, logo["information"].to_numpy(), int(logo["position"].iloc[0]))
    # An image, since the page strips inline SVG; grey text reads on light and on dark.
    st.image(svg.replace("currentColor", "#808495"), width="stretch")
    st.download_button(
        "SVG", svg.replace("currentColor", "#555555"), file_name=f"feature{feature}_logo.svg",
        mime="image/svg+xml", key=f"logo{feature}_svg", on_click="ignore", type="tertiary",
        icon=":material/download:",
    )  # fmt: skip
    return True


def strongest(opened: Opened, feature: int) -> None:
    """Logo and sequences of the strongest bases."""
    st.subheader("Strongest bases")
    evidence = opened.evidence
    logo = evidence.logos[evidence.logos["feature"] == feature]
    examples = evidence.examples[evidence.examples["feature"] == feature].sort_values("rank")
    if logo.empty:
        st.write("It has no active base, so no logo and no examples.")
        return
    st.caption(
        f"Logo of {int(logo['n'].max()):,} windows in bits, read on the strand on which the feature fired;"
        " 0 is the active base. Below it, the strongest."
    )
    logo_image(opened, feature)
    st.html(_sequences(examples))


def _sequences(examples: pd.DataFrame) -> str:
    wide = max(len(f"{r.chrom}:{r.position:,}") for r in examples.itertuples())
    lines = []
    for r in examples.itertuples():
        place = escape(f"{r.chrom}:{r.position:,}".ljust(wide))
        text, middle = str(r.sequence), len(str(r.sequence)) // 2
        lines.append(
            f"{place} {r.strand} {r.value:9.2f}  {escape(text[:middle])}"
            f"<b><u>{escape(text[middle : middle + 1])}</u></b>{escape(text[middle + 1 :])}"
        )
    style = "overflow-x:auto;font-size:0.75rem;line-height:1.4;margin:0"
    return f'<pre tabindex="0" style="{style}">' + "\n".join(lines) + "</pre>"


def notes(opened: Opened, feature: int) -> None:
    """A note and a rating, kept in the study."""
    folder = opened.study.folder
    now = read_notes(folder).get(feature, Note())
    stars = f" · {'★' * now.rating}" if now.rating else ""
    with st.expander(f"Note and rating{stars}{' · pinned' if now.pinned else ''}"):
        with st.form(f"note{feature}", border=False):
            text = st.text_area("Note", now.text, max_chars=LONGEST)
            rating = st.slider("Rating", 0, 5, now.rating, help="0: none.")
            pinned = st.checkbox("Pin it in the atlas", now.pinned)
            if st.form_submit_button("Keep"):
                write_note(folder, feature, Note(text, rating, pinned))
                st.rerun()
        st.caption("Kept as text in notes.json of the study.")
