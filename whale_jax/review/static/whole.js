// The whole photo with bonnet and blowhead, which a person can move. Points are pixels of the photo as [x, y], where
// [0, 0] is the centre of the first pixel.

import { draw, key, make } from "./elements.js";
import { REPORT } from "./server.js";

const NAMES = ["bonnet", "blowhead"];
const NEAR = 4; // pixels of the screen: a press so far from the middle of a chosen point's mark moves the point there
const PAUSE = 500; // milliseconds without an arrow key after which points are sent
const ZOOMS = [1, 2, 4, 8];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Whole {
  chosen = 0; // the point that a click moves
  zoom = 0; // place in ZOOMS

  draft = false; // whether the points have moved since they were sent
  proposed = new Set(); // points that nobody has put where they are; they are not sent

  /** `commit()` is called when points have moved and are to be sent by `flush`; `say` tells what has happened. */
  constructor(store, { commit, say }) {
    Object.assign(this, { store, commit, say });
  }

  /** Puts the points of a photo on the elements that show it; false where none do. */
  update(photo) {
    if (photo.row !== this.photo?.row || !this.box.isConnected) return false;
    this.photo = photo;
    if (this.draft) return true;
    this.points = (photo.points ?? [null, null]).map(point => point && [...point]);
    this.place();
    this.explain();
    return true;
  }

  /** The elements of a photo. */
  show(photo) {
    Object.assign(this, { photo, zoom: 0, chosen: 0, draft: false, proposed: new Set() });
    this.points = (photo.points ?? [null, null]).map(point => point && [...point]);
    this.movable = !REPORT && !this.store.state.ready_crops;
    const [height, width] = photo.size;
    this.image = make("img", {
      src: this.store.photo(photo), alt: `The whole photo ${photo.name}`, width, height, draggable: "false",
      error: () => this.say("The photo cannot be shown: its file may be gone."),
    });
    this.line = draw("line");
    this.drawing = draw("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, this.line);
    this.marks = NAMES.map((name, i) => this.mark(name, i));
    this.frame = make("div", { class: "frame", click: event => this.click(event) }, this.image, this.drawing, ...this.marks);
    this.frame.classList.toggle("movable", this.movable);
    this.box = make("div", {
      class: "scroll", tabindex: -1, role: "region", "aria-label": "The photo",
      keydown: event => { // the arrows scroll a photo that is enlarged, and do not leave it
        if (event.target === this.box && this.zoom && event.key in ARROWS) event.stopPropagation();
      },
    }, this.frame);
    this.place();
    return [this.tools(), this.box];
  }

  tools() {
    this.choices = NAMES.map((name, i) => make("button", {
      type: "button", class: name, "aria-pressed": String(i === this.chosen), click: () => this.pick(i),
    }, make("span", { class: "dot", "aria-hidden": "true" }), ` ${name} `, key(i ? "H" : "B")));
    this.source = make("span", { class: "faint" });
    this.explain();
    return make("div", { class: "tools" },
      this.movable && make("span", { id: "click-moves" }, "A click moves the"),
      this.movable && make("span", { class: "buttons", role: "group", "aria-label": "Point to move" }, ...this.choices),
      make("button", { type: "button", id: "smaller", "aria-label": "Smaller", click: () => this.resize(-1) }, key("−")),
      make("button", { type: "button", id: "larger", "aria-label": "Larger", click: () => this.resize(1) }, key("+")),
      this.source);
  }

  explain() {
    const source = { table: "from the table", predicted: "predicted", moved: "moved by a person" }[this.photo.source];
    this.source.textContent = this.photo.points ? source && `Points: ${source}.`
      : this.movable ? "No points: click the bonnet, then the blowhead; or choose each and move it by the arrow keys." : "";
  }

  mark(name, i) {
    return make("button", {
      type: "button", class: `point ${name}`, disabled: !this.movable, role: "slider", "aria-label": name,
      "aria-valuemin": 0, "aria-valuemax": this.photo.size[0] * this.photo.size[1] - 1,
      click: event => event.stopPropagation(),
      pointerdown: event => this.grab(event, i),
      keydown: event => this.nudge(event, i),
      focus: () => getSelection().removeAllRanges(), // a caret in a text that is written anew draws a screen reader away
      blur: () => this.draft && this.commit(),
    });
  }

  /** Puts the marks where the points are. */
  place() {
    const [height, width] = this.photo.size;
    this.marks.forEach((mark, i) => {
      const point = this.points[i];
      mark.hidden = !point;
      if (!point) return;
      mark.style.left = `${100 * (point[0] + 0.5) / width}%`;
      mark.style.top = `${100 * (point[1] + 0.5) / height}%`;
      // A screen reader speaks where this number changes: it counts the pixels line by line.
      mark.setAttribute("aria-valuenow", Math.round(point[1]) * width + Math.round(point[0]));
      mark.setAttribute("aria-valuetext", `column ${Math.round(point[0])}, line ${Math.round(point[1])}`);
    });
    this.line.toggleAttribute("hidden", !this.points.every(Boolean));
    if (!this.points.every(Boolean)) return;
    const [[x1, y1], [x2, y2]] = this.points;
    const ends = { x1: x1 + 0.5, y1: y1 + 0.5, x2: x2 + 0.5, y2: y2 + 0.5 };
    for (const [name, value] of Object.entries(ends)) this.line.setAttribute(name, value);
  }

  choose(i) {
    if (!this.movable) return;
    this.chosen = i;
    this.choices.forEach((choice, j) => choice.setAttribute("aria-pressed", String(i === j)));
    this.say(`A click moves the ${NAMES[i]}.`);
  }

  /** Chooses a point and gives it the focus; one that is not on the photo yet comes near the middle, to be moved. */
  pick(i) {
    if (!this.movable) return;
    this.choose(i);
    if (!this.points[i]) {
      const [height, width] = this.photo.size;
      this.points[i] = [Math.round(width * (i ? 0.4 : 0.6)), Math.round(height / 2)];
      this.proposed.add(i);
      this.draft = true;
      this.place();
      this.say(`The ${NAMES[i]} is near the middle: move it by the arrow keys, or click where it belongs.`);
    }
    this.marks[i].focus({ preventScroll: true });
  }

  /** Where the points are, in words. */
  words() {
    return this.points.map((point, i) => `${NAMES[i]} at ${point.map(Math.round).join(", ")}`).join("; ");
  }

  get complete() {
    return this.points.every(Boolean) && !this.proposed.size;
  }

  /** The pixel of the photo under the pointer. */
  pixel(event) {
    const box = this.image.getBoundingClientRect();
    const [height, width] = this.photo.size;
    return [(event.clientX - box.left) / box.width * width - 0.5, (event.clientY - box.top) / box.height * height - 0.5];
  }

  put(i, [x, y]) {
    const [height, width] = this.photo.size;
    const within = (value, length) => Math.round(10 * Math.min(length - 1, Math.max(0, value))) / 10;
    this.points[i] = [within(x, width), within(y, height)];
    this.proposed.delete(i);
    this.draft = true;
    this.place();
  }

  click(event) {
    if (!this.movable) return;
    this.put(this.chosen, this.pixel(event));
    if (!this.points[1 - this.chosen]) this.choose(1 - this.chosen);
    if (this.complete) this.commit();
  }

  grab(event, i) {
    if (!this.movable || event.button) return;
    const mark = event.currentTarget, [x, y] = this.pixel(event), [left, top] = this.points[i];
    const start = [...this.points[i]], chosen = this.chosen === i;
    this.choose(i);
    mark.setPointerCapture(event.pointerId);
    mark.onpointermove = step => {
      const [column, line] = this.pixel(step);
      this.put(i, [left + column - x, top + line - y]);
    };
    mark.onpointerup = mark.onpointercancel = () => {
      mark.onpointermove = mark.onpointerup = mark.onpointercancel = null;
      if (start.join() !== this.points[i].join()) return this.commit();
      this.draft = this.proposed.size > 0;
      const scale = this.image.getBoundingClientRect().width / this.photo.size[1];
      if (chosen && scale * Math.hypot(x - left, y - top) > NEAR) this.click(event);
    };
  }

  nudge(event, i) {
    const arrow = ARROWS[event.key];
    if (!arrow || !this.movable || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = (event.shiftKey ? 10 : 1) * this.photo.size[1] / this.image.getBoundingClientRect().width;
    this.put(i, [this.points[i][0] + step * arrow[0], this.points[i][1] + step * arrow[1]]);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.commit(), PAUSE);
  }

  /** Sends points that have moved, if both are set; resolves to whether it did. */
  async flush() {
    clearTimeout(this.timer);
    if (!this.draft || !this.complete) return false;
    this.draft = false;
    await this.store.move(this.photo.row, this.points.map(point => [...point]));
    return true;
  }

  /** Larger or smaller, with the head in the middle. */
  resize(step) {
    this.zoom = Math.min(ZOOMS.length - 1, Math.max(0, this.zoom + step));
    const factor = ZOOMS[this.zoom];
    this.frame.style.width = `${100 * factor}%`;
    this.box.classList.toggle("zoomed", factor > 1);
    this.box.tabIndex = factor > 1 ? 0 : -1;
    const points = this.points.filter(Boolean), [height, width] = this.photo.size;
    const middle = i => points.length ? points.reduce((sum, point) => sum + point[i], 0) / points.length : null;
    const box = this.frame.getBoundingClientRect();
    this.box.scrollLeft = (middle(0) ?? width / 2) / width * box.width - this.box.clientWidth / 2;
    this.box.scrollTop = (middle(1) ?? height / 2) / height * box.height - this.box.clientHeight / 2;
    this.say(factor > 1 ? `The photo is ${factor} times as large.` : "The photo is shown whole.");
  }
}
