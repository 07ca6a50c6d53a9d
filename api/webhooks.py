"""What the edge knows of webhooks: where they may go, and whose word is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from application.webhooks.addresses import Allowed
from application.webhooks.incoming import Provider
from application.webhooks.secrets import Secrets


@dataclass(frozen=True)
class Webhooks:
    """`providers` by the name in the path; `tolerance_s`: so old a message of theirs may be."""

    secrets: Secrets
    allowed: Allowed
    providers: Mapping[str, Provider]
    tolerance_s: int
