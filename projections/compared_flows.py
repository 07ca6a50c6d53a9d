"""What of funds and flows is held against the log, and a fund's seats against its allocations."""

from __future__ import annotations

from typing import LiteralString

from projections import flow_tallies, fund_tallies
from projections.compared_table import LAST_STATUS, Compared, last

_LAST_STEP: LiteralString = (
    "(array_agg(step ORDER BY position DESC) FILTER (WHERE step IS NOT NULL))[1]"
)
_LAST_REASON: LiteralString = (
    "(array_agg(reason ORDER BY position DESC) FILTER (WHERE reason IS NOT NULL))[1]"
)

_FUNDS = Compared(
    model="funds",
    name="funds",
    table="funds.fund",
    key="fund",
    shown="""
        SELECT id, name, currency, account_id::text, manager_id::text, status, minimum_investment,
               maximum_investment, seats, reserved::numeric, taken::numeric,
               reserved_amount::numeric, taken_amount::numeric, opens_at, closes_at, opened_at,
               updated_at, version, first_position, position
          FROM funds.fund""",
    tally_columns="""
        id uuid, name text, currency text, account text, manager text, status text, minimum bigint,
        maximum bigint, seats bigint, reserved bigint, taken bigint, reserved_amount numeric,
        taken_amount numeric, opens_at timestamptz, closes_at timestamptz, opened_at timestamptz,
        updated_at timestamptz, events bigint, first_position bigint, position bigint""",
    tally=fund_tallies.of_funds,
    logged=f"""
        SELECT id, max(name) AS name, max(currency) AS currency, max(account) AS account_id,
               max(manager) AS manager_id, {LAST_STATUS},
               (array_agg(minimum ORDER BY position DESC) FILTER (WHERE seats > 0))[1]
                   AS minimum_investment,
               (array_agg(maximum ORDER BY position DESC) FILTER (WHERE seats > 0))[1]
                   AS maximum_investment,
               {last("seats")}, sum(reserved) AS reserved, sum(taken) AS taken,
               sum(reserved_amount) AS reserved_amount, sum(taken_amount) AS taken_amount,
               (array_agg(opens_at ORDER BY position DESC) FILTER (WHERE seats > 0))[1] AS opens_at,
               (array_agg(closes_at ORDER BY position DESC) FILTER (WHERE seats > 0))[1]
                   AS closes_at,
               max(opened_at) AS opened_at, max(updated_at) AS updated_at,
               sum(events)::bigint AS version, max(first_position) AS first_position,
               max(position) AS position
          FROM tally_funds GROUP BY id""",
)

_ALLOCATIONS = Compared(
    model="funds",
    name="allocations",
    table="funds.allocation",
    key="allocation",
    shown="""
        SELECT investment_id AS id, fund_id::text, account_id::text, owner_id::text, amount, status,
               reserved_at, taken_at, released_at, first_position, position
          FROM funds.allocation""",
    tally_columns="""
        id uuid, fund text, account text, owner text, amount bigint, status text, at timestamptz,
        position bigint""",
    tally=fund_tallies.of_allocations,
    logged=f"""
        SELECT id, max(fund) AS fund_id, max(account) AS account_id, max(owner) AS owner_id,
               max(amount) AS amount, {LAST_STATUS},
               max(at) FILTER (WHERE status = 'reserved') AS reserved_at,
               max(at) FILTER (WHERE status = 'taken') AS taken_at,
               max(at) FILTER (WHERE status = 'released') AS released_at,
               min(position) AS first_position, max(position) AS position
          FROM tally_allocations GROUP BY id""",
)

# What a fund counts is what its investments have, whatever both say of the log.
_SEATS = Compared(
    model="funds",
    name="seats",
    table="funds.allocation",
    key="seats of fund",
    shown="""
        SELECT fund.id, fund.seats - count(*) FILTER (WHERE allocation.status <> 'released')
                   AS seats_left,
               count(*) FILTER (WHERE allocation.status = 'reserved')::numeric AS reserved,
               count(*) FILTER (WHERE allocation.status = 'taken')::numeric AS taken,
               coalesce(sum(allocation.amount) FILTER (WHERE allocation.status = 'reserved'), 0)
                   AS reserved_amount,
               coalesce(sum(allocation.amount) FILTER (WHERE allocation.status = 'taken'), 0)
                   AS taken_amount,
               NULL::bigint AS position
          FROM funds.fund LEFT JOIN funds.allocation ON allocation.fund_id = fund.id
         GROUP BY fund.id""",
    logged=f"""
        SELECT id, seats - (reserved + taken)::bigint AS seats_left, reserved, taken,
               reserved_amount, taken_amount, NULL::bigint AS position
          FROM (SELECT id, {last("seats")}, sum(reserved) AS reserved, sum(taken) AS taken,
                       sum(reserved_amount) AS reserved_amount, sum(taken_amount) AS taken_amount
                  FROM tally_funds GROUP BY id) AS counted""",
)

_FLOWS = Compared(
    model="flows",
    name="flows",
    table="flows.flow",
    key="flow",
    shown="""
        SELECT id, kind, status, place, clearing::numeric, account_id::text, fund_id::text,
               fund_account_id::text, owner_id::text, person_id::text, currency, amount,
               bank_account_hint, reference, step, reason, requested_at, updated_at, finished_at,
               version, first_position, position
          FROM flows.flow""",
    tally_columns="""
        id uuid, kind text, account text, fund text, fund_account text, owner text, person text,
        currency text, amount bigint, hint text, reference text, status text, place text,
        clearing bigint, bank_side bigint, step text, reason text, at timestamptz, own bigint,
        position bigint""",
    tally=flow_tallies.of_flows,
    logged=f"""
        SELECT id, kind, status,
               place,
               amount * (clearing + bank_side * CASE kind WHEN 'withdrawal' THEN -1 ELSE 1 END)
                   AS clearing,
               account_id, fund_id, fund_account_id, owner_id, person_id, currency, amount,
               bank_account_hint, reference, step, reason, requested_at, updated_at,
               CASE WHEN status IN ('completed', 'failed', 'returned') THEN status_at END
                   AS finished_at,
               version, first_position, position
          FROM (SELECT id, max(kind) AS kind, {LAST_STATUS},
                       {last("place")}, sum(clearing) AS clearing,
                       sum(bank_side) AS bank_side,
                       max(account) AS account_id, max(fund) AS fund_id,
                       max(fund_account) AS fund_account_id, max(owner) AS owner_id,
                       max(person) AS person_id, max(currency) AS currency, max(amount) AS amount,
                       max(hint) AS bank_account_hint, max(reference) AS reference,
                       coalesce({_LAST_STEP}, '') AS step, coalesce({_LAST_REASON}, '') AS reason,
                       min(at) AS requested_at, max(at) AS updated_at,
                       max(at) FILTER (WHERE status <> '') AS status_at,
                       sum(own)::bigint AS version, min(position) AS first_position,
                       max(position) AS position
                  FROM tally_flows GROUP BY id) AS counted""",
)

_STEPS = Compared(
    model="flows",
    name="steps",
    table="flows.flow_step",
    key="step",
    shown="""
        SELECT position || ' ' || part AS id, flow_id::text AS flow, name, at, details, position
          FROM flows.flow_step""",
    tally_columns="""
        flow text, position bigint, part int4, name text, at timestamptz, details text""",
    tally=flow_tallies.of_steps,
    logged="""
        SELECT position || ' ' || part AS id, flow, name, at, details::jsonb AS details, position
          FROM tally_steps""",
)

_LEGS = Compared(
    model="flows",
    name="legs",
    table="flows.leg",
    key="leg",
    shown="""
        SELECT id, flow_id::text, flow_kind, kind, direction, account, person_id::text, currency,
               amount, status, bank_reference, reason, sequence, instructed_at, sent_at, accepted_at,
               settled_at, ended_at, history, version, first_position, position
          FROM flows.leg""",
    tally_columns="""
        id uuid, flow text, flow_kind text, kind text, direction text, account text, person text,
        currency text, amount bigint, status text, bank_reference text, reason text,
        sequence bigint, name text, at timestamptz, said_at text, position bigint""",
    tally=flow_tallies.of_legs,
    logged=f"""
        SELECT id, max(flow) AS flow_id, max(flow_kind) AS flow_kind, max(kind) AS kind,
               max(direction) AS direction, max(account) AS account, max(person) AS person_id,
               max(currency) AS currency, max(amount) AS amount, {LAST_STATUS},
               coalesce((array_agg(bank_reference ORDER BY position DESC)
                         FILTER (WHERE bank_reference <> ''))[1], '') AS bank_reference,
               coalesce((array_agg(reason ORDER BY position DESC)
                         FILTER (WHERE reason <> ''))[1], '') AS reason,
               max(sequence) AS sequence,
               max(at) FILTER (WHERE name = 'instructed') AS instructed_at,
               max(at) FILTER (WHERE name = 'sent') AS sent_at,
               max(at) FILTER (WHERE name = 'accepted') AS accepted_at,
               max(at) FILTER (WHERE name = 'settled') AS settled_at,
               max(at) FILTER (WHERE name IN ('settled', 'failed', 'cancelled', 'returned'))
                   AS ended_at,
               jsonb_agg(jsonb_build_object('name', name, 'at', said_at, 'reason', reason)
                         ORDER BY position) AS history,
               count(*) AS version, min(position) AS first_position, max(position) AS position
          FROM tally_legs GROUP BY id""",
)

FLOW_TABLES = (_FUNDS, _ALLOCATIONS, _SEATS, _FLOWS, _STEPS, _LEGS)
