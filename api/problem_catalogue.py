"""The catalogue of problems: what every reason means in HTTP, in words, and whether to try again."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One reason. `advice` may name details in braces; it is what the person reads."""

    status: int
    category: str
    title: str
    advice: str
    retryable: bool = False


class Retry(NamedTuple):
    """How a caller, or a job of ours, tries again: so often, after so long, each time that much longer."""

    tries: int
    delay_ms: int
    factor: float


RETRIES = {"external_dependency": Retry(3, 1_000, 2.0), "system": Retry(2, 500, 1.5)}
"""By category; those of the others would fail again in the same way, or say in Retry-After when not."""

ERROR_TYPES = {
    "validation": "validation_error",
    "authentication": "unauthorized",
    "authorization": "forbidden",
    "not_found": "not_found",
    "conflict": "conflict",
    "business_rule": "unprocessable_entity",
    "rate_limit": "rate_limited",
    "external_dependency": "service_unavailable",
    "system": "internal_server_error",
}
"""By category: its name in the member `error`, which clients of the older API read."""


def _validation(title: str, advice: str) -> Problem:
    return Problem(400, "validation", title, advice)


def _rule(title: str, advice: str) -> Problem:
    return Problem(422, "business_rule", title, advice)


def _missing(title: str, advice: str) -> Problem:
    return Problem(404, "not_found", title, advice)


def _conflict(title: str, advice: str) -> Problem:
    return Problem(409, "conflict", title, advice)


def _who(title: str, advice: str) -> Problem:
    return Problem(401, "authentication", title, advice)


def _barred(title: str, advice: str) -> Problem:
    return Problem(403, "authorization", title, advice)


def _later(title: str, advice: str) -> Problem:
    return Problem(503, "external_dependency", title, advice, retryable=True)


CATALOGUE: dict[str, Problem] = {
    # What the request itself gets wrong.
    "invalid_json": _validation("Not JSON", "The body must be one JSON object in UTF-8."),
    "invalid_request": _validation("Invalid request", "A value has the wrong type or form; see details."),
    "missing_fields": _validation("Missing fields", "Required: {fields}."),
    "unknown_fields": _validation("Unknown fields", "Not known here: {fields}. Remove them."),
    "invalid_uuid_format": _validation("Not a UUID", "Give the id as a UUID like 3f0c9a52-6d0b-4d5e-9f57-0f6f5a8a1c11."),
    "reserved_id": _validation("Id not random", "Choose a random id, a UUID of version 4 or 7, or leave it out: others may be the house's own."),
    "invalid_amount_format": _validation("Invalid amount", 'Give a decimal string like "12.50", with at most the currency\'s decimals.'),
    "negative_amount": _validation("Amount not positive", "The amount must be greater than 0."),
    "amount_too_large": _validation("Amount too large", "An amount has at most 12 digits before the point."),
    "invalid_currency_format": _validation("Unknown currency", "Give an ISO 4217 code like EUR."),
    "invalid_account_type": _validation("Unknown account type", "One of: {allowed}."),
    "invalid_format": _validation("Unknown format", "One of: {allowed}."),
    "invalid_period": _validation("Days in the wrong order", "The first day, {from}, is after the last, {to}: swap them."),
    "invalid_status": _validation("Unknown status", "One of: {allowed}."),
    "invalid_direction": _validation("Unknown direction", "One of: credit, debit."),
    "invalid_datetime_format": _validation("Invalid time", "Give RFC 3339 like 2026-01-31T12:00:00Z, or a date."),
    "invalid_name_format": _validation("Invalid name", "Give a name of fitting length, without control characters; see details."),
    "invalid_text": _validation("Invalid text", "The text is too long or has control characters; see details."),
    "invalid_metadata": _validation("Invalid metadata", "Metadata is flat: at most 16 keys of 1 to 40 characters; values are strings up to 500 characters, whole numbers below 2^53, or true and false."),
    "invalid_cursor": _validation("Invalid cursor", "Pass next_cursor back as it was given, with the same filters."),
    "invalid_idempotency_key": _validation("Invalid Idempotency-Key", "A key has 1 to 255 printable ASCII characters; where an answer is shown only once, leave it out."),
    "invalid_if_match": _validation("Invalid If-Match", "{why}"),
    "conflicting_parameters": _validation("Parameters exclude each other", "Give one of: {parameters}."),
    "invalid_sort": _validation("Unknown order", "Sort by {allowed}, each once and with :asc or :desc after it; commas between several."),
    "invalid_email_format": _validation("Invalid e-mail address", "Give an address like name@example.com."),
    "invalid_password_format": _validation("Password not fit", "A password has at least 8 characters (15 for every role but user) and at most 128, and not only spaces."),
    "invalid_role": _validation("Unknown role", "One of: {allowed}."),
    "invalid_scope": _validation("Unknown scope", "Scopes of an API key are some of: {allowed}."),
    "invalid_expiry": _validation("Invalid expiry", "Give a moment after now, or leave it out: the key is then good until it is revoked."),
    "invalid_refresh_token_format": _validation("Not a refresh token", "Give the refresh_token as the login answered it."),
    "invalid_topic": _validation("Unknown event type", "One of: {allowed}."),
    "invalid_bank_account": _validation("Invalid bank account", "{why}"),
    "invalid_credit_limit": _validation("Invalid credit limit", "A credit limit is zero or more."),
    "invalid_webhook_url": _validation("Webhooks cannot go there", "The URL cannot be used: {why}."),
    "invalid_webhook_type": _validation("Unknown type of message", "Types are some of: {allowed}."),
    "invalid_phone_format": _validation("Invalid telephone number", "Give 10 to 15 digits, with the country's number, and nothing between them; a + may come before."),
    "expiry_without_pending": _validation("Expiry without pending", "Only a pending transfer expires: add pending: true, or leave expires_in_s out."),
    "empty_condition": _validation("Empty condition", "Name at least one of version, balance_at_least, balance_at_most, available_at_least, available_at_most."),
    "batch_too_large": _validation("Batch too large", "A batch has at most {max_length} transfers."),
    "unsupported_media_type": Problem(415, "validation", "Unsupported media type", "Send Content-Type: application/json."),
    "body_too_large": Problem(413, "validation", "Body too large", "A body has at most {limit_bytes} bytes."),
    "url_too_long": Problem(414, "validation", "URL too long", "Path and query have at most {limit_bytes} bytes together."),
    "headers_too_large": Problem(413, "validation", "Headers too large", "All headers have at most {limit_bytes} bytes together."),
    "unsupported_api_version": _validation("Unsupported API version", "Ask for one of: {known}; with none asked for, the newest answers."),
    "method_not_allowed": Problem(405, "validation", "Method not allowed", "The header Allow lists what this path takes."),
    "cross_site_request": Problem(403, "authorization", "Request from another site", "A web page of another site may not write here: call the API from a program, or from its own pages."),
    "untrusted_host": Problem(403, "authorization", "Unknown host name", "Reach the server by a name that is its own: {known}."),
    # Who asks.
    "unauthorized": _who("Not logged in", "Send the header Authorization: Bearer with an access token, which POST /api/auth/login gives, or with an API key."),
    "invalid_token": _who("Invalid token", "The token is not one of this server's: log in again."),
    "token_expired": _who("Token expired", "Use the refresh token to get a new one, or log in again."),
    "token_revoked": _who("Token revoked", "It was logged out of, used before, or withdrawn: log in again."),
    "token_not_yet_valid": _who("Token not valid yet", "The token is for later: set the clocks of both machines."),
    "invalid_token_type": _who("Wrong kind of token", "Access tokens are for requests, refresh tokens for new access tokens only."),
    "missing_required_claims": _who("Incomplete token", "The token lacks claims that this server puts into each: log in again."),
    "invalid_issuer": _who("Token of another issuer", "The token was not made by this server: log in here."),
    "invalid_audience": _who("Token for another service", "The token was made for another service: log in here."),
    "invalid_credentials": _who("Wrong e-mail or password", "Look at both again: which of them is wrong is not told."),
    "invalid_password": _who("Wrong password", "The current password is not that one: type it again."),
    "invalid_webhook_signature": _who("Signature not good", "Sign it as Standard Webhooks 1.0.0 says, with the secret that was agreed and the time of now; which part is wrong is not told."),
    "invalid_api_key": _who("Invalid API key", "It is mistyped, revoked or expired: use another, or have a new one issued."),
    # What the one who asks may not do.
    "forbidden": _barred("Not allowed", "This is not for you: ask an admin if it should be."),
    "insufficient_permissions": _barred("Not allowed", "You may not do this: your role, your API key or whose it is does not allow it; see details."),
    "unauthorized_access": _barred("Not yours", "It belongs to somebody else: use one of your own."),
    "own_application": _barred("Your own application", "Nobody decides on an application of his own, or that he brought: another officer must."),
    "cannot_approve_own": _barred("Your own request", "Whoever asked, or gains by it, does not approve: another person must."),
    "scope_missing": _barred("Scope missing", "The API key lacks the scope {scope}: use a key that has it."),
    # What is not there.
    "route_not_found": _missing("No such path", "GET /docs shows all paths."),
    "account_not_found": _missing("Account not found", "There is no account {account_id}."),
    "transfer_not_found": _missing("Transfer not found", "There is no transfer {transfer_id}."),
    "fund_not_found": _missing("Fund not found", "There is no fund {fund_id}."),
    "investment_not_found": _missing("Investment not found", "There is no investment {investment_id}."),
    "bank_transfer_not_found": _missing("Bank transfer not found", "There is no deposit or withdrawal {bank_transfer_id}."),
    "application_not_found": _missing("Application not found", "There is no application {application_id}."),
    "country_not_found": _missing("Country not found", "There is no country {country} here; known: {supported}."),
    "repayment_not_found": _missing("Repayment not found", "There is no repayment {repayment_id} of that loan."),
    "loan_not_found": _missing("Loan not found", "There is no loan {loan_id}."),
    "movement_not_found": _missing("Movement not found", "No bank was asked for movement {movement_id}."),
    "process_not_found": _missing("Process not found", "Process {process} drives nothing that has the id {key}."),
    "stream_not_found": _missing("Stream not found", "There is no stream {stream_id}."),
    "correlation_not_found": _missing("Correlation not found", "No event has the correlation id {correlation_id}. It may not be visible yet: read with min_position."),
    "user_not_found": _missing("User not found", "There is no user {user_id}."),
    "session_not_found": _missing("Session not found", "There is no such session, or it has ended: GET /api/auth/sessions lists those that are open."),
    "token_not_found": _missing("Token not found", "No open login has this token: log in again."),
    "api_key_not_found": _missing("API key not found", "There is no API key {key_id}, or it is revoked."),
    "reconciliation_not_found": _missing("Reconciliation not found", "There is no reconciliation {reconciliation_id}."),
    "approval_not_found": _missing("Approval not found", "There is no approval {approval_id}."),
    "job_not_found": _missing("Job not found", "There is no job {job_id}; those that are done or cancelled are forgotten after 7 days."),
    "problem_not_found": _missing("No such problem", "There is no reason {name}; GET /api/problems lists all."),
    "webhook_endpoint_not_found": _missing("Endpoint not found", "There is no endpoint {endpoint_id}."),
    "webhook_delivery_not_found": _missing("Delivery not found", "There is no delivery {delivery_id}: old ones are forgotten."),
    "webhook_provider_not_found": _missing("Nobody known", "No webhooks of {provider} are taken in: its secret has to be set first."),
    "event_not_found": _missing("Event not found", "There is no event {position}; the log ends at {head}."),
    "checkpoint_not_found": _missing("Checkpoint not found", "There is no such checkpoint; `daybook audit checkpoint` makes one, and so does the server after every CHECKPOINT_EVERY events."),
    "projection_not_found": _missing("Read model not found", "There is no read model {name}; known: {known}."),
    # What clashes with what is there.
    "id_reused": Problem(422, "conflict", "Id already used", "The id {id} belongs to something else: choose another, or send the same content as before."),
    "idempotency_key_reused": Problem(422, "conflict", "Idempotency-Key already used", "The key was used for another request: use a new key for a new request."),
    "precondition_failed": Problem(412, "conflict", "Changed meanwhile", "It is at version {version}, which If-Match does not name: read it again and decide anew."),
    "transfer_not_pending": _conflict("Transfer not pending", "The transfer is {status}; only a pending one can be posted or voided."),
    "transfer_not_posted": _conflict("Transfer not posted", "The transfer is {status}; only a posted one can be reversed."),
    "transfer_expired": _conflict("Transfer expired", "The hold ended at {expired_at}: make a new transfer."),
    "transfer_not_due": _conflict("Transfer not due", "The transfer has not reached its expiry."),
    "no_seats_available": _conflict("No seats available", "All {seats} seats of fund {fund_id} are reserved or taken: try again when one was given back, or choose another fund."),
    "already_sent": _conflict("Already sent", "The bank was asked for it already, and only what has not been sent can be called off: wait for what becomes of it."),
    "nothing_new": _conflict("Nothing new", "What was told is known already, or came too late to matter."),
    "movement_over": _conflict("Movement over", "The movement is {status}: nothing more is expected of the bank."),
    "nothing_to_retry": _conflict("Nothing to retry", "Trying again would change nothing: see what it waits for, and whether it can be undone."),
    "nothing_to_undo": _conflict("Nothing to undo", "There is nothing that can be undone: see what it waits for, and whether it can be tried again."),
    "event_waits": _conflict("An event waits", "Process {process} of {key} is stuck with an event: retry or skip that first, then it can be undone."),
    "nothing_to_skip": _conflict("Nothing to skip", "Process {process} of {key} waits for a decision and not at an event: retry it, or undo it."),
    "reserved_account": _conflict("Reserved account", "Account {account_id} is the house's own: what banks are asked for passes through it, and nothing else may."),
    "bank_has_it": _conflict("Bank has it", "The bank has taken it on, so only the bank can say what becomes of it: wait for that, or ask there."),
    "process_not_stuck": _conflict("Process not stuck", "It is {status}: only a process that is stuck can be retried, skipped or compensated."),
    "event_not_signed": _conflict("Event not signed yet", "The last checkpoint is of position {signed}, and event {position} comes after it: ask again when there is a newer one; `daybook audit checkpoint` makes one now."),
    "log_not_as_signed": _conflict("Log not as signed", "The log is not what the checkpoint of position {signed} signed: run `daybook audit verify` to find what was altered."),
    "email_already_exists": _conflict("E-mail address in use", "Another user has this address: log in with it, or give another one."),
    "already_processed": _conflict("Already processed", "Somebody was faster: read it again to see what was decided."),
    "approval_not_pending": _conflict("Approval not pending", "The approval is {status}; only a pending one can be decided."),
    "maker_may_not": _conflict("Asked by one who may not any more", "Who asked for it may not do this any more, or is no user any more: reject it."),
    "approval_expired": _conflict("Approval expired", "Nobody decided until {expired_at}: ask for it anew."),
    "user_erased": _conflict("User erased", "User {user_id} was erased before, for good."),
    "job_running": _conflict("Job running", "The job {job_id} runs just now: see what becomes of it, and retry it when it has failed."),
    "job_over": _conflict("Job over", "The job {job_id} is {status}: that is not changed any more."),
    "webhook_endpoint_disabled": _conflict("Endpoint disabled", "Nothing is sent to endpoint {endpoint_id}, which is disabled ({why}): enable it first."),
    "webhook_delivery_under_way": _conflict("Still tried", "Delivery {delivery_id} is still tried by itself: wait for how it ends."),
    "webhook_replay_under_way": _conflict("Replay under way", "Messages that were sent to endpoint {endpoint_id} again are still tried: wait for how they end, and replay the next ones then."),
    "duplicate_application": _conflict("Applied already", "Nobody can apply with this document in {country} now. Wait until an application of yours is decided, or withdraw it; again_at in the details says from when on it can be tried again, where that is known. If you have none, ask us."),
    "person_erased": _conflict("Person erased", "What was known of this person was erased, for good: nothing more is done for them."),
    "application_closed": _conflict("Application closed", "The application is {status}: nothing about it is changed any more."),
    "not_in_review": _conflict("Not in review", "The application is {status}: there is nothing that an officer is asked."),
    "claimed_by_another": _conflict("Claimed by another officer", "Another officer looks at it until {until}: take another one, or wait."),
    "application_changed": _conflict("Application changed", "What is asked for, or known, has changed since it was approved: look at it again, and approve it anew."),
    "too_many_changes": _conflict("Changed too often", "An application is changed {most} times at most: withdraw it and apply anew."),
    "score_missing": _conflict("No score yet", "Nothing is approved without a score: wait until the bureau has answered, or have an officer look at it."),
    "belongs_to_user": _conflict("A user's application", "It is erased together with its user: erase that one."),
    "application_open": _conflict("Not over yet", "It is {status}, or its offer is open: reject, withdraw or decline it first."),
    "loan_settled": _conflict("Loan settled", "All of it is paid back already."),
    "no_open_offer": _conflict("No open offer", "It is {status}: there is no offer that could be accepted or declined."),
    "offer_expired": _conflict("Offer expired", "The offer ended at {at}: apply anew."),
    "retry_refused": _conflict("Retry refused", "{why}"),
    "rebuild_refused": _conflict("Rebuild refused", "{why}"),
    # What the rules of the ledger refuse.
    "same_account": _rule("Same account twice", "Source and destination must differ."),
    "fund_not_open": _rule("Fund not open", "Fund {fund_id} takes no investments now: it is {status}; opens_at and closes_at in the details say when it does."),
    "below_minimum_investment": _rule("Below the minimum investment", "Fund {fund_id} takes {minimum} {currency} or more; asked for {requested}."),
    "above_maximum_investment": _rule("Above the maximum investment", "Fund {fund_id} takes {maximum} {currency} at most; asked for {requested}."),
    "invalid_terms": _rule("Terms do not fit together", "Change the terms: {why}."),
    "currency_mismatch": _rule("Currency mismatch", "Asked for {requested}, and not everything in this is in {requested}: see details."),
    "insufficient_funds": _rule("Insufficient funds", "Available {available}, requested {requested} {currency}."),
    "account_inactive": _rule("Account inactive", "Account {account_id} is inactive: have it activated first."),
    "account_frozen": _rule("Account frozen", "Account {account_id} is frozen and pays nothing out: unfreeze it first."),
    "account_suspended": _rule("Account suspended", "Account {account_id} is suspended: activate it first."),
    "account_closed": _rule("Account closed", "Account {account_id} is closed, for good."),
    "invalid_transition": _rule("Invalid transition", "From {current} to {requested} is not allowed; allowed: {allowed}."),
    "balance_not_zero": _rule("Balance not zero", "Move the balance of {balance} {currency} away before closing."),
    "holds_remain": _rule("Holds remain", "{held} {currency} are held by pending transfers: post or void them before closing."),
    "credit_limit_not_allowed": _rule("Credit limit not allowed", "Accounts of type {type} have no credit limit; allowed for: {allowed}."),
    "balance_limit_exceeded": _rule("Balance limit exceeded", "The balance would leave the range that the ledger keeps."),
    "amount_exceeds_pending": _rule("More than is pending", "Pending {pending}, requested {requested} {currency}."),
    "amount_exceeds_posted": _rule("More than can be reversed", "Reversible {reversible}, requested {requested} {currency}."),
    "already_reversed": _conflict("Already reversed", "All of the transfer went back already."),
    "not_reversible": _rule("Not reversible", "This transfer is itself a reversal: make a new transfer instead."),
    "condition_failed": _rule("Condition failed", "{condition}: wanted {wanted}, is {actual}, on account {account_id}."),
    "condition_account_unknown": _rule("Condition on another account", "Account {account_id} is neither source nor destination."),
    "statement_too_long": _rule("Too long for a PDF", "A PDF has {most} movements at most, and these days have {count}: ask for fewer days, or for another format."),
    "statement_unreadable": _rule("Statement cannot be used", "Nothing was compared: {problems}."),
    "statement_does_not_close": _rule("Statement does not close", "Closing {closing}, ledger balance {balance} {currency}."),
    "unsupported_country": _rule("No credit in that country", "There is no credit in {country}; countries are: {supported}."),
    "country_unchangeable": _rule("The country stays", "An application stays in its country: withdraw it, and apply anew in the other one."),
    "invalid_document": _rule("Invalid document", "It is no {document_type}: {why}"),
    "invalid_loan_type": _rule("What the loan is for", "Give a loan_type of: {allowed}; where there is nothing to choose from, leave it out."),
    "invalid_months": _rule("Not for so many months", "Loans are for {least} to {most} months there."),
    "invalid_age": _rule("Not of that age", "Who applies is {least} to {most} years old."),
    "above_maximum_amount": _rule("More than there is to borrow", "At most {maximum} {currency} can be asked for; asked for {requested}."),
    "amount_exceeds_request": _rule("More than was asked for", "Asked for {requested} {currency}: approve more than 0, and not more than that."),
    "reason_required": _rule("Reason needed", "Say why: who applied is told."),
    "account_required": _rule("Account needed", "Say to which account the money is to go: account_id."),
    "unsound_table": _rule("Table may not decide", "Nobody may be decided about by it: {problems}."),
    "table_too_costly": _rule("Table takes too much", "Trying it took too long or too much memory, and was ended: it needs fewer rows and columns."),
    "table_of_another_country": _rule("Table of another country", "The table is for {country}, and asked was about {asked}."),
    "exceeds_outstanding": _rule("More than is owed", "All that is owed on that day is {payoff} {currency}: pay that much, or less."),
    "linked_refused": _rule("Linked batch refused", "Item {refused_item} of the linked batch was refused, so none was posted."),
    "as_of_in_the_future": _rule("Not known yet", "The ledger is at position {position}, {recorded_at}: ask for a moment up to then."),
    "as_of_before_opening": _rule("Account not open then", "Account {account_id} was not open at that moment; it was opened at {opened_at}."),
    "as_of_before_start": _rule("Not begun then", "Stream {stream_id} has nothing at that moment: it begins at position {position}, {recorded_at}."),
    "version_not_reached": _rule("Version not reached", "Stream {stream_id} is at version {version}: ask for one up to it."),
    "approval_required": _rule("Second person needed", "More than {limit} {currency} takes a second person: post it by itself, and have somebody else approve it."),
    "too_many_webhook_endpoints": _rule("Too many endpoints", "A user has at most {most} of them: delete one first."),
    "too_many_api_keys": _rule("Too many API keys", "A user has at most {most} of them: revoke one first."),
    # What may work a little later.
    "rate_limited": Problem(429, "rate_limit", "Too many requests", "At most {limit} in {window_s} seconds: try again in {retry_after_s} seconds.", retryable=True),
    "service_unavailable": _later("Service unavailable", "Something that this needs does not answer, or is too busy: try again."),
    "process_moved": _later("Process moved", "Another worker drove it on in this moment: try again."),
    "not_yet_visible": _later("Not yet visible", "What is asked is at position {position}, not yet at {min_position}: try again."),
    "read_model_incomplete": _later("Read model incomplete", "{projection} fails on {key} from event {position} on and leaves it out, so that no gap is shown as the truth; the log has everything. An operator corrects the code and runs `daybook projections retry {projection} {key}`."),
    "rebuild_needed": _later("Rebuild needed", "The tables of a read model were made by an older version ({missing}): run `daybook projections list` to see which, and `daybook projections rebuild` it."),
    "queue_full": _later("Too busy", "Too many commands wait: try again after the time in Retry-After."),
    "database_unavailable": _later("Database unavailable", "Nothing was written: try again."),
    "outcome_unknown": _later("Outcome unknown", "The database went away during the commit: send the same request with the same id or Idempotency-Key; it has its effect once."),
    "version_behind": _later("Server is behind", "The ledger has an event that this server does not know: deploy the version that wrote it."),
    "shutting_down": _later("Shutting down", "The server is stopping: try again."),
    "configuration_error": Problem(500, "system", "Server not set up rightly", "The server lacks what opens this: its operator looks at `daybook keys list` and `daybook config check`.", retryable=True),
    "internal_server_error": Problem(500, "system", "Internal error", "Nothing is known to be wrong with your request. The correlation id finds the cause in the log.", retryable=True),
}  # fmt: skip
"""Reason -> what it means. Every error that the API answers has its row here."""
