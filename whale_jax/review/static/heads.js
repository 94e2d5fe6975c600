// The head on the photo, and beside it the heads of its candidates or of all photos of a whale.

import { answer, find, key, make, number, pause, percent, picture, words } from "./elements.js";
import { REPORT } from "./server.js";

export const CANDIDATES = 5; // on the page, each with a key

/** The candidates of a photo that are on the page, the likeliest first. */
export function listed(photo) {
  return photo.candidates.slice(0, CANDIDATES);
}

/** The head, its words, what is decided, and the photos of its encounter. */
export function query(store, photo, { go, undo }) {
  find("name").replaceChildren(photo.name, ...(photo.called_new ? [" ", mark()] : []));
  const { points, encounter } = photo;
  const alt = `The head on ${photo.name}`;
  find("head").replaceChildren(photo.head
    ? picture(store.head(photo), alt)
    : make("div", { class: "blank" }, points || store.state.ready_crops ? "no picture" : REPORT ? "no head" : "no head: mark it on the whole photo"));
  find("words").textContent = [encounter && `Encounter ${encounter}.`, photo.candidates.length ? photo.words : photo.note]
    .filter(Boolean).join(" ");
  decision(photo, undo);
  const others = store.order.map(row => store.photos.get(row))
    .filter(other => encounter && other.encounter === encounter && other.row !== photo.row);
  find("encounter").hidden = !others.length;
  find("encounter-title").textContent = `${number(others.length, "other photo")} of this encounter`;
  const pooled = photo.encounter_candidates.slice(0, 3)
    .map(({ whale, probability }) => `${whale} ${percent(probability)}`).join(", ");
  const together = [photo, ...others], count = together.filter(other => other.candidates.length).length;
  const title = together.some(other => other.source === "moved") ? "Before points were moved, all photos"
    : REPORT ? "All photos" : `All ${count} photos`; // a report may lack some
  find("pooled").textContent = pooled && `${title} together: ${pooled}.`;
  find("strip").replaceChildren(...others.map(other => make("li", {},
    make("a", {
      href: store.address(other.row), class: "thumbnail", "data-kind": other.decision?.kind ?? "",
      click: event => {
        event.preventDefault();
        go(other.row);
      },
    }, head(store, other, ""), make("span", {}, other.name), pause(), make("span", { class: "state" }, REPORT ? answer(other) : words(other))))));
}

function mark() {
  return make("span", { class: "called-new" }, "called new");
}

function head(store, photo, alt) {
  return photo.head ? lazy(picture(store.head(photo), alt)) : make("div", { class: "blank" }, "no picture");
}

function lazy(image) {
  image.loading = "lazy";
  return image;
}

function decision(photo, undo) {
  const host = find("decision");
  host.hidden = !photo.decision;
  host.replaceChildren();
  if (!photo.decision) return;
  const { reviewer, time } = photo.decision;
  const moment = new Date(time);
  const when = Number.isNaN(moment.getTime()) ? time : moment.toLocaleString("en-GB", {
    dateStyle: "medium", timeStyle: "short",
  });
  host.dataset.kind = photo.decision.kind;
  host.replaceChildren(
    make("p", {}, make("strong", {}, words(photo)), make("small", {}, ` ${reviewer ? `by ${reviewer}, ` : ""}${when}`)),
    make("button", { type: "button", id: "take-back", click: undo }, "Undo this decision"));
}

/** Cards of the candidates, with "none of these" at the place of its probability. */
export function candidates(store, photo, { confirm, showWhale, name }) {
  const cards = listed(photo).map((candidate, i) => ({
    probability: candidate.probability,
    card: candidateCard(store, photo, { candidate, rank: i + 1, confirm, showWhale }),
  }));
  if (cards.length) {
    const none = photo.p_none ?? 0;
    const place = cards.findIndex(({ probability }) => probability < none);
    cards.splice(place < 0 ? cards.length : place, 0, { card: noneCard(photo, name) });
  }
  return cards.length
    ? make("ol", { class: "candidates", "aria-label": "Candidates, the likeliest first" }, ...cards.map(({ card }) => card))
    : make("p", {}, `There are no candidates${photo.note && `: ${photo.note}`}.`,
      REPORT || store.state.ready_crops ? "" : " The whole photo (W) shows whether there is a head, and its points can be moved.");
}

function candidateCard(store, photo, { candidate, rank, confirm, showWhale }) {
  const { whale, probability, reference } = candidate;
  const chosen = photo.decision?.kind === "whale" && photo.decision.whale === whale;
  const alt = `${whale}: the run's photo of it that is most like ${photo.name}`;
  return make("li", { class: chosen ? "chosen" : null, "data-rank": rank },
    make("button", {
      type: "button", class: "picture", title: `All photos of ${whale}`, click: () => showWhale(whale), tabindex: -1,
    }, reference == null
      ? make("div", { class: "blank" }, "no photo of it was compared") : picture(store.reference(reference), alt)),
    make("p", { id: `candidate-${rank}` }, make("strong", {}, whale), " ", make("span", { class: "share" }, percent(probability)),
      chosen && make("span", { class: "tick" }, " ✓ confirmed")),
    make("div", { class: "buttons" },
      !REPORT && make("button", {
        type: "button", class: "confirm", "aria-label": `Confirm ${whale}`, "aria-describedby": `candidate-${rank}`,
        click: () => confirm(whale),
      }, "Confirm ", key(String(rank))),
      make("button", {
        type: "button", class: "all", "aria-label": `All photos of ${whale}`,
        "aria-describedby": REPORT && `candidate-${rank}`, click: () => showWhale(whale),
      }, "All photos ", key(REPORT ? String(rank) : `⇧${rank}`))));
}

function noneCard(photo, name) {
  return make("li", { class: photo.called_new ? "none doubted" : "none" },
    make("div", { class: "blank", "aria-hidden": "true" }, "?"),
    make("p", { id: "candidate-none" }, make("strong", {}, "none of these"), " ",
      photo.p_none != null && make("span", { class: "share" }, percent(photo.p_none))),
    !REPORT && make("div", { class: "buttons" },
      make("button", {
        type: "button", click: name, "aria-label": "None of these: a new individual", "aria-describedby": "candidate-none",
      }, "New ", key("N"))));
}

/** All photos of a whale, with a button that confirms it. */
export function whale(store, photo, { name, pictures, confirm, back, go }) {
  const others = pictures.filter(({ row }) => row !== photo.row);
  return [
    make("p", { class: "buttons" },
      !REPORT && make("button", { type: "button", id: "confirm-whale", class: "primary", click: () => confirm(name) },
        `Confirm ${name} `, key("C")),
      make("button", { type: "button", id: "back", click: back }, "Back to the candidates ", key("Esc"))),
    others.length ? null : make("p", {}, "There is no other photo of it."),
    make("ul", { class: "candidates whale" }, ...others.map(({ reference, row, name: file }) => {
      const other = store.photos.get(row);
      return other == null
        ? make("li", {}, lazy(picture(store.reference(reference), `${name} on ${file}`)), make("p", { class: "faint" }, file))
        : make("li", {}, head(store, other, `${name} on ${file}`), make("p", {}, make("a", {
          href: store.address(row),
          click: event => {
            event.preventDefault();
            go(row);
          },
        }, file), make("small", {}, " decided here")));
    })),
  ].filter(Boolean);
}
