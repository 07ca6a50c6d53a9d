// Approvals that wait for a second officer to agree.

import { isReviewer, just, withReason } from "./actions.js";
import { h } from "./dom.js";
import { moment, money } from "./words.js";

// Also what is pending ends by itself: then nobody can agree any more.
export async function waitingFor(api, application, query) {
  if (!application.review_since) return [];
  const asked = { ...query, status: "pending", application_id: application.id };
  const { data } = await api.get("/api/approvals", asked);
  return data.filter(({ expires_at }) => new Date(expires_at) > Date.now());
}

// `decide` is given the approval's id and what is done with it, as "id/verb".
export function approvalsOf(approvals, application, { api, decide }) {
  return h("section", {}, h("h2", {}, "Waits for a second officer"), approvals.map((approval) => {
    const isMine = approval.maker_id === api.user.id;
    const forms = actionsOn(approval, isMine, isReviewer(api.user, application)).map((action) => action.element({ api, perform: decide }));
    return [h("p", {}, said(approval, isMine)), h("div", { class: "actions" }, forms)];
  }).flat());
}

function actionsOn({ id }, isMine, mayDecide) {
  if (isMine) return [just(`${id}/withdraw`, "Ask no longer")];
  return mayDecide ? [just(`${id}/approve`, "Agree"), withReason(`${id}/reject`, "Refuse")] : [];
}

function said({ maker_id, review: { amount, currency, reason }, requested_at, expires_at }, isMine) {
  const who = isMine ? "You" : `Officer ${maker_id}`;
  const why = reason && ` (${reason})`;
  return `${who} approved ${money(amount, currency)}${why} on ${moment(requested_at)}. Another officer has to agree until ${moment(expires_at)}.`;
}
