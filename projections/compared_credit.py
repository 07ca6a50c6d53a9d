"""What of credit applications and loans is held against the log."""

from __future__ import annotations

from typing import LiteralString

from projections import credit_tallies, loan_tallies
from projections.compared_table import LAST_STATUS, Compared, last


def _value(column: LiteralString, told: LiteralString = "") -> LiteralString:
    """That of the last row that has one; or of the last one that tells it, be it none."""
    condition = told or f"{column} IS NOT NULL"
    return f"(array_agg({column} ORDER BY position DESC) FILTER (WHERE {condition}))[1]"


def _holds(value: LiteralString, told: LiteralString) -> LiteralString:
    """In a window, whether something holds by the last row so far that tells of it."""
    return (
        f"coalesce(max(position * 2 + ({value})::int) FILTER (WHERE {told}) OVER w % 2 = 1, false)"
    )


# An officer is waited for since the first of those events in a row after which no report is.
_WAITS: LiteralString = f"""
    SELECT id, (array_agg(at ORDER BY position DESC) FILTER (WHERE begins))[1] AS since,
           max(position) FILTER (WHERE begins) AS position,
           (array_agg(holds ORDER BY position DESC))[1] AS holds
      FROM (SELECT id, position, at, holds,
                   holds AND NOT lag(holds, 1, false) OVER (PARTITION BY id ORDER BY position)
                       AS begins
              FROM (SELECT id, position, at,
                           NOT {_holds("waits", "waits IS NOT NULL")}
                           AND ({_holds("referred", "referred IS NOT NULL")} OR
                                {_holds("status IN ('manual_review', 'pre_approved')", "status <> ''")})
                           AS holds
                      FROM tally_applications
                    WINDOW w AS (PARTITION BY id ORDER BY position)) AS one) AS turned
     GROUP BY id"""

_APPLICATIONS = Compared(
    model="applications",
    name="applications",
    table="applications.application",
    key="application",
    shown="""
        SELECT id, country, status, owner_id::text, submitted_by, person_id::text,
               applicant_id::text, full_name, document_type, document_hint, currency,
               monthly_income, amount_requested, months, loan_type, account_id::text,
               report_id::text, round, is_waiting, is_referred, unavailable, credit_score,
               total_debt, bank_name, account_status, is_verified, decision,
               to_jsonb(reasons) AS reasons, table_name, table_version, digest, row_id,
               max_approved_amount, decided_at, review_since, review_position, officer_id::text,
               claimed_until, approved_amount, offer_amount, offer_rate_bps, offer_months,
               offer_expires_at, offer_status, attempts, loan_id::text, disbursed_at, submitted_at,
               updated_at, version, first_position, position
          FROM applications.application""",
    tally_columns="""
        id uuid, country text, owner text, submitted_by text, person text, applicant text,
        full_name text, document_type text, document_hint text, currency text,
        monthly_income bigint, amount_requested bigint, months bigint, loan_type text,
        account text, report text, round bigint, waits boolean, referred boolean,
        unavailable text, reports boolean, credit_score bigint, total_debt bigint, bank_name text,
        account_status text, is_verified boolean, status text, reasons text, decision text,
        table_name text, table_version text, digest text, row_id text, maximum bigint,
        officer text, until timestamptz, grants boolean, granted bigint, offer_status text,
        offer_amount bigint, offer_rate bigint, offer_months bigint, offer_until timestamptz,
        attempts bigint, loan text, name text, at timestamptz, position bigint""",
    tally=credit_tallies.of_applications,
    logged=f"""
        SELECT told.id, country, status, owner_id, submitted_by, person_id, applicant_id, full_name,
               document_type, document_hint, currency, monthly_income, amount_requested, months,
               loan_type, account_id, report_id, round, is_waiting, is_referred, unavailable,
               credit_score, total_debt, bank_name, account_status, is_verified, decision, reasons,
               table_name, table_version, digest, row_id, max_approved_amount, decided_at,
               CASE WHEN holds THEN since END AS review_since,
               CASE WHEN holds THEN waits.position END AS review_position,
               nullif(officer, '') AS officer_id,
               CASE WHEN is_claimed THEN claimed_until END AS claimed_until, approved_amount,
               offer_amount, offer_rate_bps, offer_months, offer_expires_at, offer_status, attempts,
               loan_id, disbursed_at, submitted_at, updated_at, version, first_position,
               told.position
          FROM (SELECT id, max(country) AS country, {LAST_STATUS}, max(owner) AS owner_id,
                       max(submitted_by) AS submitted_by, max(person) AS person_id,
                       {_value("applicant")} AS applicant_id, {last("full_name")},
                       {last("document_type")}, {last("document_hint")}, max(currency) AS currency,
                       {last("monthly_income")}, {last("amount_requested")}, {last("months")},
                       {last("loan_type")}, {_value("account")} AS account_id,
                       {_value("report")} AS report_id, coalesce(max(round), 0) AS round,
                       coalesce({_value("waits")}, false) AS is_waiting,
                       coalesce({_value("referred")}, false) AS is_referred,
                       coalesce({_value("unavailable")}, '') AS unavailable,
                       {_value("credit_score", "reports")} AS credit_score,
                       {_value("total_debt", "reports")} AS total_debt,
                       coalesce({_value("bank_name")}, '') AS bank_name,
                       coalesce({_value("account_status")}, '') AS account_status,
                       coalesce({_value("is_verified")}, false) AS is_verified,
                       coalesce({_value("decision")}, '') AS decision,
                       coalesce({_value("reasons")}, '[]')::jsonb AS reasons,
                       coalesce({_value("table_name")}, '') AS table_name,
                       coalesce({_value("table_version")}, '') AS table_version,
                       coalesce({_value("digest")}, '') AS digest,
                       coalesce({_value("row_id")}, '') AS row_id,
                       {_value("maximum", "decision IS NOT NULL")} AS max_approved_amount,
                       min(at) FILTER (WHERE status IN ('approved', 'pre_approved', 'rejected'))
                           AS decided_at,
                       {_value("officer")} AS officer,
                       {_value("until", "officer IS NOT NULL")} AS claimed_until,
                       {_value("name", "officer IS NOT NULL")} = 'claimed' AS is_claimed,
                       {_value("granted", "grants")} AS approved_amount,
                       {last("offer_amount")}, {_value("offer_rate")} AS offer_rate_bps,
                       {last("offer_months")}, {_value("offer_until")} AS offer_expires_at,
                       coalesce({_value("offer_status")}, '') AS offer_status,
                       coalesce({_value("attempts")}, 0) AS attempts, max(loan) AS loan_id,
                       max(at) FILTER (WHERE loan IS NOT NULL) AS disbursed_at,
                       min(at) AS submitted_at, max(at) AS updated_at, count(*) AS version,
                       min(position) AS first_position, max(position) AS position
                  FROM tally_applications GROUP BY id) AS told
          JOIN ({_WAITS}) AS waits ON waits.id = told.id""",
)

_STEPS = Compared(
    model="applications",
    name="application_steps",
    table="applications.application_step",
    key="step",
    shown="""
        SELECT application_id || ' ' || number AS id, name, status, at, actor, note, position
          FROM applications.application_step""",
    tally_columns="""
        application text, number bigint, name text, status text, at timestamptz, position bigint,
        actor text, note text""",
    tally=credit_tallies.of_application_steps,
    logged="""
        SELECT application || ' ' || number AS id, name,
               (array_agg(status) FILTER (WHERE status <> '') OVER w)
                   [count(*) FILTER (WHERE status <> '') OVER w] AS status,
               at, actor, note, position
          FROM tally_application_steps
        WINDOW w AS (PARTITION BY application ORDER BY number)""",
)

_ASSESSMENTS = Compared(
    model="applications",
    name="assessments",
    table="applications.assessment",
    key="assessment",
    shown="""
        SELECT application_id AS id, country, document_type, currency, monthly_income,
               amount_requested, months, loan_type, credit_score, total_debt, round, decision,
               to_jsonb(reasons) AS reasons, table_name, table_version, digest, row_id,
               max_approved_amount, decided_at, first_position, position
          FROM applications.assessment""",
    tally_columns="""
        id uuid, country text, document_type text, currency text, monthly_income bigint,
        amount_requested bigint, months bigint, loan_type text, credit_score bigint,
        total_debt bigint, round bigint, decision text, reasons text, table_name text,
        table_version text, digest text, row_id text, maximum bigint, name text, at timestamptz,
        position bigint""",
    tally=credit_tallies.of_assessments,
    logged=f"""
        SELECT id, {last("country")}, {last("document_type")}, {last("currency")},
               {last("monthly_income")}, {last("amount_requested")}, {last("months")},
               {last("loan_type")}, {_value("credit_score", "name = 'assessed'")} AS credit_score,
               {_value("total_debt", "name = 'assessed'")} AS total_debt, {last("round")},
               {last("decision")}, {_value("reasons")}::jsonb AS reasons, {last("table_name")},
               {last("table_version")}, {last("digest")}, {last("row_id")},
               {_value("maximum", "decision IS NOT NULL")} AS max_approved_amount,
               {_value("CASE name WHEN 'decided' THEN at END", "decision IS NOT NULL")}
                   AS decided_at,
               min(position) FILTER (WHERE name = 'submitted') AS first_position,
               max(position) AS position
          FROM tally_assessments GROUP BY id HAVING count(decision) > 0""",
)

_LOANS = Compared(
    model="loans",
    name="loans",
    table="loans.loan",
    key="loan",
    shown="""
        SELECT id, application_id::text, owner_id::text, currency, principal, annual_rate_bps,
               months, method, day_count, started_on, customer_account_id::text,
               loan_account_id::text, funding_account_id::text, status, outstanding,
               interest_paid::numeric, principal_paid::numeric, settled_on, opened_at, updated_at,
               version, first_position, position
          FROM loans.loan""",
    tally_columns="""
        id uuid, application text, owner text, currency text, principal bigint,
        annual_rate_bps bigint, months bigint, method text, day_count text, started_on date,
        customer text, account text, funding text, status text, outstanding bigint,
        interest_paid bigint, principal_paid bigint, settled_on date, at timestamptz,
        position bigint""",
    tally=loan_tallies.of_loans,
    logged=f"""
        SELECT id, max(application) AS application_id, max(owner) AS owner_id,
               max(currency) AS currency, max(principal) AS principal,
               max(annual_rate_bps) AS annual_rate_bps, max(months) AS months,
               max(method) AS method, max(day_count) AS day_count, max(started_on) AS started_on,
               max(customer) AS customer_account_id, max(account) AS loan_account_id,
               max(funding) AS funding_account_id, {LAST_STATUS}, {last("outstanding")},
               sum(interest_paid) AS interest_paid, sum(principal_paid) AS principal_paid,
               max(settled_on) AS settled_on, min(at) AS opened_at, max(at) AS updated_at,
               count(*) AS version, min(position) AS first_position, max(position) AS position
          FROM tally_loans GROUP BY id""",
)

# Every instalment that was laid out since those from some number on were gone last.
_SCHEDULE: LiteralString = f"""
    SELECT * FROM (
        SELECT loan, number, {_value("due")} AS due, {_value("principal")} AS principal,
               {_value("interest")} AS interest, {_value("balance_after")} AS balance_after,
               sum(paid_principal)::bigint AS paid_principal,
               sum(paid_interest)::bigint AS paid_interest, max(overdue_at) AS overdue_at,
               max(position) FILTER (WHERE laid) AS laid_at
          FROM tally_instalments GROUP BY loan, number) AS one
     WHERE laid_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM tally_instalments AS other
         WHERE other.gone AND other.loan = one.loan AND other.number <= one.number
           AND other.position > one.laid_at)"""

_INSTALMENTS = Compared(
    model="loans",
    name="instalments",
    table="loans.instalment",
    key="instalment",
    shown="""
        SELECT loan_id || ' ' || number AS id, due, principal, interest, balance_after,
               paid_principal, paid_interest, overdue_at, NULL::bigint AS position
          FROM loans.instalment""",
    tally_columns="""
        loan text, number bigint, gone boolean, laid boolean, due date, principal bigint,
        interest bigint, balance_after bigint, paid_principal bigint, paid_interest bigint,
        overdue_at timestamptz, position bigint""",
    tally=loan_tallies.of_instalments,
    logged=f"""
        SELECT loan || ' ' || number AS id, due, principal, interest, balance_after, paid_principal,
               paid_interest, overdue_at, NULL::bigint AS position
          FROM ({_SCHEDULE}) AS schedule""",
)

# What a loan says of its schedule, by what the log says of that.
_DUE = Compared(
    model="loans",
    name="due",
    table="loans.loan",
    key="schedule of loan",
    shown="""
        SELECT id, next_due, next_amount, arrears_amount::numeric, arrears_since,
               NULL::bigint AS position
          FROM loans.loan""",
    logged=f"""
        SELECT id, next_due, coalesce(next_amount, 0) AS next_amount,
               coalesce(arrears, 0) AS arrears_amount, arrears_since, NULL::bigint AS position
          FROM (SELECT DISTINCT id FROM tally_loans) AS there
          LEFT JOIN (
            SELECT loan, min(due) AS next_due,
                   (array_agg(missing ORDER BY number))[1] AS next_amount,
                   sum(missing) FILTER (WHERE overdue_at IS NOT NULL) AS arrears,
                   min(due) FILTER (WHERE overdue_at IS NOT NULL) AS arrears_since
              FROM (SELECT *, principal + interest - paid_principal - paid_interest AS missing
                      FROM ({_SCHEDULE}) AS schedule) AS one
             WHERE missing > 0 GROUP BY loan) AS due ON due.loan = there.id::text""",
)

_REPAYMENTS = Compared(
    model="loans",
    name="repayments",
    table="loans.repayment",
    key="repayment",
    shown="""
        SELECT id, loan_id::text, amount, interest, principal, "on", account_id::text,
               to_jsonb(transfer_ids) AS transfer_ids, parts, outstanding, is_early, at, position
          FROM loans.repayment""",
    tally_columns="""
        id uuid, loan text, amount bigint, interest bigint, principal bigint, on_day date,
        account text, transfers text, parts text, outstanding bigint, is_early boolean,
        at timestamptz, position bigint""",
    tally=loan_tallies.of_repayments,
    logged="""
        SELECT id, loan AS loan_id, amount, interest, principal, on_day AS "on",
               account AS account_id, transfers::jsonb AS transfer_ids, parts::jsonb AS parts,
               outstanding, is_early, at, position
          FROM tally_repayments""",
)

CREDIT_TABLES = (
    _APPLICATIONS, _STEPS, _ASSESSMENTS, _LOANS, _INSTALMENTS, _DUE, _REPAYMENTS,
)  # fmt: skip
