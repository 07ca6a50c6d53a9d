// Applications with filters, which change as they change.

import { alertBox, announce, h } from "./dom.js";
import { filterForm } from "./filters.js";
import { follow, LIVE, NOT_LIVE, Seldom } from "./live.js";
import { AMOUNT, APPLICANT, COUNTRY, DOCUMENT, Rows, STATUS, SUBMITTED } from "./rows.js";
import { may, STATUSES } from "./words.js";

const PAGE = 25;
const COLUMNS = [APPLICANT, COUNTRY, DOCUMENT, AMOUNT, STATUS, SUBMITTED];

export async function showList({ api, go, draw, signal }) {
  const title = "Credit applications";
  let countries;
  try {
    countries = (await api.get("/api/countries")).data;
  } catch (problem) {
    if (!signal.aborted) draw(title, alertBox(problem.title, problem.message));
    return;
  }
  if (signal.aborted) return;

  const said = h("div");
  const none = h("p", { hidden: true }, "There is no such application.");
  const live = h("p", { class: "live", role: "status" });
  const rows = new Rows("Applications", COLUMNS);
  const more = h("button", { type: "button", hidden: true, onclick: () => load({ isMore: true }) }, "Show more");
  const filters = filterForm(countries, (path) => {
    history.replaceState(null, "", path);
    load({ isNew: true });
  });
  const again = new Seldom(load);
  let cursor = null;
  let hasMore = false; // somebody looks at more than the first page
  let search = 0; // counts the changes of filters
  let before = Promise.resolve();

  draw(title, newLinks(api.user, countries, go), filters.element, live, said, rows.element, none, more);
  load({ isNew: true });
  follow(api, "/api/applications/stream", {
    signal,
    onOpen: () => {
      live.textContent = LIVE;
      load(); // what changed before it was followed
    },
    onLost: (problem) => {
      live.textContent = problem ? "" : NOT_LIVE;
    },
    onEvent: (_, told) => changed(told),
  });

  // The first page, or the one after what is shown: one request after the other, so that none is undone
  // by the answer to an earlier one.
  function load({ isNew = false, isMore = false } = {}) {
    if (isNew) search += 1;
    const mine = search;
    before = before.then(async () => {
      if (signal.aborted || mine !== search) return;
      again.asks();
      try {
        const after = isMore ? { cursor } : {};
        const page = await api.get("/api/applications", { ...filters.query(), ...after, limit: PAGE });
        if (!signal.aborted && mine === search) take(page, isNew, isMore);
      } catch (problem) {
        if (!signal.aborted) said.replaceChildren(alertBox(problem.title, problem.message));
      }
    });
  }

  function take(page, isNew, isMore) {
    said.replaceChildren();
    if (isMore) rows.add(page.data);
    else rows.begin(page.data, { keepRest: hasMore && !isNew });
    if (isMore || isNew || !hasMore) cursor = page.next_cursor;
    hasMore = isMore || (hasMore && !isNew);
    more.hidden = !cursor;
    none.hidden = rows.size > 0;
  }

  function changed(told) {
    const query = filters.query();
    const fits = !query.status || query.status === told.status;
    if (rows.has(told.id)) {
      const name = rows.change(told, fits);
      if (name) announce(`The application of ${name} is now: ${STATUSES[told.status]}`);
      none.hidden = rows.size > 0;
    } else if (fits && (!query.country || query.country === told.country)) {
      again.soon();
    }
  }
}

// Where to apply; who may not is not led there.
function newLinks(user, countries, go) {
  if (!may(user, "submit")) return h("p", { class: "hint" }, `With the role ${user.role} nobody applies for credit.`);
  const choice = h("select", { id: "new-in" },
    countries.map(({ code, name }) => h("option", { value: code }, name)));
  const open = (event) => {
    event.preventDefault();
    go(`/console/credit-applications/${choice.value}/new`);
  };
  return h("form", { class: "bar", onsubmit: open },
    h("label", { for: "new-in" }, "New application in"), choice, h("button", { type: "submit" }, "Begin"));
}
