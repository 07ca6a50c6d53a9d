// What waits for an officer, the longest waiting first: what nobody has taken, and one's own.

import { alertBox, h } from "./dom.js";
import { follow, LIVE, NOT_LIVE, Seldom } from "./live.js";
import { AMOUNT, APPLICANT, CLAIMED, COUNTRY, Rows, WAITING } from "./rows.js";

const PAGE = 50;

export function showQueue({ api, draw, signal }) {
  const said = h("div");
  const none = h("p", { hidden: true }, "Nothing waits for you.");
  const rest = h("p", { class: "hint", hidden: true }, "More are waiting: they show as these are done.");
  const live = h("p", { class: "live", role: "status" });
  const rows = new Rows("Queue", [APPLICANT, COUNTRY, AMOUNT, WAITING, CLAIMED]);
  const again = new Seldom(load);
  let before = Promise.resolve();

  draw("Queue", live, said, rows.element, none, rest);
  load();
  follow(api, "/api/applications/stream", {
    signal,
    onOpen: () => {
      live.textContent = LIVE;
      load(); // what changed before it was followed
    },
    onLost: (problem) => {
      live.textContent = problem ? "" : NOT_LIVE;
    },
    onEvent: () => again.soon(),
  });

  // One request after the other, so that none is undone by the answer to an earlier one.
  function load() {
    before = before.then(async () => {
      if (signal.aborted) return;
      again.asks();
      try {
        const page = await api.get("/api/applications/queue", { limit: PAGE });
        if (!signal.aborted) take(page);
      } catch (problem) {
        if (!signal.aborted) said.replaceChildren(alertBox(problem.title, problem.message));
      }
    });
  }

  function take({ data, next_cursor }) {
    said.replaceChildren();
    rows.begin(data);
    none.hidden = rows.size > 0;
    rest.hidden = !next_cursor;
  }
}
