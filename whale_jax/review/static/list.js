// The list of photos: what is decided on each, and how many are left; on a page that keeps nothing, who is likeliest.
// 2,000 photos are well under 10,000 elements.

import { answer, find, make, number, pause, words } from "./elements.js";
import { REPORT } from "./server.js";

export class List {
  constructor(store, go) {
    Object.assign(this, { store, go, items: new Map(), row: null });
    this.host = find("list");
    this.filter = find("filter");
    this.filter.addEventListener("change", () => this.sift());
  }

  /** Writes the list anew. */
  build() {
    const { store } = this;
    this.items.clear();
    const root = make("ul");
    let name = "", host = root;
    for (const row of store.order) {
      const { encounter } = store.photos.get(row);
      if (encounter !== name) {
        name = encounter;
        host = root;
        if (name) {
          host = make("ul", { "aria-label": `Encounter ${name}` });
          root.append(make("li", { class: "group" }, make("p", { class: "faint" }, name), host));
        }
      }
      host.append(this.item(row));
    }
    this.host.replaceChildren(root);
    this.update(store.order);
  }

  item(row) {
    const { name } = this.store.photos.get(row);
    const link = make("a", {
      href: this.store.address(row), tabindex: -1,
      click: event => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into another tab or window
        event.preventDefault();
        this.go(row);
      },
    }, make("span", {}, name), pause(), make("span", { class: "state" }));
    const item = make("li", {}, link);
    this.items.set(row, { item, link, state: link.lastChild });
    return item;
  }

  /** Writes what is decided on some photos. */
  update(rows) {
    for (const row of rows) {
      const photo = this.store.photos.get(row);
      const { item, state } = this.items.get(row);
      state.textContent = REPORT ? answer(photo) : words(photo);
      item.dataset.kind = photo.decision?.kind ?? "";
    }
    this.count();
    this.sift();
  }

  count() {
    const { order, photos, state } = this.store;
    if (REPORT) {
      const listed = [...photos.values()];
      const fresh = listed.filter(photo => photo.called_new).length, silent = listed.filter(photo => !photo.candidates.length).length;
      find("count").textContent = [
        order.length < state.total ? `The first ${order.length.toLocaleString("en")} of ${number(state.total, "photo")}`
          : number(order.length, "photo"),
        `${fresh.toLocaleString("en")} called new`, silent && `${silent.toLocaleString("en")} without an answer`,
      ].filter(Boolean).join(", ");
      return;
    }
    const kinds = order.map(row => photos.get(row).decision?.kind);
    const skipped = kinds.filter(kind => kind === "skip").length;
    const decided = kinds.filter(Boolean).length - skipped;
    find("count").textContent = `${decided.toLocaleString("en")} of ${order.length.toLocaleString("en")} decided`
      + (skipped ? `, ${skipped.toLocaleString("en")} skipped` : "");
    Object.assign(find("progress"), { max: Math.max(1, order.length), value: decided });
  }

  sift() {
    for (const [row, { item }] of this.items) item.hidden = !this.lists(row) && row !== this.row;
    for (const group of this.host.querySelectorAll(".group")) {
      group.hidden = !group.querySelector("li:not([hidden])");
    }
  }

  lists(row) {
    return !this.filter.checked || this.store.open(row);
  }

  select(row) {
    const before = this.items.get(this.row), focused = before && before.link === document.activeElement;
    before?.link.removeAttribute("aria-current");
    before?.link.setAttribute("tabindex", -1);
    this.row = row;
    const { item, link } = this.items.get(row);
    link.setAttribute("aria-current", "true");
    link.setAttribute("tabindex", 0); // one stop of the Tab key for the list, not two thousand
    if (this.filter.checked) this.sift();
    if (focused) link.focus({ preventScroll: true });
    const box = this.host.getBoundingClientRect(), place = item.getBoundingClientRect();
    if (place.top < box.top || place.bottom > box.bottom) {
      this.host.scrollTop += (place.top + place.bottom - box.top - box.bottom) / 2;
    }
  }

  /** The row `step` places after the selected photo among those listed; undefined where the list ends. */
  beside(step) {
    const { order } = this.store;
    for (let i = order.indexOf(this.row) + step; i >= 0 && i < order.length; i += step) {
      if (this.lists(order[i])) return order[i];
    }
    return undefined;
  }

  /** The row of the next photo on which nothing is decided, from the selected one on and then from the first. */
  next() {
    const { order, photos } = this.store;
    const i = order.indexOf(this.row) + 1;
    return [...order.slice(i), ...order.slice(0, i)].find(row => !photos.get(row).decision);
  }

  /** What is left to do, in words. */
  rest() {
    const skipped = this.store.order.filter(row => this.store.photos.get(row).decision?.kind === "skip").length;
    return skipped ? `No photo is left undecided but for ${number(skipped, "skipped photo")}.` : "All photos are decided.";
  }
}
