// The photos as this window knows them, and what it has decided itself. It changes by answers of the server alone.

import { address, ask } from "./server.js";

export class Store extends EventTarget {
  state = null; // what /api/state said last
  photos = new Map(); // row -> photo
  order = []; // rows, as they should be reviewed
  whales = [];
  number = 0; // of the last event that /api/changes has told of
  history = []; // what this window has decided and moved, and not taken back: { row, event }, the number of an event
  made = new Set(); // numbers of all events of this window
  turn = Promise.resolve();
  reviewer = () => ""; // name of the person

  async load() {
    const state = await ask("/api/state");
    const { photos, number, whales, token } = state;
    Object.assign(this, { state, number, whales, token });
    this.photos = new Map(photos.map(photo => [photo.row, photo]));
    this.order = photos.map(photo => photo.row);
    const names = new Map();
    for (const { name } of photos) names.set(name, (names.get(name) ?? 0) + 1);
    this.twins = new Set(photos.filter(photo => names.get(photo.name) > 1).map(photo => photo.row));
    this.tell(this.order);
  }

  async refresh() {
    const changes = await ask(`/api/changes?since=${this.number}&review=${this.state.review}`);
    this.number = changes.number;
    this.merge(changes);
  }

  merge({ photos, whales }) {
    if (whales) this.whales = whales;
    for (const photo of photos) this.photos.set(photo.row, photo);
    if (photos.length) this.tell(photos.map(photo => photo.row));
  }

  tell(rows) {
    this.dispatchEvent(new CustomEvent("change", { detail: rows }));
  }

  get pending() {
    return this.order.some(row => this.photos.get(row).pending);
  }

  decide(row, kind, whale = "") {
    return this.#act("/api/decide", row, { kind, whale });
  }

  move(row, points) {
    return this.#act("/api/points", row, { points });
  }

  #act(path, row, fields) {
    const seen = this.photos.get(row).number;
    return this.#turn(async () => {
      const { number } = this.photos.get(row);
      const before = this.made.has(number) ? number : seen; // this window has seen all that it did itself
      await this.#send(path, row, before, fields);
      this.history.push({ row, event: this.photos.get(row).number });
    });
  }

  /** Takes back the decision on a photo, whoever made it; points that were moved stay where they are. */
  undo(row) {
    const { number, decision } = this.photos.get(row);
    return this.#turn(() => this.#undo(row, decision.number, number));
  }

  /** Takes back the last event of this window; an event of a photo that another window has changed since is dropped. */
  undoLast() {
    const last = this.history.at(-1), { row, event } = last;
    return this.#turn(async () => {
      const { number } = this.photos.get(row);
      try {
        await this.#undo(row, event, this.made.has(number) ? number : event);
      } catch (error) {
        if (error.photo) this.history = this.history.filter(other => other !== last);
        throw error;
      }
    });
  }

  async #undo(row, event, number) {
    await this.#send("/api/undo", row, number, { event });
    this.history = this.history.filter(other => other.row !== row || other.event !== event);
  }

  // One action at a time: each is based on what the one before has left.
  #turn(action) {
    this.turn = this.turn.catch(() => {}).then(action);
    return this.turn;
  }

  async #send(path, row, number, fields = {}) {
    try {
      const { review } = this.state;
      this.merge(await ask(path, { review, row, reviewer: this.reviewer(), based_on: number, ...fields }));
    } catch (error) {
      if (error.photo) this.merge({ photos: [error.photo] });
      throw error;
    }
    this.made.add(this.photos.get(row).number);
  }

  /** Rows of photos that are still to be decided; those that were skipped are among them. */
  open(row) {
    const kind = this.photos.get(row).decision?.kind;
    return !kind || kind === "skip";
  }

  /** The address of a picture; it changes with the picture, and with the session. */
  head(photo) {
    return address(`/head/${photo.row}.jpg`, `${photo.version}.${this.token}`);
  }

  photo(photo) {
    return address(`/photo/${photo.row}.jpg`, this.token);
  }

  reference(row) {
    return address(`/reference/${row}.jpg`, this.token);
  }

  /** A photo in the address of the page: by its name, or by its row where two share a name. */
  address(row) {
    return `#${encodeURIComponent(this.twins.has(row) ? row : this.photos.get(row).name)}`;
  }

  rowAt(address) {
    let name = address.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch { /* a name that was typed with a bare % */ }
    const row = this.order.find(row => this.photos.get(row).name === name && !this.twins.has(row));
    return row ?? this.order.find(row => String(row) === name);
  }
}
