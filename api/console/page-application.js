// One application: what was asked and found, what happened, and what one may do about it.

import { actionsFor } from "./actions.js";
import { approvalsOf, waitingFor } from "./approvals.js";
import { badge } from "./badge.js";
import { disclosuresOf } from "./disclosures.js";
import { alertBox, announce, h } from "./dom.js";
import { follow } from "./live.js";
import { isOver, may, moment, money, plain, rate, STATUSES } from "./words.js";

const SOON_MS = 300;

export async function showApplication({ api, draw, signal, part: id, state }) {
  const path = `/api/applications/${id}`;
  const facts = h("div");
  const actions = h("div");
  const waiting = h("div");
  const seen = h("div");
  const said = h("div");
  let application = null;
  let shownActions = "";
  let shownWaiting = "";
  let due = null;
  let before = Promise.resolve();

  draw("Application", said, facts, waiting, actions, seen);
  await load({ min_position: state.position });
  if (!application) return;
  follow(api, `${path}/stream`, {
    signal,
    isDone: () => isOver(application),
    onEvent: (_, told) => {
      // A burst of steps is one request.
      if (told.position > application.position) due ??= setTimeout(() => load({ min_position: told.position }), SOON_MS);
    },
  });

  function load(query = {}) {
    before = before.then(async () => {
      due = null;
      if (signal.aborted) return;
      try {
        const found = await api.get(path, query);
        if (!signal.aborted) take(found);
        if (!signal.aborted && may(api.user, "review")) showWaiting(await waitingFor(api, found, query));
        if (!signal.aborted && may(api.user, "disclosures")) seen.replaceChildren(disclosuresOf(await api.get(`${path}/disclosures`)));
      } catch (problem) {
        if (!signal.aborted) said.replaceChildren(alertBox(problem.title, problem.message));
      }
    });
    return before;
  }

  function take(found) {
    if (application && found.version < application.version) return;
    if (application && application.status !== found.status) announce(`The status is now: ${STATUSES[found.status]}`);
    if (!application) draw(`Application of ${found.full_name}`, said, facts, waiting, actions, seen);
    application = found;
    facts.replaceChildren(...factsOf(found));
    showActions();
  }

  // Only other ones take the place of those that are there: somebody may be typing a reason.
  function showActions() {
    const can = actionsFor(api.user, application);
    const { amount_requested, months } = application;
    const shown = JSON.stringify([can.map(({ name }) => name), amount_requested, months]);
    if (shown === shownActions) return;
    shownActions = shown;
    const forms = can.map((action) => action.element({ api, perform }));
    actions.replaceChildren(...(forms.length ? [h("h2", {}, "What you can do"), h("div", { class: "actions" }, forms)] : []));
  }

  // As with the actions.
  function showWaiting(approvals) {
    const shown = approvals.map(({ id }) => id).join();
    if (signal.aborted || shown === shownWaiting) return;
    shownWaiting = shown;
    waiting.replaceChildren(...(shown ? [approvalsOf(approvals, application, { api, decide })] : []));
  }

  // Decided on as it is shown, or not at all.
  function perform(name, body) {
    const headers = { "If-Match": `"${application.version}"` };
    return sent(() => (name === "change" ? api.put(path, body, headers) : api.post(`${path}/${name}`, body, headers)));
  }

  function decide(name, body) {
    return sent(() => api.post(`/api/approvals/${name}`, body));
  }

  async function sent(send) {
    said.replaceChildren();
    try {
      const made = await send();
      announce(made.maker_id && made.status === "pending" ? "It waits for a second officer to agree." : "Done.");
      await load({ min_position: made.position });
    } catch (problem) {
      if (signal.aborted) return;
      const wrong = (problem.details.errors ?? []).map(({ field, message }) => `${plain(field)}: ${message}.`);
      said.replaceChildren(alertBox(problem.title, wrong.join(" ") || problem.message));
      if (problem.reason === "precondition_failed") await load();
    }
  }
}

function factsOf(application) {
  const { currency, offer, report } = application;
  return [
    h("p", {}, badge(application.status)),
    reasonsOf(application),
    h("dl", {},
      fact("Country", application.country),
      fact("Document", `${application.document_type.replaceAll("_", " ").toUpperCase()} ${application.document_number}`),
      fact("Monthly income", money(application.monthly_income, currency)),
      fact("Amount", money(application.amount_requested, currency)),
      fact("Months", String(application.months)),
      application.loan_type && fact("For", plain(application.loan_type)),
      fact("Submitted", when(application.created_at)),
      application.credit_score != null && fact("Credit score", String(application.credit_score)),
      application.decided_at && fact("Decided", when(application.decided_at)),
      application.max_approved_amount && fact("Approved up to", money(application.max_approved_amount, currency)),
      application.claimed_until && fact("With an officer until", when(application.claimed_until)),
    ),
    offer && section("Offer",
      h("dl", {},
        fact("State", plain(offer.status)),
        fact("Amount", money(offer.amount, currency)),
        offer.annual_rate_bps != null && fact("Interest", rate(offer.annual_rate_bps)),
        fact("Months", String(offer.months)),
        fact("Good until", when(offer.expires_at)),
        application.loan_id && fact("Loan", application.loan_id))),
    // What the bureau knows is told to staff only.
    "report" in application &&
      section("Report", report ? reportOf(report, currency) : h("p", {}, missing(application))),
    section("What happened",
      h("ol", { class: "steps" },
        application.steps.map((step) =>
          h("li", {}, when(step.at), ` ${plain(step.name)} `, badge(step.status), step.note && h("span", { class: "note" }, step.note))))),
  ].filter(Boolean);
}

function reasonsOf({ decision_reasons: reasons }) {
  return reasons.length > 0 && h("ul", { class: "reasons", "aria-label": "Reasons" }, reasons.map((reason) => h("li", {}, reason)));
}

function missing({ report_unavailable: why }) {
  return why ? `The bureau gave none: ${why}` : "There is none yet.";
}

function reportOf(report, currency) {
  return h("dl", {},
    fact("Score", report.credit_score == null ? "none" : String(report.credit_score)),
    fact("Debt", report.total_debt == null ? "not known" : money(report.total_debt, currency)),
    fact("Bank", report.bank_name || "not known"),
    fact("Account", plain(report.account_status)),
    fact("Verified", report.is_verified ? "yes" : "no"));
}

function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), ...children);
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function when(text) {
  return h("time", { datetime: text }, moment(text));
}
