"""What a person reads when a command cannot go on.

What the errors are is loaded when there is one: all modules that have errors take a second.
"""

from __future__ import annotations


def in_words(error: Exception) -> str | None:
    """What happened and what to do, None for what nobody expected."""
    import psycopg

    from api.problems import explain
    from domain.refusals import Refusal

    if isinstance(error, _said_plainly()):
        return str(error)
    match error:
        case Refusal():
            return explain(error.reason, error.details)
        case psycopg.errors.InsufficientPrivilege():
            return (
                f"the database refuses this to its role ({error.diag.message_primary}): set "
                "DATABASE_ADMIN_URL to the same database for the role that owns it"
            )
        case psycopg.OperationalError():
            return f"the database cannot be reached: {str(error).strip()}\n{_where_to_look()}"
        case psycopg.ProgrammingError(sqlstate=None):  # else of the server: a mistake of Daybook's
            return f"DATABASE_URL or DATABASE_ADMIN_URL cannot be used: {str(error).strip()}"
        case OSError():
            return str(error)
    return None


def _said_plainly() -> tuple[type[Exception], ...]:
    """Errors whose message says what happened and what to do."""
    from api.local.errors import LocalServerError
    from api.settings import SettingsError
    from api.starting import PortInUseError
    from application.audit.errors import AuditError
    from application.decisions import UnsoundTableError
    from application.ledger import WriteFailedError
    from application.privacy.errors import PrivacyError
    from application.processes.definitions import UnknownProcessError
    from migrations.runner import MigrationError
    from projections.catalogue import UnknownReadModelError
    from projections.entries.statements import BrokenStatementError
    from projections.exporting.errors import ExportError
    from projections.files import ModelFileError
    from projections.log import UnreadableEventError
    from projections.parking import RetryRefusedError
    from projections.rebuild import RebuildFailedError, RebuildRefusedError
    from projections.rebuild_state import SupersededError

    return (
        AuditError,
        BrokenStatementError,
        ExportError,
        LocalServerError,
        MigrationError,
        ModelFileError,
        PortInUseError,
        PrivacyError,
        RebuildFailedError,
        RebuildRefusedError,
        RetryRefusedError,
        SettingsError,
        SupersededError,
        UnknownProcessError,
        UnknownReadModelError,
        UnreadableEventError,
        UnsoundTableError,
        WriteFailedError,
    )


def _where_to_look() -> str:
    from api.settings import load_settings

    if load_settings().DATABASE_URL is None:
        return "The daybook that ran it may have stopped just now: try again."
    return "See whether it runs, and whether DATABASE_URL is right."
