"""What somebody who sets the stack up puts into .env, made anew for each run."""

from __future__ import annotations

from base64 import b64encode
from secrets import token_bytes, token_hex, token_urlsafe

from application.privacy import master_keys


def secrets() -> dict[str, str]:
    return {
        "POSTGRES_PASSWORD": token_hex(24),
        "DAYBOOK_DB_PASSWORD": token_hex(24),
        "REDIS_PASSWORD": token_hex(24),
        "JWT_SECRET": token_urlsafe(64),
        "ENCRYPTION_KEY": master_keys.generate(),
        "BANK_URL": "https://bank.example.com",
        "BANK_TOKEN": token_hex(24),
        "BANK_WEBHOOK_SECRET": f"whsec_{b64encode(token_bytes(32)).decode()}",
    }


def with_sandbox() -> dict[str, str]:
    """As docs/deployment.md says for those who only try it."""
    made = secrets()
    return made | {
        "COMPOSE_APP_ENV": "development",
        "BANK_URL": "http://sandbox:8010",
        "BUREAU_URL": "http://sandbox-bureau:8011",
        "BUREAU_TOKEN": made["BANK_TOKEN"],
        "BUREAU_WEBHOOK_SECRET": made["BANK_WEBHOOK_SECRET"],
        "SANDBOX_TOKEN": made["BANK_TOKEN"],
        "SANDBOX_WEBHOOK_SECRET": made["BANK_WEBHOOK_SECRET"],
    }
