"""The exported interface ``predicate-api``."""

from typing import Any, Self

from millstream import running
from millstream_exports import called, lower_row_error
from wit_world.exports import predicate_api


class Predicate(predicate_api.Predicate):
    """A predicate as the host holds it."""

    def __init__(self, predicate: running.PredicateRun) -> None:
        self.predicate = predicate

    @classmethod
    def create(cls, class_: str, config: list[tuple[str, str | None]]) -> Self:
        return cls(called(running.PredicateRun, class_, dict(config)))

    def test(self, records: bytes) -> Any:
        holds, failed = called(self.predicate.test, records)
        return predicate_api.Verdict(holds, [lower_row_error(error, 0) for error in failed])
