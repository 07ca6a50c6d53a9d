// A window of the console without a browser: the modules as they were served, the engine's own fetch and
// streams, and a small document. Told by lines of JSON what a person does, it answers each with a line.

import { createInterface } from "node:readline";
import { Document, Happening } from "./dom.mjs";

const { script, address, tree, kept } = JSON.parse(process.argv[2]);
const BLOCKS = new Set("DIV P H1 H2 LI LABEL TR TD TH FORM SECTION HEADER NAV MAIN DT DD OPTION BUTTON".split(" "));
const UNSEEN = new Set(["HEAD", "NOSCRIPT", "OPTION"]);

const NO_NETWORK = new TypeError("network error");

let entries = [address];
let streams = new Set();
let isCut = false;
const storage = new Map(Object.entries(kept));
const popped = [];
const document = new Document(tree);

function move(url, replace) {
  entries = [...entries.slice(0, replace ? -1 : undefined), new URL(url, entries.at(-1)).href];
}

const location = new Proxy({}, { get: (_, name) => Reflect.get(new URL(entries.at(-1)), name) });
const reach = globalThis.fetch;

// Streams can be cut, as networks do; other requests go on.
async function fetch(url, options = {}) {
  const at = new URL(url, location.href);
  if (options.headers?.Accept !== "text/event-stream") return reach(at, options);
  if (isCut) throw NO_NETWORK;
  const cut = new AbortController();
  streams.add(cut);
  return reach(at, { ...options, signal: AbortSignal.any([options.signal, cut.signal]) });
}

Object.assign(globalThis, {
  document,
  location,
  window: { addEventListener: (type, listener) => type === "popstate" && popped.push(listener) },
  history: { pushState: (_, __, url) => move(url, false), replaceState: (_, __, url) => move(url, true) },
  fetch,
});
Object.defineProperty(globalThis, "sessionStorage", {
  value: {
    getItem: (name) => storage.get(name) ?? null,
    setItem: (name, value) => storage.set(name, String(value)),
    removeItem: (name) => storage.delete(name),
  },
});

function isSeen(element) {
  for (let at = element; at; at = at.parentNode) if (at.hidden || UNSEEN.has(at.tagName)) return false;
  return true;
}

function seen() {
  return [...document.all()].filter(isSeen);
}

// A space that no line is broken at looks like any other.
function wordsOf(node) {
  return node.textContent.replaceAll("\u00a0", " ");
}

function textOf(node) {
  if (!node.childNodes) return wordsOf(node);
  if (node.hidden || UNSEEN.has(node.tagName)) return "";
  const inside = node.childNodes.map(textOf).join("");
  return BLOCKS.has(node.tagName) ? `\n${inside}\n` : inside;
}

function only(found, what) {
  if (found.length !== 1) throw new Error(`${found.length} of ${what}`);
  return found[0];
}

function field(label) {
  const labels = seen().filter((one) => one.tagName === "LABEL" && wordsOf(one) === label);
  return document.getElementById(only(labels, `the label ${label}`).getAttribute("for"));
}

function named(tag, text) {
  return only(seen().filter((one) => one.tagName === tag && wordsOf(one) === text), `${tag} ${text}`);
}

function press(button) {
  if (button.disabled) throw new Error("the button is disabled");
  const form = button.closest("form");
  if (!button.dispatchEvent(new Happening("click")) || button.getAttribute("type") !== "submit" || !form) return;
  const lacks = [...form.all()].find((one) => one.required && !one.value);
  if (lacks && !form.hasAttribute("novalidate")) lacks.focus();
  else if (form.dispatchEvent(new Happening("submit"))) throw new Error("a form left the page");
}

const DO = {
  text: () => textOf(document.documentElement).replace(/\s*\n\s*/g, "\n").trim(),
  path: () => location.pathname + location.search,
  title: () => document.title,
  kept: () => Object.fromEntries(storage),
  value: (label) => field(label).value,
  can: (label) => !field(label).disabled,
  choices: (label) => [...field(label).all()].map((option) => option.textContent),
  links: () => seen().filter((one) => one.tagName === "A").map((one) => one.getAttribute("href")),
  focused: () => document.activeElement?.getAttribute("id") ?? document.activeElement?.tagName,
  said: () => document.getElementById("announcer").textContent,
  wrong: (label) => {
    const input = field(label);
    const ids = input.getAttribute("aria-describedby").split(" ");
    const texts = ids.map((id) => document.getElementById(id)).filter((one) => one.getAttribute("class") === "wrong");
    return input.hasAttribute("aria-invalid") ? texts[0].textContent : "";
  },
  type: (label, text) => {
    const input = field(label);
    input.focus();
    input.value = "";
    for (const character of text) {
      input.value += character;
      input.dispatchEvent(new Happening("input"));
    }
  },
  leave: (label) => field(label).dispatchEvent(new Happening("change")),
  choose: (label, text) => {
    const input = field(label);
    input.value = only([...input.all()].filter((one) => one.textContent === text), text).value;
    input.dispatchEvent(new Happening("input"));
    input.dispatchEvent(new Happening("change"));
  },
  press: (text) => press(named("BUTTON", text)),
  follow: (text) => {
    if (named("A", text).dispatchEvent(new Happening("click"))) throw new Error("a link left the page");
  },
  visit: (path) => {
    move(path, false);
    for (const listener of popped) listener();
  },
  lose_streams: () => {
    isCut = true;
    for (const cut of streams) cut.abort(NO_NETWORK);
    streams = new Set();
  },
  let_streams: () => {
    isCut = false;
  },
  back: () => {
    entries.pop();
    for (const listener of popped) listener();
  },
};

await import(script);

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...given] = JSON.parse(line);
    let answer;
    try {
      answer = { value: DO[name](...given) ?? null };
    } catch (error) {
      answer = { error: String(error.stack) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  })
  .on("close", () => process.exit());
