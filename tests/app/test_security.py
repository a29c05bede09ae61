"""What a stranger's file, address or request must not do, in Chromium and by plain HTTP."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from app.data.study import allowed, open_study, roots
from tests.app.chromium import MAIN, QUIET, serving
from tests.workbench.study_factory import make_study
from workbench import InputError, Study
from workbench.study.notes import Note, write_note

HTML = '<img src=x onerror="window.fired=1">'
SHARP = ".browser[data-sharp='1'][data-pending='0']"
PAGES = (
    *("overview", "browse", "feature", "atlas", "sequence"),
    *("phenotypes", "provenance", "notebook", "start", "experiments"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies that may be opened, one of them hostile, and one elsewhere."""
    top = tmp_path_factory.mktemp("security")
    (top / "home").mkdir()
    for seed, name in enumerate(("alpha", HTML, "elsewhere")):
        made = make_study(top / f"made{seed}", seed=seed)
        to = top / "home" if name != "elsewhere" else top
        shutil.move(made.study.folder, to / name)
    _poison(Study.open(top / "home" / HTML))
    _samples(Study.open(top / "home" / "alpha"))
    return top / "home"


def _poison(study: Study) -> None:
    gff = Path(study.config.input.tracks[0])
    gff.write_text(gff.read_text().replace("gene=gene", f"gene={HTML}"))
    fasta = Path(study.config.input.genome)
    fasta.write_text(fasta.read_text().replace(">chrA", f">chrA {HTML}"))
    catalog = study.table("catalog")
    study.write_table("catalog", catalog.assign(best_track=HTML, consensus=HTML, flags=HTML))
    tracks = study.table("tracks")
    study.write_table("tracks", tracks.assign(track=HTML, rule=HTML))
    write_note(study.folder, 3, Note(HTML, 4, True))


def _samples(study: Study) -> None:
    haplotypes = {"region": ["a"] * 3, "haplotype": [0, 1, 2], "carriers": [7, 2, 1]}
    variants = [[], ["chrA:301:A:G"], ["chrA:330:C:T"]]
    study.write_table("haplotypes", pd.DataFrame(haplotypes | {"variants": variants}))
    drives = {"driving_variants": [["chrA:301:A:G"]], "driving_delta": [[2.5]]}
    candidate = {"candidate_id": ["cb_1"], "driving_share": [[1.0]]} | drives
    study.write_table("biomarkers", pd.DataFrame(candidate))


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[tuple[str, int]]:
    with serving(None, {"WORKBENCH_STUDIES": str(home)}) as found:
        yield found


@pytest.fixture(scope="module")
def tab(chromium: Any, server: tuple[str, int]) -> Iterator[Any]:
    page = chromium.new_page()
    page.set_default_timeout(40_000)
    yield page
    page.close()


@pytest.fixture
def page(tab: Any) -> Any:
    """A page that shows nothing."""
    tab.goto("about:blank")
    return tab


def status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def handshake(address: str, origin: str, host: str = "127.0.0.1") -> int:
    """Status with which the app answers a web socket that a page of another origin opens."""
    port = address.rsplit(":", 1)[1]
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}:{port}", f"Origin: {origin}",
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as line:
        line.sendall("\r\n".join(lines).encode())
        return int(line.recv(64).split()[1])


def test_only_this_machine_is_listened_to(server: tuple[str, int]) -> None:
    sockets = psutil.Process(server[1]).net_connections()
    assert {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_text_of_files_never_becomes_a_page(page: Any, server: tuple[str, int]) -> None:
    page.set_content(HTML)
    page.wait_for_function("window.fired === 1")  # what would happen where text is taken for HTML
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in PAGES:
        query = f"study={urllib.request.quote(HTML)}" + ("&feature=3" if name == "feature" else "")
        page.goto(f"{server[0]}/{name}?{query}")
        page.get_by_role("heading").first.wait_for()
        page.wait_for_selector(QUIET)
        assert page.evaluate("window.fired") is None, name
        assert page.locator("img[src=x]").count() == 0, name
    page.goto(f"{server[0]}/browse?study={urllib.request.quote(HTML)}&at=chrA:200-800&features=3")
    page.wait_for_selector(SHARP)
    box = page.locator(".browser canvas").bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 30)
    page.wait_for_timeout(400)
    assert "onerror" in page.locator(".browser").get_attribute("data-hover")
    assert "onerror" in page.locator(".tip").inner_text()
    assert page.evaluate("window.fired") is None and page.locator("img[src=x]").count() == 0
    # Nothing is asked of another machine.
    elsewhere = [url for url in asked if not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", url)]
    assert elsewhere == []


def test_no_study_outside_the_folder_is_opened(page: Any, server: tuple[str, int], home: Path) -> None:
    elsewhere = home.parent / "elsewhere"
    assert (elsewhere / "study.toml").exists()
    for name in (str(elsewhere), "../elsewhere", "alpha/../../elsewhere", "/etc", "~nobody-here"):
        page.goto(f"{server[0]}/overview?study={urllib.request.quote(name)}")
        page.get_by_text("no study of this name").first.wait_for()
    page.goto(server[0])
    box = page.get_by_role("textbox", name="Name or path of a study")
    box.fill(str(elsewhere))
    box.press("Enter")
    page.get_by_text("no study of this name").first.wait_for()
    for path in ("/app/static/../../../etc/passwd", "/media/../../etc/passwd", "/%2e%2e/etc/passwd"):
        # As it is written: urllib does not tidy up the dots.
        try:
            answer = urllib.request.urlopen(f"{server[0]}{path}", timeout=10).read()
        except urllib.error.HTTPError as error:
            answer = error.read()
        assert b"root:" not in answer


@pytest.mark.parametrize(
    "name", ["~nobody-here", "~nobody-here/x", "~", "a\0b", "x" * 5000, "\udcff", "\x1b[2J", "//", "."]
)
def test_names_that_no_folder_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    with pytest.raises(InputError, match="no study of this name"):
        allowed(name)
    monkeypatch.setenv("WORKBENCH_STUDY", name.replace("\0", ""))
    assert roots()[0] == tmp_path
    with pytest.raises((InputError, ValueError)):
        open_study(name)


def test_forged_requests_are_refused(page: Any, server: tuple[str, int]) -> None:
    sent: list[Any] = []
    page.on("request", lambda r: sent.append(r) if "upload_file" in r.url else None)
    page.goto(server[0])
    page.get_by_role("heading", name="A study of your own").wait_for()
    files = page.get_by_test_id("stFileUploader").first.locator("input[type=file]").first
    files.set_input_files({"name": "x.fa", "mimeType": "text/plain", "buffer": b">a\nACGT\n"})
    page.get_by_text("too small to be split").wait_for()
    put = next(r for r in sent if r.method in ("PUT", "POST"))
    body = b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\nx\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    forged = urllib.request.Request(put.url, body, kind, method=put.method)
    assert status(forged) == 403
    assert handshake(server[0], server[0]) == 101
    assert handshake(server[0], "http://evil.example") == 403


def test_another_name_of_this_machine_is_refused(server: tuple[str, int]) -> None:
    """DNS rebinding: a page of evil.example whose name was made to lead here."""
    for path in ("/", "/_stcore/health", "/_stcore/host-config", "/media/x"):
        request = urllib.request.Request(server[0] + path, headers={"Host": "evil.example:8501"})
        assert status(request) == 400, path
    port = server[0].rsplit(":", 1)[1]
    for name in ("127.0.0.1", "localhost"):
        request = urllib.request.Request(f"{server[0]}/", headers={"Host": f"{name}:{port}"})
        assert status(request) == 200
    assert handshake(server[0], "http://evil.example", host="evil.example") in (400, 403)


def test_settings_of_the_current_folder_do_not_weaken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(
        '[server]\nenableCORS = false\nenableXsrfProtection = false\naddress = "0.0.0.0"\n'
        'corsAllowedOrigins = ["http://evil.example"]\nenableStaticServing = true\n'
        'enableAgentApi = true\nbaseUrlPath = "x"\ncookieSecret = "known"\n'
        '[browser]\nserverAddress = "evil.example"\n'
        '[client]\nallowedOrigins = ["http://evil.example"]\n'
        '[theme]\nfont = "Evil:http://evil.example/evil.css"\n'
    )
    # The same file stands in the user's home.
    monkeypatch.chdir(tmp_path)
    variables = {"WORKBENCH_STUDIES": str(tmp_path), "HOME": str(tmp_path)}
    with serving(None, variables) as (address, process):
        test_only_this_machine_is_listened_to((address, process))
        assert handshake(address, address) == 101
        assert handshake(address, "http://evil.example") == 403
        asked = urllib.request.Request(f"{address}/_stcore/host-config")
        asked.add_header("Origin", "http://evil.example")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.headers.get("Access-Control-Allow-Origin") != "http://evil.example"
            assert b"evil.example" not in answer.read()
        refused = urllib.request.Request(f"{address}/_stcore/agent/interact", b"{}", method="POST")
        assert status(refused) >= 400


def test_streamlit_reads_no_files_of_settings(tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    for name in ("config.toml", "secrets.toml"):
        (tmp_path / ".streamlit" / name).write_text('[theme]\nfont = "Evil:http://evil.example/x.css"\n')
    program = (
        "from app.server import read_no_settings; read_no_settings()\n"
        "from streamlit import config; from streamlit.runtime.secrets import secrets_singleton\n"
        "config.get_config_options(force_reparse=True)\n"
        "print(config.get_option('theme.font'), secrets_singleton.load_if_toml_exists())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(MAIN.parents[1]), "HOME": str(tmp_path)}
    words = [sys.executable, "-c", program]
    said = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["None", "False"]


ENDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT]


@pytest.mark.parametrize("number", ENDS)
def test_the_server_ends_with_the_command(tmp_path: Path, number: int) -> None:
    with serving(None, {"WORKBENCH_STUDIES": str(tmp_path)}) as (_, process):
        server = psutil.Process(process)
        server.parent().send_signal(number)
        server.wait(20)


def test_a_server_that_does_not_listen_ends_with_the_command_too(tmp_path: Path) -> None:
    with serving(None, {"WORKBENCH_STUDIES": str(tmp_path)}) as (_, process):
        server = psutil.Process(process)
        server.suspend()
        server.parent().terminate()
        server.wait(6)


def test_two_people_on_two_studies(chromium: Any, server: tuple[str, int]) -> None:
    at = {"alpha": "chrA:300-900", HTML: "chrB:200-700"}
    pages = {}
    for name, place in at.items():
        page = chromium.new_context().new_page()
        page.set_default_timeout(40_000)
        study = urllib.request.quote(name)
        page.goto(f"{server[0]}/browse?study={study}&at={place}&features=3,7")
        pages[name] = page
    for name, page in pages.items():
        page.wait_for_selector(SHARP)
        page.locator(".browser canvas").focus()
        page.keyboard.press("ArrowRight")
        assert page.get_by_test_id("stSidebar").get_by_text(name, exact=True).count() == 1
    for name, page in pages.items():
        chrom, span = at[name].split(":")
        start, end = (int(part) for part in span.split("-"))
        step = (end - start) // 4
        page.wait_for_selector(f".browser[data-start='{start + step}'][data-pending='0']")
        assert page.locator(".browser").get_attribute("data-chrom") == chrom
        page.wait_for_url(re.compile(f"at={chrom}(:|%3A){start + step}-"))
        page.context.close()


def test_a_link_draws_the_variants_of_a_candidate(page: Any, server: tuple[str, int]) -> None:
    page.goto(f"{server[0]}/browse?study=alpha&at=chrA:295-355&features=3&tracks=CDS&variants=cb_1")
    page.wait_for_selector(SHARP)
    root = page.locator(".browser")
    assert root.get_attribute("data-lanes") == "CDS | drives cb_1 | variants"
    box = page.locator(".browser canvas").bounding_box()
    x = box["x"] + 168 + (box["width"] - 168) * 5.5 / 60
    page.mouse.move(x, box["y"] + 24 + 17 + 7 + 8)
    page.wait_for_selector(".browser[data-hover*='A301G, change 2.5, 100% of the drive']")
    # The lane of drivers is two rows high.
    page.mouse.move(x, box["y"] + 24 + (17 + 7) + (2 * 17 + 7) + 8)
    page.wait_for_selector(".browser[data-hover*='A301G, 2 of 10']")
    page.goto(f"{server[0]}/browse?study=alpha&variants=cb_9")
    page.get_by_text("the study has none of this name").wait_for()
