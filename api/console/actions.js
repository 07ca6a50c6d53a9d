// What somebody may do about an application, as forms.

import { alertBox, h } from "./dom.js";
import { may, money } from "./words.js";

const UNDECIDED = ["pending", "risk_check", "manual_review"];
const OPEN = [...UNDECIDED, "pre_approved"];

// In the order in which they are shown, as { name, element({ api, perform }) }.
export function actionsFor(user, application) {
  const isOwn = application.owner_id === user.id;
  const isOffered = application.status === "approved" && application.offer?.status === "made";
  const isOpen = OPEN.includes(application.status) || isOffered;
  const waits = Boolean(application.review_since);
  const isMine = application.officer_id === user.id && application.claimed_until;
  const can = [];
  if (isReviewer(user, application) && waits) {
    can.push(isMine ? just("release", "Put back into the queue") : just("claim", "Take it from the queue"));
    can.push(approval(application), withReason("reject", "Reject", { isRequired: true }));
  }
  if (isOwn && isOffered) can.push(acceptance(application), withReason("decline", "Decline the offer"));
  if (isOwn && UNDECIDED.includes(application.status)) can.push(changes(application));
  if (isOpen && (isOwn || may(user, "review"))) can.push(withReason("withdraw", "Withdraw"));
  return can;
}

// Nobody decides on an application of his own, or that he brought.
export function isReviewer(user, { owner_id, submitted_by }) {
  return may(user, "review") && ![owner_id, submitted_by].includes(user.id);
}

export function just(name, label) {
  const element = ({ perform }) => formOf(name, label, perform, [], () => ({}));
  return { name, element };
}

export function withReason(name, label, { isRequired = false } = {}) {
  const element = ({ perform }) => {
    const reason = reasonInput(name, isRequired);
    return formOf(name, label, perform, [reason.element], () => ({ reason: reason.value() }), "quiet");
  };
  return { name, element };
}

function approval({ amount_requested, max_approved_amount, currency }) {
  const element = ({ perform }) => {
    const amount = h("input", { id: "approve-amount", inputmode: "decimal", value: max_approved_amount ?? amount_requested });
    const label = h("label", { for: "approve-amount" }, `Amount in ${currency}, at most ${money(amount_requested, currency)}`);
    const reason = reasonInput("approve", false);
    const body = () => ({ amount: amount.value.trim(), reason: reason.value() });
    return formOf("approve", "Approve", perform, [h("div", {}, label, amount), reason.element], body);
  };
  return { name: "approve", element };
}

// The bureau is asked again, and it is decided anew.
function changes({ amount_requested, months, currency }) {
  const element = ({ perform }) => {
    const amount = h("input", { id: "change-amount", inputmode: "decimal", value: amount_requested });
    const time = h("input", { id: "change-months", inputmode: "numeric", value: String(months) });
    const fields = [
      h("div", {}, h("label", { for: "change-amount" }, `Amount in ${currency}`), amount),
      h("div", {}, h("label", { for: "change-months" }, "Months"), time),
    ];
    const asked = () => time.value.trim();
    const body = () => ({
      amount_requested: amount.value.trim(),
      months: /^\d+$/.test(asked()) ? Number(asked()) : asked(), // the API says what is wrong with it
    });
    return formOf("change", "Ask for this instead", perform, fields, body, "quiet");
  };
  return { name: "change", element };
}

// The money goes to an account of one's own in the currency of the loan.
function acceptance({ account_id, currency }) {
  const element = ({ api, perform }) => {
    const choice = h("select", { id: "accept-account" }, account_id && h("option", { value: account_id }, "The one that was named"));
    const hint = h("p", { class: "hint" });
    api.get("/api/accounts", { currency, status: "active" }).then(
      ({ data }) => {
        const others = data.filter(({ id }) => id !== account_id);
        choice.append(...others.map(({ id, name }) => h("option", { value: id }, `${name} (${currency})`)));
        choice.disabled = !account_id && !others.length;
        if (choice.disabled) hint.textContent = `You have no account in ${currency}: open one first.`;
      },
      (problem) => hint.replaceChildren(alertBox(problem.title, problem.message)),
    );
    const label = h("label", { for: "accept-account" }, "Pay the money to");
    const body = () => (choice.value ? { account_id: choice.value } : {});
    return formOf("accept", "Accept the offer", perform, [h("div", {}, label, choice), hint], body);
  };
  return { name: "accept", element };
}

function reasonInput(name, isRequired) {
  const id = `${name}-reason`;
  const input = h("input", { id, maxlength: "500", required: isRequired, autocomplete: "off" });
  const label = h("label", { for: id }, isRequired ? "Reason" : "Reason (optional)");
  return { element: h("div", {}, label, input), value: () => input.value.trim() };
}

function formOf(name, label, perform, fields, body, look = null) {
  const button = h("button", { type: "submit", class: look }, label);
  async function onsubmit(event) {
    event.preventDefault();
    button.disabled = true;
    await perform(name, body());
    button.disabled = false;
  }
  return h("form", { class: "action", method: "post", "aria-label": label, onsubmit }, fields, button);
}
