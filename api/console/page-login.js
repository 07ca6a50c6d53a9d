// Logging in.

import { alertBox, h } from "./dom.js";

export function showLogin({ api, draw, afterLogin, signal }) {
  const email = h("input", { id: "email", type: "email", autocomplete: "username", required: true });
  const password = h("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const said = h("div");
  const button = h("button", { type: "submit" }, "Log in");

  async function logIn(event) {
    event.preventDefault();
    button.disabled = true;
    said.replaceChildren();
    try {
      await api.logIn(email.value.trim(), password.value);
      if (!signal.aborted) afterLogin();
    } catch (problem) {
      said.replaceChildren(alertBox(problem.title, problem.message));
      button.disabled = false;
      password.focus();
    }
  }

  draw(
    "Log in",
    // Should the script fail, no password gets into an address.
    h("form", { class: "narrow", method: "post", onsubmit: logIn },
      said,
      h("label", { for: "email" }, "E-mail"), email,
      h("label", { for: "password" }, "Password"), password,
      button,
    ),
  );
  email.focus();
}
