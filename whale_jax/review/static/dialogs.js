// The dialogs: a name for a new individual, a whale by its name, and help. A dialog gives the focus back when it closes.

import { find, make, number } from "./elements.js";
import { ask } from "./server.js";

const SHOWN = 1000; // names in a list

/** Whether a dialog is open: then the keys of the page rest. */
export function opened() {
  return document.querySelector("dialog[open]") !== null;
}

export function help() {
  find("help-dialog").showModal();
  find("help-dialog-title").focus();
}

/** Asks for the name of a new individual. `named(name)` resolves to an error to show, or to undefined if it is kept. */
export async function nameNew(store, named) {
  const dialog = find("new-dialog"), field = find("new-name"), problem = find("new-error");
  const names = [...new Set([...store.photos.values()]
    .filter(photo => photo.decision?.kind === "new").map(photo => photo.decision.whale))].sort();
  const tell = text => {
    problem.hidden = !text;
    problem.textContent = text;
  };
  find("new-known").hidden = !names.length;
  find("new-names").replaceChildren(...names.map(name => make("li", {}, make("button", {
    type: "button",
    click: () => {
      field.value = name;
      field.focus();
    },
  }, name))));
  find("new-form").onsubmit = async event => {
    event.preventDefault();
    const name = field.value.trim();
    tell("");
    if (!name) return tell("A new individual needs a name.");
    const error = await named(name);
    if (error) tell(error);
    else dialog.close();
  };
  field.value = "";
  tell("");
  dialog.showModal();
  field.focus();
  try {
    const { name } = await ask("/api/suggest");
    if (!field.value && dialog.open) {
      field.value = name;
      field.select();
    }
  } catch (error) {
    tell(`No name can be suggested: ${error.message}`);
  }
}

/** Finds a whale by its name; `chosen(name)` shows it. Enter takes the first in the list. */
export function search(store, chosen) {
  const dialog = find("search-dialog"), field = find("search-text"), list = find("search-names");
  const choose = name => {
    dialog.close();
    chosen(name);
  };
  const write = () => {
    const text = field.value.trim().toLowerCase();
    const starts = name => name.toLowerCase().startsWith(text);
    const names = store.whales.filter(name => name.toLowerCase().includes(text));
    names.sort((a, b) => starts(b) - starts(a));
    const shown = names.slice(0, SHOWN);
    find("search-count").textContent = number(names.length, "whale")
      + (shown.length < names.length ? `, of which the first ${SHOWN} are listed` : "");
    list.replaceChildren(...shown.map(name =>
      make("li", {}, make("button", { type: "button", click: () => choose(name) }, name))));
  };
  const buttons = () => [...list.querySelectorAll("button")];
  field.value = "";
  field.oninput = write;
  dialog.onkeydown = event => {
    const i = buttons().indexOf(document.activeElement);
    if (event.key === "Enter" && event.target === field) {
      event.preventDefault();
      buttons()[0]?.click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const target = i + (event.key === "ArrowDown" ? 1 : -1);
      (target < 0 ? field : buttons()[target])?.focus();
    }
  };
  write();
  dialog.showModal();
  field.focus();
}
