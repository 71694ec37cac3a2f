"""The exported interface ``transform-api``."""

from typing import Any, Self

from componentize_py_types import Err
from millstream import errors, running
from millstream_exports import called, lower_error, outcome
from wit_world.exports import transform_api


def _made(links: list[running.Link]) -> running.Chain | tuple[int, errors.PluginError]:
    try:
        return running.Chain(links)
    except running.LinkFailed as failed:
        return failed.link, errors.of_call(failed.__cause__ or failed)


class Chain(transform_api.Chain):
    """A chain of transforms as the host holds it."""

    def __init__(self, chain: running.Chain) -> None:
        self.chain = chain

    @classmethod
    def create(cls, links: list[Any]) -> Self:
        lifted = []
        for link in links:
            found = link.condition
            condition = None if found is None else running.Condition(found.class_, dict(found.config), found.negate)
            lifted.append(running.Link(link.class_, dict(link.config), condition))
        made = called(_made, lifted)
        if isinstance(made, running.Chain):
            return cls(made)
        raise Err(transform_api.LinkError(made[0], lower_error(made[1])))

    def apply(self, records: bytes, only: bytes | None) -> Any:
        return outcome(*called(self.chain.apply, records, only))
