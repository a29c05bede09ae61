"""Circuits: a graph to be looked around in, its edges by distance, beside its certificate."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.verdict_text import plain
from workbench.experiments.kind import Experiment
from workbench.files.parquet import read_parquet
from workbench.wording import NOT_VALIDATED, fixed

# Buttons, the wheel with Ctrl and dragging move the view box; a click on a node says what its edges are.
_JS = """
export default ({ parentElement, data }) => {
  const frame = parentElement.querySelector(".frame"), said = parentElement.querySelector(".said")
  if (frame.dataset.drawn === data.drawn) return
  frame.dataset.drawn = data.drawn
  const parsed = new DOMParser().parseFromString(data.svg, "image/svg+xml").documentElement
  const svg = document.importNode(parsed, true)
  svg.removeAttribute("width")
  svg.removeAttribute("height")
  frame.replaceChildren(svg)
  said.replaceChildren()
  const whole = svg.getAttribute("viewBox").split(" ").map(Number)
  let box = [...whole]
  const show = () => svg.setAttribute("viewBox", box.join(" "))
  const zoom = (by, x = 0.5, y = 0.5) => {
    const [left, top, width, height] = box
    const next = Math.min(whole[2], Math.max(whole[2] / 40, width * by)) / width
    box = [left + width * (1 - next) * x, top + height * (1 - next) * y, width * next, height * next]
    show()
  }
  const moves = { in: () => zoom(0.7), out: () => zoom(1 / 0.7), whole: () => { box = [...whole]; show() } }
  for (const button of parentElement.querySelectorAll("button")) button.onclick = moves[button.dataset.do]
  frame.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    const seen = frame.getBoundingClientRect()
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, (event.clientX - seen.left) / seen.width,
      (event.clientY - seen.top) / seen.height)
  }
  let held = null
  frame.onpointerdown = (event) => { held = [event.clientX, event.clientY, ...box] }
  frame.onpointermove = (event) => {
    if (!held || !event.buttons) return
    const scale = Math.max(box[2] / frame.clientWidth, box[3] / frame.clientHeight)
    const [right, down] = [event.clientX - held[0], event.clientY - held[1]].map((by) => by * scale)
    box = [held[2] - right, held[3] - down, box[2], box[3]]
    show()
  }
  frame.onpointerup = () => { held = null }
  const edges = [...svg.querySelectorAll("path")]
  const words = (item) => item.querySelector("title").textContent
  const choose = (title, own) => {
    for (const edge of edges) edge.style.strokeOpacity = own.length && !own.includes(edge) ? "0.06" : ""
    const lines = [title, ...own.reverse().map(words)].filter(Boolean)
    const row = (line) => Object.assign(document.createElement("div"), { textContent: line })
    said.replaceChildren(...lines.map(row))
  }
  svg.onclick = (event) => {
    const node = event.target.closest("g[data-node]"), edge = event.target.closest("path")
    const number = node && node.dataset.node
    if (node) choose(words(node), edges.filter((e) => [e.dataset.source, e.dataset.target].includes(number)))
    else choose("", edge ? [edge] : [])
  }
}
"""
_CSS = """
.frame {box-sizing: border-box; height: 460px; border: 1px solid #8884; border-radius: 6px; overflow: hidden;
  background: #fff; cursor: grab; touch-action: none}
.frame svg {width: 100%; height: 100%; user-select: none}
.bar {display: flex; gap: 6px; margin-bottom: 6px}
.bar button {font: inherit; padding: 2px 12px; border: 1px solid #8888; border-radius: 6px; background: none;
  color: inherit; cursor: pointer}
.said {height: 120px; overflow: auto; font-size: 13px; margin-top: 6px}
"""
_HTML = """
<div class="bar"><button data-do="in" aria-label="Zoom in">+</button>
<button data-do="out" aria-label="Zoom out">−</button><button data-do="whole">Whole</button></div>
<div class="frame"></div><div class="said" role="status"></div>
"""
_mount = st.components.v2.component("workbench_circuit", html=_HTML, css=_CSS, js=_JS)


def show_circuit(opened: Opened, experiment: Experiment) -> None:
    """Draw one output's graph and certificate."""
    from feature_mining.circuits.certificate import trusted  # PyTorch
    from workbench.experiments.circuit import PARTS  # PyTorch
    from workbench.experiments.circuit_page import PREDICTORS, interventions_drawn, verdict  # PyTorch
    from workbench.experiments.circuit_picture import circuit_svg, own_tables  # PyTorch

    names = (*PARTS, "certificates")
    tables = {name: read_parquet(experiment.folder / f"{name}.parquet") for name in names}
    targets = tables["targets"]
    titles = [f"{row.title}, {row.strand} strand's reading" for row in targets.itertuples()]
    number = st.selectbox("Output", range(len(titles)), format_func=titles.__getitem__, key="circuit_output")
    row = targets.iloc[number]
    own = own_tables(tables, row["target"], row["strand"])
    tried = row["r2"], row["interventions"]
    (st.success if trusted(*tried) else st.error)(plain(verdict(*tried)))
    grouped = st.toggle("Places of a feature as one", True, key="circuit_grouped")
    _mount(
        data={
            "svg": str(circuit_svg(own, grouped, titles[number])),
            "drawn": f"{experiment.name}/{number}/{grouped}",
        },
        key="circuit_graph",
        height=640,
    )
    st.caption(
        "Bases below, the output on top. An edge is as wide as its share of the influence; blue raises,"
        " orange lowers. Drag to move, Ctrl and the wheel to zoom; click a node for its edges and their"
        " distances."
    )
    _certificate(row, own, PREDICTORS)
    if len(own["interventions"]):
        picture(
            themed(interventions_drawn(own["interventions"])), "circuit_tried", NOT_VALIDATED, width="content"
        )


def _certificate(row: pd.Series, own: dict[str, pd.DataFrame], predictors: dict[str, str]) -> None:
    """Draw how well interventions were predicted, by the graph and otherwise."""
    st.subheader("Certificate")
    st.caption(
        f"{row['interventions']:,} random interventions on {row['nodes']:,} nodes. Replacement"
        f" {fixed(row['replacement'], 2)}, completeness {fixed(row['completeness'], 2)}."
    )
    whole = own["certificates"][own["certificates"]["least"] == 0]
    shown = pd.DataFrame(
        {
            "predicted by": whole["predictor"].map(predictors),
            "R²": whole["r2"].round(3),
            "slope": whole["slope"].round(3),
        }
    )
    st.dataframe(shown, hide_index=True, width="content")
