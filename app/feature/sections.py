"""Sections of a feature's page: consistency, causal test, strongest bases, notes."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from app import links
from app.data.study import Opened, scale, table
from app.navigation import link
from app.verdict_text import plain
from feature_mining.logo import logo_svg
from workbench.analysis.audit.flags import FLAGS
from workbench.study.notes import LONGEST, LONGEST_NAME, Note, read_notes, write_note
from workbench.study.passports import Causal, read_passports
from workbench.wording import NONE, NOT_VALIDATED, fixed, percent, signed


def consistency(opened: Opened, feature: int) -> None:
    """Draw stability over seeds, correlation of strands, shift sensitivity and the audit's flags."""
    quality, audit = _row(opened, "quality_features", feature), _row(opened, "audit", feature)
    several = quality is not None and pd.notna(quality.get("stability"))
    fired = audit is not None and audit.get("shift_fired", 0) > 0
    facts = {
        "stability over seeds": (
            fixed(quality["stability"], 2) if quality is not None and several else "one seed only",
            "Cosine similarity to its best match in dictionaries trained with other seeds; 1: the same"
            " direction. Needs [sae] seeds = 2 or more.",
        ),
        "strand correlation": (
            fixed(quality["strand_correlation"], 2) if quality is not None else "not measured",
            "Correlation of its activations in the plus and the minus reading of the same bases; 0:"
            " strand-specific.",
        ),
        "shift sensitivity": (
            percent(audit["shift_change"]) if audit is not None and fired else "not measured",
            "Relative L2 change of its activations when windows are shifted by half a window; not"
            " measured where it was inactive in the sample.",
        ),
        "explained by GC": (
            percent(audit["gc_share"]) if audit is not None and "gc_share" in audit else "not measured",
            "Share of its activity that GC content within 50 bases explains.",
        ),
        "explained by 6-mers": (
            percent(audit["kmer_share"]) if audit is not None and "kmer_share" in audit else "not measured",
            "Share of its activity that the 6-mer ending at a base explains.",
        ),
    }
    for place, (name, (value, meaning)) in zip(st.columns(len(facts)), facts.items(), strict=True):
        place.caption(name, help=meaning)
        place.markdown(f"**{plain(value if value != NONE else 'not measured')}**")
    flags = str(opened.evidence.catalog.loc[feature].get("flags", "") or "")
    named = [f for f in flags.split(",") if f in FLAGS]
    if named:
        meanings = "; ".join(f"{name.replace('_', ' ')}: {FLAGS[name].meaning}" for name in named)
        st.warning(plain(f"Flags of the audit. {meanings}."), icon=":material/flag:")
    else:
        st.caption("No flag of the shortcut audit." if audit is not None else "Not audited.")


def causal(opened: Opened, feature: int) -> None:
    """Draw its passport: what it was said to make the model write, whether it does, and the experiment."""
    study = opened.study
    tests = read_passports(study.folder, opened.evidence.sae["hash"]).set_index("feature")
    st.subheader("Passport")
    if feature not in tests.index:
        st.markdown(
            f"Causal test: **{Causal.NOT_TESTED}**. Whether the model writes otherwise when it is added:"
            f" `workbench passport {plain(study.folder.name)} --feature {feature}`."
        )
        _asked(feature, links.experiments(new="passport", feature=str(feature)), "Test it")
        return
    found = tests.loc[feature]
    effect = f" ({signed(found['causal_effect'])}, win rate over the best control"
    effect += f" {percent(found['causal_win_rate'])})" if pd.notna(found["causal_win_rate"]) else ")"
    st.markdown(
        f"Causal test: **{found['causal']}**. Hypothesis: added at strength"
        f" {fixed(found['causal_strength'], 1)}, it makes the model write {plain(found['causal_readout'])}"
        f"{effect}. It does so in the autoencoders of {found['causal_seeds']} seeds (experiment"
        f" {plain(found['causal_experiment'])}).",
        help="Chosen on the select split, tested once on the report split beside random directions, another"
        " feature, a shifted place and the same GC, read by a judge that knows nothing of the autoencoder.",
    )
    st.caption(
        f"{NOT_VALIDATED.capitalize()}. Of a feature that was tested more than once the worst outcome counts."
    )
    name = str(found["causal_experiment"])
    _asked(feature, links.experiments(name=name, feature=str(feature)), "The experiment")


def _asked(feature: int, address: links.Address, label: str) -> None:
    """Draw links to the passport's experiment, or its form, and to the form that steers with the feature."""
    line = st.container(horizontal=True)
    link(line, address, label, "experiment")
    link(line, links.experiments(new="steer", feature=str(feature)), "Steer with it", "tune")


def _row(opened: Opened, name: str, feature: int) -> pd.Series | None:
    rows = table(opened, name)
    if rows is None:
        return None
    own = rows[rows["feature"] == feature]
    return own.iloc[0] if len(own) else None


def logo_image(opened: Opened, feature: int) -> bool:
    """Draw the logo of a feature's strongest bases; returns whether there is one."""
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
    """Draw logo and sequences of the strongest bases."""
    st.subheader("Strongest bases")
    evidence = opened.evidence
    logo = evidence.logos[evidence.logos["feature"] == feature]
    examples = evidence.examples[evidence.examples["feature"] == feature].sort_values("rank")
    if logo.empty:
        st.write("It has no active base, so no logo and no examples.")
        return
    st.caption(
        f"Logo of {int(logo['n'].max()):,} windows in bits, on the strand on which the feature is active;"
        " 0 is the active base. Below: the strongest examples, their strength as a share of full scale"
        " (the value"
        " that 99.9 % of its active bases do not reach)."
    )
    logo_image(opened, feature)
    st.html(_sequences(examples, float(scale(opened).top[feature])))


def _sequences(examples: pd.DataFrame, top: float) -> str:
    wide = max(len(f"{r.chrom}:{r.position + 1:,}") for r in examples.itertuples())
    lines = []
    for r in examples.itertuples():
        place = escape(f"{r.chrom}:{r.position + 1:,}".ljust(wide))
        text, middle = str(r.sequence), len(str(r.sequence)) // 2
        lines.append(
            f'{place} {r.strand} <span title="activation {r.value:.4g}">{r.value / top:6.0%}</span>'
            f"  {escape(text[:middle])}"
            f"<b><u>{escape(text[middle : middle + 1])}</u></b>{escape(text[middle + 1 :])}"
        )
    style = "overflow-x:auto;font-size:0.75rem;line-height:1.4;margin:0"
    return f'<pre tabindex="0" style="{style}">' + "\n".join(lines) + "</pre>"


def notes(opened: Opened, feature: int) -> None:
    """Draw the form for a name, a note and a rating, saved in the study."""
    folder = opened.study.folder
    now = read_notes(folder).get(feature, Note())
    stars = f" · {'★' * now.rating}" if now.rating else ""
    with st.expander(f"Name, note and rating{stars}{' · pinned' if now.pinned else ''}"):
        with st.form(f"note{feature}", border=False):
            name = st.text_input(
                "Name", now.name, max_chars=LONGEST_NAME,
                help="Shown instead of the label on every page, in the report and in exports.",
            )  # fmt: skip
            text = st.text_area("Note", now.text, max_chars=LONGEST)
            rating = st.slider("Rating", 0, 5, now.rating, help="0: none.")
            pinned = st.checkbox("Pin it in the atlas", now.pinned)
            if st.form_submit_button("Save"):
                write_note(folder, feature, Note(text, rating, pinned, name=name))
                st.rerun()
        st.caption("Saved in notes.json of the study.")
