// The page: one photo at a time, its head beside its candidates. It decides nothing by itself, and goes on to the next
// photo when the server has kept a decision.

import * as curve from "./curve.js";
import * as dialogs from "./dialogs.js";
import { find, likeliest, number, words } from "./elements.js";
import * as heads from "./heads.js";
import * as keys from "./keys.js";
import { List } from "./list.js";
import { message } from "./messages.js";
import { REPORT, Silence, ask } from "./server.js";
import { Store } from "./store.js";
import { Whole } from "./whole.js";

const PENDING = 1000, SILENT = 2000; // milliseconds until the server is asked again

const store = new Store();
const list = new List(store, go);
const whole = new Whole(store, { commit: savePoints, say });
let row = null; // of the photo that is shown
let view = { kind: "candidates" }; // or "whole", or "whale" with its name and pictures
let waiting = null; // the row that is shown, while it is matched again
let busy = false; // while the server has not answered to what was decided
let silent = false; // the server has not answered to the last request
let timer = null;

const photo = () => store.photos.get(row);
const memory = () => `whale_jax reviewer ${store.state.reviewer}`; // a name that is typed stands for that of the command

function say(text) {
  find("status").textContent = text;
}

/** Whether a button has something to do. One that has not keeps the focus, and says why when it is pressed. */
function can(id, able) {
  find(id).setAttribute("aria-disabled", String(!able));
}

function alarm(text) {
  find("alert").textContent = text;
  find("alert").hidden = !text;
}

/** Tells what went wrong, on the page, where it stays. */
function fail(error) {
  if (error.status === 410) location.reload(); // the server has another review by now
  silent ||= error instanceof Silence;
  alarm(message(error));
  return message(error);
}

/** Does what needs the server; what goes wrong stays on the page. Resolves to the message, or to undefined. */
async function attempt(action) {
  try {
    await action();
    if (!silent) alarm("");
    silent = false;
    return undefined;
  } catch (error) {
    return fail(error);
  } finally {
    can("undo", store.history.length);
    schedule();
  }
}

/** One action at a time: a key that is pressed twice does not decide on the photo that comes next. */
async function act(action) {
  if (busy) return "The last decision is still being kept.";
  busy = true;
  find("main").setAttribute("aria-busy", "true");
  try {
    return await attempt(action);
  } finally {
    busy = false;
    find("main").removeAttribute("aria-busy");
  }
}

function decide(kind, whale) {
  const decided = row, { name } = photo();
  return act(async () => {
    await whole.flush();
    await store.decide(decided, kind, whale);
    const next = list.next();
    if (row !== decided) say(`${name}: ${words(store.photos.get(decided))}.`); // the person has gone on in the meantime
    else if (next === undefined) say(`${name}: ${words(store.photos.get(decided))}. ${list.rest()}`);
    else go(next, `${name}: ${words(store.photos.get(decided))}. Next is ${title(next)}: ${likeliest(store.photos.get(next))}.`);
  });
}

/** A photo in a message. */
function title(next) {
  const { name, called_new } = store.photos.get(next);
  return called_new ? `${name}, called new` : name;
}

const confirm = whale => decide("whale", whale);

function undoLast() {
  if (!store.history.length && !whole.draft) return say("This window has no decision to take back.");
  return act(async () => {
    await whole.flush(); // points that have moved are the last event, and of this photo
    await store.turn.catch(() => {}); // they may be on their way
    if (!store.history.length) return say("This window has no decision to take back.");
    const last = store.history.at(-1).row;
    go(last);
    await store.undoLast();
    tellUndone(last);
  });
}

function undoShown() {
  const shown = row;
  return act(async () => {
    await whole.flush();
    await store.turn.catch(() => {});
    if (!store.photos.get(shown).decision) return say("There is no decision to take back.");
    await store.undo(shown);
    tellUndone(shown);
  });
}

function tellUndone(undone) {
  const { name } = store.photos.get(undone);
  say(`Taken back. ${name}: ${words(store.photos.get(undone))}.`);
}

/** Sends points that have moved; what goes wrong shows the points that the server has. */
async function savePoints() {
  const { name } = photo(), places = whole.complete && whole.words();
  await attempt(async () => {
    if (await whole.flush()) say(`Kept: ${places}. ${name} is being matched again.`);
    else if (whole.draft) say("Not kept yet: the other point is to be set, too.");
  });
  render();
}

function nameNew() {
  const opened = row;
  say("");
  return dialogs.nameNew(store, async name => {
    if (row !== opened) return "Another photo is shown now: close this.";
    const error = await decide("new", name);
    if (error && !silent) alarm(""); // the dialog says it
    return error;
  });
}

/** Shows all photos of a whale beside the head. */
async function showWhale(name) {
  const asked = row;
  say("");
  await attempt(async () => {
    const pictures = await ask(`/api/whale?name=${encodeURIComponent(name)}`);
    if (row !== asked) return;
    show({ kind: "whale", name, pictures }, `${number(pictures.length, "photo")} of ${name}.`);
    find("panel-title").focus({ preventScroll: true });
  });
}

/** Sends the points that are left; returns what to say of one that cannot be kept without the other. */
function leave() {
  if (!whole.draft) return "";
  if (whole.complete) {
    savePoints();
    return "";
  }
  whole.draft = false;
  return "The point is not kept, since the other is not set. ";
}

function show(next, text) {
  const lost = leave();
  view = next;
  render();
  say(lost + text);
}

function showPanel(kind) {
  show({ kind }, kind === "whole" ? "The whole photo is shown." : "The candidates are shown.");
}

function toggleWhole() {
  if (find("show-whole").hidden) say("These photos are crops of heads: there is no more of them.");
  else showPanel(view.kind === "whole" ? "candidates" : "whole");
}

/** Shows a photo, with its candidates. */
function go(next, text = "") {
  const lost = leave();
  if (next !== row) view = { kind: "candidates" };
  row = next;
  history.replaceState(null, "", store.address(row));
  list.select(row);
  say(lost + text);
  render();
  if (find("name").getBoundingClientRect().top < 0) find("name").scrollIntoView();
  preload(list.next());
}

function preload(next) {
  if (next === undefined) return;
  const { candidates } = store.photos.get(next);
  const references = candidates.slice(0, heads.CANDIDATES).map(({ reference }) => reference).filter(r => r != null);
  const addresses = [...store.photos.get(next).head ? [store.head(store.photos.get(next))] : [],
    ...references.map(reference => store.reference(reference))];
  for (const address of addresses) new Image().src = address;
}

function render() {
  const shown = photo();
  document.title = `${shown.name}: who is on it?`;
  const reading = document.querySelector(".query").contains(document.activeElement);
  heads.query(store, shown, { go, undo: undoShown });
  if (reading && document.activeElement === document.body) find("name").focus({ preventScroll: true });
  steps();
  can("undo", store.history.length);
  find("sight").dataset.view = view.kind;
  find("show-candidates").setAttribute("aria-pressed", String(view.kind === "candidates"));
  find("show-whole").setAttribute("aria-pressed", String(view.kind === "whole"));
  const pending = shown.pending && view.kind === "candidates";
  if (waiting === row && !shown.pending && shown.source === "moved") say("The head has been matched again.");
  waiting = shown.pending ? row : null;
  find("panel-title").classList.toggle("unseen", view.kind !== "whale" && !pending); // the pressed button says it
  find("panel-title").textContent = pending ? "Matching again… The first time takes about 20 seconds." : {
    candidates: "Candidates", whole: "The whole photo", whale: `All photos of ${view.name}`,
  }[view.kind];
  if (view.kind === "whole" && whole.update(shown)) return; // a point keeps the focus
  const panel = find("panel"), focused = panel.contains(document.activeElement);
  panel.inert = pending;
  panel.setAttribute("aria-busy", String(pending));
  panel.replaceChildren(...content(shown));
  if (focused && document.activeElement === document.body) find("panel-title").focus({ preventScroll: true });
}

function steps() {
  can("previous", list.beside(-1) !== undefined);
  can("next", list.beside(1) !== undefined);
}

function content(shown) {
  if (view.kind === "whole") return whole.show(shown);
  if (view.kind === "whale") {
    return heads.whale(store, shown, { ...view, confirm, go, back: () => showPanel("candidates") });
  }
  return [heads.candidates(store, shown, { confirm, showWhale, name: nameNew })];
}

/** A digit confirms a candidate that is on the screen, or with Shift shows all of its photos. */
function digit(rank, shift) {
  const candidate = heads.listed(photo())[rank - 1];
  if (!candidate) return say(`There is no candidate ${rank}.`);
  if (shift || REPORT) return showWhale(candidate.whale);
  if (view.kind === "whole" || (view.kind === "whale" && view.name !== candidate.whale)) {
    return say("Return to the candidates first: Esc.");
  }
  if (photo().pending) return say("The photo is being matched again: its candidates may change.");
  return confirm(candidate.whale);
}

const step = places => {
  const next = list.beside(places);
  if (next === undefined) say(places > 0 ? "This is the last photo of the list." : "This is the first photo of the list.");
  else go(next, `${title(next)}: ${likeliest(store.photos.get(next))}.`);
};

const DECISIONS = {
  n: nameNew,
  u: () => decide("unusable"),
  s: () => decide("skip"),
  z: undoLast,
  c: () => view.kind === "whale" && confirm(view.name),
  b: () => view.kind === "whole" && whole.pick(0),
  h: () => view.kind === "whole" && whole.pick(1),
};
const KEYS = {
  ...REPORT ? {} : DECISIONS,
  w: toggleWhole,
  "+": () => view.kind === "whole" && whole.resize(1),
  "-": () => view.kind === "whole" && whole.resize(-1),
  "/": () => {
    say("");
    dialogs.search(store, showWhale);
  },
  "?": () => {
    say("");
    dialogs.help();
  },
  Escape: () => view.kind !== "candidates" && showPanel("candidates"),
};

function schedule() {
  clearTimeout(timer);
  if (silent) timer = setTimeout(reconnect, SILENT);
  else if (store.pending) timer = setTimeout(refresh, PENDING);
}

async function refresh() {
  if (REPORT || row === null || silent) return;
  await store.refresh().catch(fail);
  schedule();
}

async function reconnect() {
  const { review } = store.state;
  try {
    await store.load();
  } catch {
    return schedule();
  }
  if (store.state.review !== review || !store.photos.has(row)) return location.reload();
  silent = false;
  list.build();
  list.select(row);
  render();
  alarm("The server answers again. This page shows what it has kept; decide again where something is missing.");
  schedule();
}

function listen() {
  const clicks = {
    previous: () => step(-1), next: () => step(1), new: nameNew, unusable: DECISIONS.u, "skip-photo": DECISIONS.s,
    undo: undoLast, search: KEYS["/"], "help-button": KEYS["?"], "show-whole": () => showPanel("whole"),
    "show-candidates": () => showPanel("candidates"),
  };
  for (const [id, action] of Object.entries(clicks)) find(id).addEventListener("click", action);
  keys.listen({ actions: KEYS, digit, step, rests: () => row === null || dialogs.opened() });
  find("filter").addEventListener("change", steps);
  find("skip").addEventListener("click", event => {
    event.preventDefault(); // the address is that of a photo
    find("main").focus();
  });
  find("reviewer").addEventListener("input", () => localStorage.setItem(memory(), find("reviewer").value));
  store.reviewer = () => find("reviewer").value.trim();
  store.addEventListener("change", ({ detail: rows }) => {
    if (row === null || !store.photos.has(row)) return;
    list.update(rows);
    const { encounter } = photo();
    if (rows.some(changed => changed === row || (encounter && store.photos.get(changed).encounter === encounter))) render();
  });
  window.addEventListener("hashchange", () => {
    const next = store.rowAt(location.hash);
    if (next !== undefined) go(next);
  });
  window.addEventListener("focus", refresh);
  window.addEventListener("pagehide", () => whole.flush().catch(() => {}));
}

async function start() {
  await store.load();
  find("run").textContent = store.state.run;
  find("summary").textContent = store.state.summary;
  find("show-whole").hidden = store.state.ready_crops; // a crop has no more than the head, and no points
  if (!REPORT) find("reviewer").value = localStorage.getItem(memory()) || store.state.reviewer;
  find("error-words").textContent = `. At most ${Number((100 * store.state.error).toFixed(2))} % of the photos of whales that it `
    + "knows are called new";
  curve.show(store.state);
  list.build();
  listen();
  if (!store.order.length) return say("There are no photos to review.");
  row = store.rowAt(location.hash) ?? store.order.find(each => !store.photos.get(each).decision) ?? store.order[0];
  go(row);
  schedule();
}

start().catch(error => alarm(`The page cannot be shown: ${error.message}`));
