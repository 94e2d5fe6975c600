// How many candidates must be looked at: the curve as a sentence, a drawing and a table.

import { draw, find, make } from "./elements.js";

const WIDTH = 460, HEIGHT = 220, LEFT = 56, RIGHT = 12, TOP = 12, BOTTOM = 44;
const share = p => `${Math.round(100 * p)}\u00a0%`;
/** `shares[k - 1]` is the share of photos whose whale is among the first k; `marks` has some of them as text. */
export function show({ curve }) {
  find("looks").hidden = !curve;
  if (!curve) return;
  find("looks-words").textContent = curve.sentences.join(" ");
  find("looks-plot").replaceChildren(drawing(curve.shares), table(curve.marks));
}

function drawing(curve) {
  const x = k => LEFT + (WIDTH - LEFT - RIGHT) * (k - 1) / Math.max(1, curve.length - 1);
  const y = p => TOP + (HEIGHT - TOP - BOTTOM) * (1 - p);
  const plot = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", "aria-hidden": "true" });
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    plot.append(
      draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(p), y2: y(p), class: "grid" }),
      draw("text", { x: LEFT - 8, y: y(p) + 4, "text-anchor": "end" }, share(p)));
  }
  for (const k of [1, 5, 10, 15, 20].filter(k => k <= curve.length)) {
    plot.append(draw("text", { x: x(k), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, k));
  }
  plot.append(
    draw("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "candidates looked at"),
    draw("polyline", { points: curve.map((p, i) => `${x(i + 1)},${y(p)}`).join(" "), class: "line" }),
    ...curve.map((p, i) => draw("circle", { cx: x(i + 1), cy: y(p), r: 3 })));
  return plot;
}

function table(marks) {
  return make("table", {},
    make("caption", {}, "Photos whose whale was among the first"),
    make("tbody", {}, ...Object.entries(marks).map(([k, text]) =>
      make("tr", {}, make("th", { scope: "row" }, k), make("td", {}, text)))));
}
