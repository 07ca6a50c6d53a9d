// A new application, by the form of its country.

import { randomId } from "./api.js";
import { alertBox, h } from "./dom.js";
import { check, looksRight } from "./fields.js";
import { may } from "./words.js";

const LIST = "/console/credit-applications";
const PATH = "/api/applications";
const OF_STAFF = { name: "applicant_user_id", label: "Id of the customer, if there is one", kind: "id", choices: [] };
const TAKEN_IN = "It was taken in, and is looked at. What becomes of it shows here by itself.";
const MODES = { money: "decimal", whole: "numeric" };
const TYPES = { date: "date", email: "email", phone: "tel" };
const FILLED_BY_BROWSER = { full_name: "name", email: "email", phone: "tel", date_of_birth: "bday" };

export async function showForm({ api, go, draw, signal, part }) {
  const { user } = api;
  if (!may(user, "submit")) {
    const notice = `With the role ${user.role} nobody applies for credit: ask an admin or a credit officer.`;
    return go(LIST, { notice, replace: true });
  }
  let country;
  try {
    country = await api.get(`/api/countries/${part.toUpperCase()}`);
  } catch (problem) {
    if (!signal.aborted) draw("New application", alertBox(problem.title, problem.message));
    return;
  }
  if (signal.aborted) return;

  const asked = user.role === "user" ? country.form : [...country.form, OF_STAFF];
  const fields = new Map(asked.map((field) => [field.name, new Field(field)]));
  const said = h("div");
  const button = h("button", { type: "submit" }, "Apply");
  const once = new Once();
  helpWithDocument(fields, country);

  async function apply(event) {
    event.preventDefault();
    said.replaceChildren();
    const wrong = [...fields.values()].filter((field) => !field.isRight());
    if (wrong.length) return wrong[0].input.focus();
    button.disabled = true;
    try {
      const body = bodyOf(country, fields);
      const made = await api.post(PATH, body, { "Idempotency-Key": once.keyFor(body) });
      if (!signal.aborted) go(`${LIST}/${made.id}`, { notice: TAKEN_IN, state: { position: made.position } });
    } catch (problem) {
      if (!signal.aborted) showProblem(problem, fields, said);
    } finally {
      button.disabled = false;
    }
  }

  draw(
    `New application: ${country.name}`,
    h("p", { class: "hint" }, `Amounts are in ${country.currency}. ${country.bureau} is asked about the applicant.`),
    h("form", { class: "narrow", method: "post", novalidate: true, onsubmit: apply },
      said, [...fields.values()].map((field) => field.element), button),
    h("details", {}, h("summary", {}, "How it is decided"), h("p", {}, "The first that fits decides:"),
      h("ol", {}, country.rules.map((rule) => h("li", {}, rule)))),
  );
}

// One field with its label, and what is wrong with it while it is typed.
class Field {
  #field;
  #wrong;
  #hint;

  constructor(field) {
    this.#field = field;
    const id = `field-${field.name}`;
    this.input = inputOf(field, id);
    this.#hint = h("p", { class: "hint", id: `${id}-hint` });
    this.#wrong = h("p", { class: "wrong", id: `${id}-wrong`, "aria-live": "polite" });
    this.input.addEventListener("input", () => this.#whileTyping());
    this.input.addEventListener("change", () => this.isRight());
    const label = field.is_required ? field.label : `${field.label} (optional)`;
    this.element = h("div", { class: "field" }, h("label", { for: id }, label), this.input, this.#hint, this.#wrong);
  }

  get value() {
    return this.input.value.trim();
  }

  isRight() {
    const wrong = check(this.#field, this.value);
    this.say(wrong);
    return !wrong;
  }

  say(wrong) {
    this.#wrong.textContent = wrong;
    if (wrong) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  help(text) {
    this.#hint.textContent = text;
  }

  // Nobody is told that what he is about to type is missing or too short.
  #whileTyping() {
    const { value } = this;
    const tooShort = this.#field.min_length != null && value.length < this.#field.min_length;
    if (!value || tooShort) this.say("");
    else this.isRight();
  }
}

function inputOf(field, id) {
  const common = { id, name: field.name, "aria-describedby": `${id}-hint ${id}-wrong`, "aria-required": String(Boolean(field.is_required)) };
  if (field.kind === "choice") {
    const choices = field.default ? [] : [h("option", { value: "" }, "Choose")];
    choices.push(...field.choices.map(({ value, label }) => h("option", { value, selected: value === field.default }, label)));
    return h("select", common, choices);
  }
  return h("input", {
    ...common,
    type: TYPES[field.kind] ?? "text",
    inputmode: MODES[field.kind],
    autocomplete: FILLED_BY_BROWSER[field.name] ?? "off",
    value: field.default || null,
    min: field.kind === "date" ? field.minimum : null,
    max: field.kind === "date" ? field.maximum : null,
  });
}

// Shows what a number of the chosen kind looks like; the API says whether there is one.
function helpWithDocument(fields, country) {
  const kind = fields.get("document_type");
  const number = fields.get("document_number");
  const help = () => {
    const document = country.documents.find(({ code }) => code === kind.value);
    if (!document) return number.help("");
    const isOdd = number.value && !looksRight(document, number.value);
    number.help(isOdd ? `A ${document.label} mostly looks like ${document.example}: look again.` : `Like ${document.example}`);
  };
  kind.input.addEventListener("change", help);
  number.input.addEventListener("input", help);
  help();
}

function bodyOf(country, fields) {
  const body = { country: country.code };
  for (const [name, { value }] of fields) if (value) body[name] = name === "months" ? Number(value) : value;
  return body;
}

// At each field what is wrong there, and the rest above the form.
function showProblem(problem, fields, said) {
  const { errors = [], document_type: kind } = problem.details;
  for (const { field, message } of errors) fields.get(field)?.say(message);
  if (kind) fields.get("document_number")?.say(problem.message);
  said.replaceChildren(alertBox(problem.title, problem.message));
  const first = [...fields.values()].find(({ input }) => input.getAttribute("aria-invalid"));
  first?.input.focus();
}

// The same key for the same content, so that trying again after no answer makes no second application.
class Once {
  #content = "";
  #key = "";

  keyFor(body) {
    const content = JSON.stringify(body);
    if (content !== this.#content) [this.#content, this.#key] = [content, randomId()];
    return this.#key;
  }
}
