// The status of an application: a word and a colour.

import { h } from "./dom.js";
import { STATUSES } from "./words.js";

export function badge(status) {
  return h("span", { class: `badge ${status}` }, STATUSES[status] ?? status);
}
