// As much of a browser's document as the console uses, and nothing that a browser would not do.

class Node {
  parentNode = null;

  get nextSibling() {
    const all = this.parentNode?.childNodes ?? [];
    return all[all.indexOf(this) + 1] ?? null;
  }

  remove() {
    if (!this.parentNode) return;
    const all = this.parentNode.childNodes;
    all.splice(all.indexOf(this), 1);
    this.parentNode = null;
  }
}

class Text extends Node {
  constructor(text) {
    super();
    this.textContent = text;
  }
}

class Element extends Node {
  childNodes = [];
  #attributes = new Map();
  #listeners = new Map();

  constructor(document, tag) {
    super();
    this.ownerDocument = document;
    this.tagName = tag.toUpperCase();
  }

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.#attributes.set(name, String(value));
  }

  removeAttribute(name) {
    this.#attributes.delete(name);
  }

  hasAttribute(name) {
    return this.#attributes.has(name);
  }

  get firstChild() {
    return this.childNodes[0] ?? null;
  }

  insertBefore(node, next) {
    if (node === next) return node;
    node.remove();
    const at = next ? this.childNodes.indexOf(next) : this.childNodes.length;
    if (at < 0) throw new Error("NotFoundError: no child of this element");
    this.childNodes.splice(at, 0, node);
    node.parentNode = this;
    return node;
  }

  append(...nodes) {
    for (const node of nodes) this.insertBefore(node instanceof Node ? node : new Text(String(node)), null);
  }

  replaceChildren(...nodes) {
    for (const node of [...this.childNodes]) node.remove();
    this.append(...nodes);
  }

  get textContent() {
    return this.childNodes.map((node) => node.textContent).join("");
  }

  set textContent(text) {
    this.replaceChildren(...(text === "" ? [] : [text]));
  }

  addEventListener(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  dispatchEvent(event) {
    event.target ??= this;
    for (const listener of this.#listeners.get(event.type) ?? []) listener.call(this, event);
    const next = this.parentNode ?? (this === this.ownerDocument.documentElement ? this.ownerDocument : null);
    if (event.bubbles) next?.dispatchEvent(event);
    return !event.defaultPrevented;
  }

  focus() {
    if (!this.disabled) this.ownerDocument.activeElement = this;
  }

  *all() {
    for (const node of this.childNodes)
      if (node instanceof Element) {
        yield node;
        yield* node.all();
      }
  }

  closest(selector) {
    const [tag, attribute] = selector.replace("]", "").split("[");
    for (let at = this; at instanceof Element; at = at.parentNode)
      if (at.tagName === tag.toUpperCase() && (!attribute || at.hasAttribute(attribute))) return at;
    return null;
  }

  get value() {
    if (this.tagName === "SELECT") {
      const options = [...this.all()];
      const chosen = this.chosen ?? options.find((one) => one.hasAttribute("selected")) ?? options[0];
      return chosen?.value ?? "";
    }
    if (this.tagName === "OPTION") return this.getAttribute("value") ?? this.textContent;
    return this.typed ?? this.getAttribute("value") ?? "";
  }

  set value(value) {
    if (this.tagName === "SELECT") this.chosen = [...this.all()].find((one) => one.value === value);
    else this.typed = value;
  }
}

for (const name of ["hidden", "disabled", "required"])
  Object.defineProperty(Element.prototype, name, {
    get() {
      return this.hasAttribute(name);
    },
    set(is) {
      if (is) this.setAttribute(name, "");
      else this.removeAttribute(name);
    },
  });

export class Happening {
  defaultPrevented = false;
  button = 0;

  constructor(type, { bubbles = true } = {}) {
    this.type = type;
    this.bubbles = bubbles;
  }

  preventDefault() {
    this.defaultPrevented = true;
  }
}

export class Document {
  title = "";
  activeElement = null;
  #listeners = new Map();

  // `tree`: [tag, { attribute: value }, [child or text, ...]]
  constructor(tree) {
    this.documentElement = this.#made(tree);
  }

  #made([tag, attributes, children]) {
    const element = this.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.map((child) => (typeof child === "string" ? child : this.#made(child))));
    return element;
  }

  createElement(tag) {
    return new Element(this, tag);
  }

  all() {
    return this.documentElement.all();
  }

  getElementById(id) {
    return [...this.all()].find((element) => element.getAttribute("id") === id) ?? null;
  }

  addEventListener(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  dispatchEvent(event) {
    for (const listener of this.#listeners.get(event.type) ?? []) listener.call(this, event);
    return !event.defaultPrevented;
  }
}
