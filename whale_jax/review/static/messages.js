// What went wrong, in words for a person.

import { words } from "./elements.js";
import { Refusal, Silence } from "./server.js";

export function message(error) {
  if (error instanceof Silence) {
    return "The server does not answer: what you decided last may not be kept, and nothing is until it answers. "
      + "Start the program again with the same command; this page goes on by itself.";
  }
  if (!(error instanceof Refusal)) {
    console.error(error);
    return `This page made a mistake: ${error.message}. Load it again; it shows then what is kept.`;
  }
  if (!error.photo) return `Nothing was changed: ${error.message}`;
  const { name, decision } = error.photo;
  const by = decision?.reviewer ? ` by ${decision.reviewer}` : "";
  return `Nothing of yours was kept: ${name} was changed in another window${by}. It is ${words(error.photo)} now, `
    + "as shown here; decide again if you do not agree.";
}
