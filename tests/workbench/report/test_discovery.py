"""The report's sections on concepts, shortcuts and unexplained features, and the audit's own page."""

from __future__ import annotations

import re

import pytest

from tests.workbench.study_factory import make_study
from workbench.report.context import gather
from workbench.report.discovery import fallen, findings, flag_rows, gather_discovery, structure_words
from workbench.report.render import write_audit, write_report


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("discovery")).study


@pytest.fixture(scope="module")
def discovery(study):
    return gather_discovery(study, gather(study).shown)


def test_sentences_follow_the_numbers(discovery):
    sentences = findings(discovery)
    assert sentences[0].startswith("2 of 20 features carry at least one flag")
    assert any("falls by half or more" in s and s.endswith("promoter.") for s in sentences)
    assert any("could not be checked" in s for s in sentences)
    assert fallen(discovery.homology)["track"].tolist() == ["promoter"]


def test_flags_name_their_features(discovery):
    rows = {row["name"]: row["top"] for row in flag_rows(discovery)}
    assert rows == {"gc": [4], "kmer": [3], "warmup": [4]}


def test_only_listed_features_have_cards_and_words(discovery):
    assert discovery.unexplained["feature"].tolist() == [9] and discovery.total == 2
    row = discovery.unexplained.to_dict("records")[0]
    assert structure_words(row) == "stems with loops of 4 bases (z 12)"


def test_the_page_stands_alone_and_says_everything(study, tmp_path):
    write_audit(study, tmp_path / "audit.html")
    page = (tmp_path / "audit.html").read_text()
    for text in ("rule of kmer", "a few features", "Feature 9", "stems with loops", "5 %", "0.450"):
        assert text in page, text
    assert "Feature 10" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    write_report(study, tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert 'id="audit"' in report and 'id="concepts"' in report and 'id="unexplained"' in report
    write_audit(study, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page
