"""Work for the outside world: written with what asks for it, run by workers, kept in Postgres."""

from application.jobs.ending import finish
from application.jobs.errors import (
    Again,
    BusinessError,
    ExternalError,
    InternalError,
    JobError,
    LeaseLostError,
)
from application.jobs.jobs import Bury, Failure, Job, Kind, Kinds, NewJob
from application.jobs.outbox import put

__all__ = [
    "Again",
    "Bury",
    "BusinessError",
    "ExternalError",
    "Failure",
    "InternalError",
    "Job",
    "JobError",
    "Kind",
    "Kinds",
    "LeaseLostError",
    "NewJob",
    "finish",
    "put",
]
