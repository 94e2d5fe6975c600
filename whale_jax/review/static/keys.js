// The keys of the page. They rest while a person writes, while a dialog is open, and where a box of the help says so.

import { find } from "./elements.js";

const MEMORY = "whale_jax single keys";
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/**
 * Listens from now on.
 *
 * `actions` holds a function for each letter, sign or name of a key; `digit(rank, shift)` answers to 1 to 5, `step(places)`
 * to the arrows, and `rests()` says whether all keys rest.
 */
export function listen({ actions, digit, step, rests }) {
  const single = find("single-keys");
  single.checked = recall() !== "off";
  single.addEventListener("change", () => localStorage.setItem(MEMORY, single.checked ? "on" : "off"));
  document.addEventListener("keydown", event => {
    const writes = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || writes || rests()) return;
    if (event.key in STEPS) {
      event.preventDefault(); // the page would scroll
      step(STEPS[event.key]);
      return;
    }
    const rank = digitOf(event);
    const action = rank && event.shiftKey ? undefined : actions[name(event)]; // a Swiss 1 with Shift is a +
    if ((!action && !rank) || (!single.checked && event.key.length === 1)) return;
    event.preventDefault();
    if (event.repeat) return; // a key that is held decides once
    if (action) action();
    else digit(Number(rank), event.shiftKey);
  });
}

// 1 to 5: by its place in the row of digits, which may write others; by what it writes on the keypad, where it may be "End".
function digitOf({ key, code }) {
  return (code.startsWith("Numpad") ? /^([1-5])$/.exec(key) : /^Digit([1-5])$/.exec(code))?.[1];
}

// A letter by what is written on the key, or by its place where the keyboard writes another alphabet.
function name({ key, code }) {
  if (/^Key[A-Z]$/.test(code) && !/^[a-z]$/i.test(key)) return code[3].toLowerCase();
  return key.length === 1 ? key.toLowerCase() : key;
}

function recall() {
  try {
    return localStorage.getItem(MEMORY);
  } catch { // a file that a mail program shows may have no memory
    return null;
  }
}
