"""What of each read model is held against the log, and the queries that bring both to the same columns."""

from __future__ import annotations

from typing import LiteralString

from projections import people_tallies, tallies
from projections.compared_credit import CREDIT_TABLES
from projections.compared_flows import FLOW_TABLES
from projections.compared_table import LAST_STATUS, Compared, last
from projections.reconciliation_tallies import RECONCILIATIONS

ACCOUNT_COLUMNS: LiteralString = """
    id uuid, type text, currency text, name text, owner text, credit_limit bigint,
    opened_at timestamptz, first_position bigint, status text, debits numeric, credits numeric,
    held numeric, events bigint, position bigint"""

_NOTICE_COLUMNS: LiteralString = """
    position AS id, recorded_at, kind, reason, action, actor, address, user_agent, key_id,
    correlation_id, count, position"""

# What `tallies.seal_entry` makes of an event. A row's own form has the length before each value.
_ENTRY_CHECKSUM: LiteralString = """
    substr(sha256(record_send(ROW(
        transfer_id, counterparty_id, position, amount, balance, effective_at, recorded_at,
        direction, description, reference))), 1, 8)::bigint"""

_BALANCES = Compared(
    model="balances",
    name="balances",
    table="balances.account",
    key="account",
    shown="""
        SELECT id, type, currency, name, owner_id::text AS owner, credit_limit, opened_at,
               first_position, status, debits, credits, balance::numeric, held::numeric, version,
               position
          FROM balances.account""",
    tally_columns=ACCOUNT_COLUMNS,
    tally=tallies.of_accounts,
    logged=f"""
        SELECT id, max(type) AS type, max(currency) AS currency, max(name) AS name,
               max(owner) AS owner, max(credit_limit) AS credit_limit, max(opened_at) AS opened_at,
               max(first_position) AS first_position, {LAST_STATUS},
               sum(debits) AS debits, sum(credits) AS credits,
               sum(credits) - sum(debits) AS balance, sum(held) AS held,
               sum(events)::bigint AS version, max(position) AS position
          FROM tally_balances GROUP BY id""",
)

# No row of the tally is of two marks' events: batches end where marks do.
_MARKS = Compared(
    model="balances",
    name="marks",
    table="balances.mark",
    key="mark",
    shown="""
        SELECT position || ' ' || currency AS id, accounts, debits, credits, position
          FROM balances.mark""",
    logged="""
        SELECT mark || ' ' || account.currency AS id, count(tally.type) AS accounts,
               sum(tally.debits) AS debits, sum(tally.credits) AS credits, mark AS position
          FROM (SELECT *, (position + {every} - 1) / {every} * {every} AS mark FROM tally_balances)
               AS tally
          JOIN (SELECT id, max(currency) AS currency FROM tally_balances GROUP BY id) AS account
               USING (id)
         GROUP BY mark, account.currency
        HAVING count(tally.type) > 0 OR sum(tally.debits) <> 0 OR sum(tally.credits) <> 0""",
)

_ENTRIES = Compared(
    model="entries",
    name="entries",
    table="entries.entry",
    key="account",
    shown=f"""
        SELECT account_id AS id, count(*) AS entries,
               coalesce(sum(amount) FILTER (WHERE direction = 'debit'), 0) AS debits,
               coalesce(sum(amount) FILTER (WHERE direction = 'credit'), 0) AS credits,
               sum(balance) AS sum_of_balances, sum(position) AS sum_of_positions,
               sum({_ENTRY_CHECKSUM}) AS checksum_of_all_columns, max(position) AS position
          FROM entries.entry GROUP BY account_id""",
    tally_columns="""
        id uuid, entries bigint, debits numeric, credits numeric, balances numeric,
        positions numeric, checksum numeric, position bigint""",
    tally=tallies.of_entries,
    logged="""
        SELECT id, sum(entries)::bigint AS entries, sum(debits) AS debits,
               sum(credits) AS credits, sum(balances) AS sum_of_balances,
               sum(positions) AS sum_of_positions, sum(checksum) AS checksum_of_all_columns,
               max(position) AS position
          FROM tally_entries GROUP BY id""",
)

_TRANSFERS = Compared(
    model="transfers",
    name="transfers",
    table="transfers.transfer",
    key="transfer",
    shown="""
        SELECT id, source_id::text AS source, destination_id::text AS destination, currency,
               requested, reverses::text, description, reference, metadata, effective_at, expires_at,
               recorded_at, first_position, status, amount, reversed::numeric, reason, updated_at,
               position, debit_position, credit_position
          FROM transfers.transfer""",
    tally_columns="""
        id uuid, source text, destination text, currency text, requested bigint, reverses text,
        description text, reference text, metadata text, effective_at timestamptz,
        expires_at timestamptz, recorded_at timestamptz, first_position bigint, status text,
        amount bigint, reversed numeric, reason text, updated_at timestamptz, position bigint,
        debit_position bigint, credit_position bigint""",
    tally=tallies.of_transfers,
    logged=f"""
        SELECT id, max(source) AS source, max(destination) AS destination,
               max(currency) AS currency, max(requested) AS requested, max(reverses) AS reverses,
               max(description) AS description, max(reference) AS reference,
               coalesce(max(metadata)::jsonb, '{{{{}}}}') AS metadata,
               max(effective_at) AS effective_at, max(expires_at) AS expires_at,
               max(recorded_at) AS recorded_at, max(first_position) AS first_position,
               {LAST_STATUS},
               {last("amount")}, sum(reversed) AS reversed,
               coalesce((array_agg(reason ORDER BY position DESC)
                         FILTER (WHERE reason IS NOT NULL))[1], '') AS reason,
               max(updated_at) AS updated_at, max(position) AS position,
               max(debit_position) AS debit_position, max(credit_position) AS credit_position
          FROM tally_transfers GROUP BY id""",
)

_USERS = Compared(
    model="users",
    name="users",
    table="users.person",
    key="user",
    shown="""
        SELECT id, email, full_name, role, status, verified, registered_by::text, registered_at,
               updated_at, version, first_position, position
          FROM users.person""",
    tally_columns="""
        id uuid, email text, full_name text, role text, status text, verified boolean,
        registered_by text, registered_at timestamptz, updated_at timestamptz, events bigint,
        first_position bigint, position bigint""",
    tally=people_tallies.of_users,
    logged=f"""
        SELECT id, {last("email")}, {last("full_name")}, {last("role")}, {LAST_STATUS},
               {last("verified")}, max(registered_by) AS registered_by,
               max(registered_at) AS registered_at, max(updated_at) AS updated_at,
               sum(events)::bigint AS version, max(first_position) AS first_position,
               max(position) AS position
          FROM tally_users GROUP BY id""",
)

_APPROVALS = Compared(
    model="approvals",
    name="approvals",
    table="approvals.approval",
    key="approval",
    shown="""
        SELECT id, status, kind, maker_id::text, checker_id::text, asked, expires_at, reason,
               requested_at, decided_at, version, first_position, position
          FROM approvals.approval""",
    tally_columns="""
        id uuid, status text, kind text, maker text, checker text, asked text,
        expires_at timestamptz, reason text, requested_at timestamptz, decided_at timestamptz,
        events bigint, first_position bigint, position bigint""",
    tally=people_tallies.of_approvals,
    logged=f"""
        SELECT id, {LAST_STATUS}, max(kind) AS kind, max(maker) AS maker_id,
               max(checker) AS checker_id, max(asked)::jsonb AS asked,
               max(expires_at) AS expires_at, coalesce(max(reason), '') AS reason,
               max(requested_at) AS requested_at, max(decided_at) AS decided_at,
               sum(events)::bigint AS version, max(first_position) AS first_position,
               max(position) AS position
          FROM tally_approvals GROUP BY id""",
)

_NOTICES = Compared(
    model="security",
    name="notices",
    table="security.notice",
    key="notice",
    shown=f"SELECT {_NOTICE_COLUMNS} FROM security.notice",
    tally_columns="""
        position bigint, recorded_at timestamptz, kind text, reason text, action text, actor text,
        address text, user_agent text, key_id uuid, correlation_id text, count bigint""",
    tally=people_tallies.of_notices,
    logged=f"SELECT {_NOTICE_COLUMNS} FROM tally_notices",
)

TABLES = (
    _BALANCES, _MARKS, _ENTRIES, _TRANSFERS, _USERS, _APPROVALS, _NOTICES, *FLOW_TABLES,
    RECONCILIATIONS, *CREDIT_TABLES,
)  # fmt: skip

SNAPSHOTS = Compared(
    model="snapshots",
    name="snapshots",
    table="snapshots",
    key="snapshot",
    shown="",  # their columns are inside of one: `copy_snapshots` opens it
    tally_columns=ACCOUNT_COLUMNS,
    tally=tallies.of_accounts,
    logged=f"""
        SELECT id, id::text AS account, max(type) AS type, max(currency) AS currency,
               max(name) AS name, max(owner) AS owner, max(credit_limit)::numeric AS credit_limit,
               {LAST_STATUS},
               sum(credits) - sum(debits) AS balance, sum(held) AS held,
               sum(events)::bigint AS version, sum(events) AS version_inside,
               NULL::bigint AS position
          FROM tally_snapshots GROUP BY id""",
)
