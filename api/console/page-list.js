// Applications with filters, which change as they change.

import { badge } from "./badge.js";
import { alertBox, announce, h } from "./dom.js";
import { filterForm } from "./filters.js";
import { follow } from "./live.js";
import { may, moment, money, STATUSES } from "./words.js";

const PAGE = 25;
const SOON_MS = 300;
const SELDOM_MS = 3_000; // requests are counted
const COLUMNS = ["Applicant", "Country", "Document", "Amount", "Status", "Submitted"];

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
  const rows = new Rows();
  const more = h("button", { type: "button", hidden: true, onclick: () => load({ isMore: true }) }, "Show more");
  const filters = filterForm(countries, (path) => {
    history.replaceState(null, "", path);
    load({ isNew: true });
  });
  let cursor = null;
  let hasMore = false; // somebody looks at more than the first page
  let due = null;
  let loadedAt = 0;
  let search = 0; // counts the changes of filters
  let before = Promise.resolve();

  draw(title, newLinks(api.user, countries, go), filters.element, live, said, rows.element, none, more);
  load({ isNew: true });
  follow(api, "/api/applications/stream", {
    signal,
    onOpen: () => {
      live.textContent = "Live: changes show by themselves.";
      load(); // what changed before it was followed
    },
    onLost: (problem) => {
      live.textContent = problem ? "" : "Not live just now: connecting again.";
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
      loadedAt = Date.now();
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
      due ??= setTimeout(() => {
        due = null;
        if (!signal.aborted) load();
      }, Math.max(SOON_MS, loadedAt + SELDOM_MS - Date.now()));
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

// The rows of the table. They stay the same elements, so that nobody loses the place where he is.
class Rows {
  #rows = new Map();
  #body = h("tbody", { role: "rowgroup" });

  constructor() {
    const heads = COLUMNS.map((name) => h("th", { role: "columnheader", scope: "col" }, name));
    this.element = h("table", { role: "table", "aria-label": "Applications" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), this.#body);
  }

  get size() {
    return this.#rows.size;
  }

  has(id) {
    return this.#rows.has(id);
  }

  begin(applications, { keepRest }) {
    const ids = new Set(applications.map(({ id }) => id));
    for (const id of keepRest ? [] : [...this.#rows.keys()]) if (!ids.has(id)) this.#remove(id);
    let next = this.#body.firstChild;
    for (const application of applications) {
      const { element } = this.#row(application);
      if (element === next) next = next.nextSibling;
      else this.#body.insertBefore(element, next);
    }
  }

  add(applications) {
    for (const application of applications) this.#body.append(this.#row(application).element);
  }

  // Answers whose it is when the status is another one.
  change(told, isToStay) {
    const { application } = this.#rows.get(told.id);
    if (told.version < application.version) return null;
    const isNew = told.status !== application.status;
    if (isToStay) this.#row({ ...application, ...told });
    else this.#remove(told.id);
    return isNew ? application.full_name : null;
  }

  #remove(id) {
    this.#rows.get(id).element.remove();
    this.#rows.delete(id);
  }

  #row(application) {
    const row = this.#rows.get(application.id) ?? newRow(application);
    this.#rows.set(application.id, row);
    if (application.version >= row.application.version) {
      row.application = application;
      row.amount.textContent = money(application.amount_requested, application.currency);
      row.status.replaceChildren(badge(application.status));
    }
    return row;
  }
}

function newRow(application) {
  const cell = (name, ...children) => h("td", { role: "cell", "data-label": name }, ...children);
  const { id, full_name, country, document_number, created_at } = application;
  const amount = cell("Amount");
  const status = cell("Status");
  const element = h("tr", { role: "row" },
    cell("Applicant", h("a", { href: `/console/credit-applications/${id}` }, full_name)),
    cell("Country", country),
    cell("Document", document_number),
    amount,
    status,
    cell("Submitted", h("time", { datetime: created_at }, moment(created_at))),
  );
  return { application, element, amount, status };
}
