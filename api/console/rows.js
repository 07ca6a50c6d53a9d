// Tables of applications.

import { badge } from "./badge.js";
import { h } from "./dom.js";
import { moment, money } from "./words.js";

// A column is its name, and what of an application is shown there.
export const APPLICANT = ["Applicant", ({ id, full_name }) => h("a", { href: `/console/credit-applications/${id}` }, full_name)];
export const COUNTRY = ["Country", ({ country }) => country];
export const DOCUMENT = ["Document", ({ document_number }) => document_number];
export const AMOUNT = ["Amount", ({ amount_requested, currency }) => money(amount_requested, currency)];
export const STATUS = ["Status", ({ status }) => badge(status)];
export const SUBMITTED = ["Submitted", ({ created_at }) => when(created_at)];
export const WAITING = ["Waiting since", ({ review_since }) => when(review_since)];
export const CLAIMED = ["Yours until", ({ claimed_until }) => (claimed_until ? when(claimed_until) : "")];

function when(text) {
  return h("time", { datetime: text }, moment(text));
}

// The rows stay the same elements, with the same links, so that nobody loses the place where he is.
export class Rows {
  #rows = new Map();
  #columns;
  #body = h("tbody", { role: "rowgroup" });

  constructor(label, columns) {
    this.#columns = columns;
    const heads = columns.map(([name]) => h("th", { role: "columnheader", scope: "col" }, name));
    this.element = h("table", { role: "table", "aria-label": label },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), this.#body);
  }

  get size() {
    return this.#rows.size;
  }

  has(id) {
    return this.#rows.has(id);
  }

  begin(applications, { keepRest = false } = {}) {
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
    const row = this.#rows.get(application.id) ?? this.#new(application);
    this.#rows.set(application.id, row);
    if (application.version >= row.application.version) {
      row.application = application;
      const [, ...rest] = this.#columns; // the link stays
      rest.forEach(([, show], at) => row.cells[at + 1].replaceChildren(show(application)));
    }
    return row;
  }

  #new(application) {
    const cells = this.#columns.map(([name]) => h("td", { role: "cell", "data-label": name }));
    const [[, show]] = this.#columns;
    cells[0].append(show(application));
    return { application, cells, element: h("tr", { role: "row" }, cells) };
  }
}
