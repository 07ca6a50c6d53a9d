// Who was shown what is sealed in an application, the last time first.

import { h } from "./dom.js";
import { moment, plain } from "./words.js";

const OPERATIONS = { reveal: "Shown in clear", bureau_report: "Opened for the credit bureau" };

export function disclosuresOf({ data, has_more }) {
  const told = data.map(({ at, operation, who, fields, why }) =>
    h("li", {}, h("time", { datetime: at }, moment(at)), ` ${OPERATIONS[operation]}: ${fields.map(plain).join(", ")}`,
      h("span", { class: "note" }, `${who}: ${why}`)));
  return h("section", {}, h("h2", {}, "Who saw the document"),
    told.length ? h("ol", { class: "steps" }, told) : h("p", {}, "Nobody so far."),
    has_more && h("p", {}, "There are older ones: ask the API for them."));
}
