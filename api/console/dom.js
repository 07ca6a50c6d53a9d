// Makes elements. Text only ever becomes text, so that nothing somebody typed can become markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// Tells people who do not see what has changed.
export function announce(text) {
  byId("announcer").textContent = text;
}

// What to do about a problem, at the place where it came up.
export function alertBox(title, text) {
  return h("div", { class: "alert", role: "alert" }, h("strong", {}, title), " ", text);
}
