// Begins: who is logged in, which page the address is of, and the frame around it.

import { Api } from "./api.js";
import { byId, h } from "./dom.js";
import { may } from "./words.js";
import { showApplication } from "./page-application.js";
import { showForm } from "./page-form.js";
import { showList } from "./page-list.js";
import { showLogin } from "./page-login.js";
import { showQueue } from "./page-queue.js";

const HOME = "/console/credit-applications";
const LOGIN = "/console/login";
const QUEUE = "/console/queue";

const PAGES = [
  [/^\/console\/login$/, showLogin],
  [/^\/console\/queue$/, showQueue],
  [/^\/console\/credit-applications$/, showList],
  [/^\/console\/credit-applications\/([A-Za-z]{2})\/new$/, showForm],
  [/^\/console\/credit-applications\/([0-9a-f-]{36})$/, showApplication],
];

let wanted = HOME;
let leave = new AbortController();

const api = new Api(() => {
  if (location.pathname !== LOGIN) wanted = location.pathname + location.search;
  go(LOGIN, { notice: "Your session has ended. Please log in again.", replace: true });
});

// To another page of the console; `state` is for that page alone.
function go(path, { notice = "", replace = false, state = {} } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", path);
  show(notice, state);
}

function show(notice = "", state = {}) {
  leave.abort();
  leave = new AbortController();
  if (/^\/console\/?$/.test(location.pathname)) return go(HOME, { notice, replace: true });
  if (!api.user && location.pathname !== LOGIN) {
    wanted = location.pathname + location.search;
    return go(LOGIN, { notice, replace: true });
  }
  showFrame();
  byId("notice").replaceChildren(...(notice ? [h("p", {}, notice)] : []));
  const [page, found] = pageAt(location.pathname);
  page({ api, go, draw, state, signal: leave.signal, part: found?.[1], afterLogin: () => go(wanted, { replace: true }) });
}

function pageAt(path) {
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(path);
    if (found) return [page, found];
  }
  return [({ draw }) => draw("No such page", h("p", {}, h("a", { href: HOME }, "To the applications"))), null];
}

// Fills the page, and says to people who do not see it that there is another one.
function draw(title, ...children) {
  document.title = `${title} - Daybook`;
  const heading = h("h1", { tabindex: "-1" }, title);
  byId("main").replaceChildren(heading, ...children);
  heading.focus();
}

function showFrame() {
  const user = api.user;
  const brand = h("a", { class: "brand", href: HOME }, "Daybook");
  if (!user) return byId("top").replaceChildren(brand);
  byId("top").replaceChildren(
    brand,
    h("nav", { "aria-label": "Pages" },
      may(user, "read") && h("a", { href: HOME }, "Applications"),
      may(user, "review") && h("a", { href: QUEUE }, "Queue")),
    h("span", { class: "who" }, `${user.email} (${user.role})`),
    h("button", { type: "button", class: "quiet", onclick: logOut }, "Log out"),
  );
}

async function logOut() {
  wanted = HOME;
  leave.abort(); // what ends with the session is not told of
  try {
    await api.logOut();
  } catch {
    // This window knows no token any more; they end by themselves.
  }
  go(LOGIN, { notice: "You are logged out." });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const to = new URL(link.getAttribute("href"), location.href);
  if (to.origin !== location.origin || !to.pathname.startsWith("/console") || to.hash) return;
  event.preventDefault();
  go(to.pathname + to.search);
});
window.addEventListener("popstate", () => show());

await api.isOnlyOne();
show();
