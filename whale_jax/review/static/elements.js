// Elements of the page. All text goes in as text: no name of a file or a whale is ever taken for markup.

export const find = id => document.getElementById(id);

const NAMESPACE = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child != null && child !== false));
  return element;
}

/** An element; an attribute that is a function listens to the event of its name. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(NAMESPACE, tag), attributes, children);
}

/** What a screen reader pauses at between two texts that stand apart. */
export function pause() {
  return make("span", { class: "unseen" }, ", ");
}

export function key(text) {
  return make("kbd", { "aria-hidden": "true" }, text);
}

/** A picture, or the words `blank` where it cannot be loaded. */
export function picture(address, alt, blank = "no picture") {
  return make("img", {
    src: address, alt, decoding: "async", width: 640, height: 320,
    error: event => event.target.replaceWith(make("div", { class: "blank" }, blank)),
  });
}

export function percent(p) {
  if (p < 0.0005) return "< 0.1\u00a0%";
  if (p > 0.9995) return "> 99.9\u00a0%";
  return `${(100 * p).toFixed(1)}\u00a0%`;
}

export function number(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** What was decided on a photo, in a few words. */
export function words(photo) {
  switch (photo.decision?.kind) {
    case "whale": return photo.decision.whale;
    case "new": return `new: ${photo.decision.whale}`;
    case "unusable": return "unusable";
    case "skip": return "skipped";
    default: return "undecided";
  }
}

/** Who is likeliest on a photo, in a few words. */
export function likeliest({ candidates: [best] }) {
  return best ? `${best.whale} ${percent(best.probability)}` : "no answer";
}

/** What the run says of a photo, in fewer words. */
export function answer(photo) {
  return photo.called_new ? "called new" : likeliest(photo);
}
