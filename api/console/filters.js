// The filters of the list, which are in the page's address too.

import { h } from "./dom.js";
import { STATUSES } from "./words.js";

const OF_A_CURRENCY = ["min_amount", "max_amount"];

// `onChange` gets the address of the page with the filters as they are now.
export function filterForm(countries, onChange) {
  const given = new URLSearchParams(location.search);
  const options = (all, choices) => [["", all], ...choices].map(([value, label]) => h("option", { value }, label));
  const fields = {
    country: h("select", {}, options("All countries", countries.map(({ code, name }) => [code, name]))),
    status: h("select", {}, options("All statuses", Object.entries(STATUSES))),
    start_date: h("input", { type: "date" }),
    end_date: h("input", { type: "date" }),
    min_amount: h("input", { inputmode: "decimal" }),
    max_amount: h("input", { inputmode: "decimal" }),
  };
  const labels = {
    country: "Country",
    status: "Status",
    start_date: "Submitted from",
    end_date: "Submitted until",
    min_amount: "Amount from",
    max_amount: "Amount to",
  };
  for (const [name, field] of Object.entries(fields)) {
    field.setAttribute("id", `filter-${name}`);
    field.value = given.get(name) ?? "";
  }
  const hint = h("p", { class: "hint" }, "Amounts are of one currency: choose a country to search by amount.");

  function query() {
    const found = Object.entries(fields).map(([name, field]) => [name, field.disabled ? "" : field.value.trim()]);
    return Object.fromEntries(found.filter(([, value]) => value));
  }

  function fit() {
    const isAny = !fields.country.value;
    hint.hidden = !isAny;
    for (const name of OF_A_CURRENCY) fields[name].disabled = isAny;
  }

  function changed(event) {
    event?.preventDefault();
    fit();
    const search = new URLSearchParams(query()).toString();
    onChange(location.pathname + (search ? `?${search}` : ""));
  }

  function clear() {
    for (const field of Object.values(fields)) field.value = "";
    changed();
  }

  fit();
  const element = h("form", { class: "filters", role: "search", "aria-label": "Filters", onsubmit: changed, onchange: changed },
    Object.entries(fields).map(([name, field]) =>
      h("div", {}, h("label", { for: `filter-${name}` }, labels[name]), field)),
    h("button", { type: "button", class: "quiet", onclick: clear }, "Clear"),
    hint,
  );
  return { element, query };
}
