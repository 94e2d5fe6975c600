// What the page asks of its server. One request at a time: answers arrive in the order in which they were asked for.

/** Answers and pictures of a server by their paths, where the page is a file of its own; null where it has a server. */
export const REPORT = JSON.parse(document.getElementById("report")?.textContent ?? "null");

/** The server answered that it will not; `photo` is the photo as it is now, where another window changed it. */
export class Refusal extends Error {
  constructor(message, status, photo) {
    super(message);
    Object.assign(this, { status, photo });
  }
}

/** The server did not answer: whether it has kept a decision is not known. */
export class Silence extends Error {}

const PATIENCE = 60_000; // milliseconds
let queue = Promise.resolve();

/** The JSON answer to a request; with `body`, a POST. Throws Refusal or Silence. */
export function ask(path, body) {
  const answer = queue.then(() => request(path, body));
  queue = answer.catch(() => {});
  return answer;
}

/** The address of a picture; the version changes with what it shows. */
export function address(path, version) {
  return REPORT ? REPORT[path] ?? "data:," : `${path}?v=${version}`;
}

async function request(path, body) {
  if (REPORT) return REPORT[path] ?? [];
  const options = { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
  if (body) {
    const headers = { "Content-Type": "application/json" };
    Object.assign(options, { method: "POST", headers, body: JSON.stringify(body), keepalive: true });
  }
  let response, answer;
  try {
    response = await fetch(path, options);
    answer = await response.json();
  } catch (error) {
    throw new Silence(error.message);
  }
  if (response.ok) return answer;
  throw new Refusal(answer.error ?? response.statusText, response.status, answer.photo);
}
