// Follows a stream of server-sent events, and goes on where it was when the connection breaks.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const SOON_MS = 300;
const SELDOM_MS = 3_000; // requests are counted

export const LIVE = "Live: changes show by themselves.";
export const NOT_LIVE = "Not live just now: connecting again.";

// Each event of a body as { id, name, data }.
export async function* eventsOf(body) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of chunksOf(body)) {
    rest += decoder.decode(bytes, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parse(block);
      if (event) yield event;
    }
  }
}

// Not every browser can iterate over a stream by itself.
async function* chunksOf(body) {
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const event = { id: "", name: "message", data: "" };
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "id") event.id = value;
    else if (field === "event") event.name = value;
    else if (field === "data") data.push(value);
  }
  event.data = data.join("\n");
  return data.length ? event : null;
}

// Calls `onOpen` each time it is connected, `onEvent(name, data)` for each event, and `onLost` when the
// connection breaks; ends with `signal`, when `isDone` says so, and when asking again is of no use.
export async function follow(api, path, { onOpen, onEvent, onLost, isDone = () => false, signal }) {
  let last = "";
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted && !isDone()) {
    try {
      const body = await api.stream(path, last, signal);
      wait = FIRST_WAIT_MS;
      onOpen?.();
      for await (const event of eventsOf(body)) {
        if (signal.aborted) return;
        last = event.id || last;
        onEvent(event.name, JSON.parse(event.data));
      }
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.reason === "as_of_in_the_future") last = "";
      else if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
        onLost?.(problem);
        return;
      }
    }
    if (signal.aborted || isDone()) return;
    onLost?.();
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

// Asks again soon after something happened, and seldom however much happens.
export class Seldom {
  #ask;
  #due = null;
  #askedAt = 0;

  constructor(ask) {
    this.#ask = ask;
  }

  // Somebody asks now.
  asks() {
    this.#askedAt = Date.now();
  }

  soon() {
    this.#due ??= setTimeout(() => {
      this.#due = null;
      this.#ask();
    }, Math.max(SOON_MS, this.#askedAt + SELDOM_MS - Date.now()));
  }
}
