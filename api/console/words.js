// Words and figures for people, and which role is for what.

export const STATUSES = {
  pending: "Pending",
  risk_check: "Risk check",
  manual_review: "Manual review",
  pre_approved: "Pre-approved",
  approved: "Approved",
  rejected: "Rejected",
  withdrawn: "Withdrawn",
};

// As the API's table of rules has it, which has the last word.
export const MAY = {
  read: ["admin", "support", "auditor", "officer", "user"],
  submit: ["admin", "officer", "user"],
  review: ["admin", "officer"],
  disclosures: ["admin", "auditor", "user"],
};

export function may(user, what) {
  return MAY[what].includes(user.role);
}

export function money(amount, currency) {
  const format = { style: "currency", currency, currencyDisplay: "code" };
  return new Intl.NumberFormat("en", format).format(amount);
}

// Hundredths of a percent.
export function rate(bps) {
  return `${(bps / 100).toFixed(2)} % a year`;
}

export function moment(text) {
  return new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

// "report_received" as people write it.
export function plain(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// As in the API: nothing more comes of it.
export function isOver(application) {
  if (application.status === "approved")
    return ["declined", "expired", "disbursed"].includes(application.offer?.status);
  return ["rejected", "withdrawn"].includes(application.status);
}
