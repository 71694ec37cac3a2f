"""One owner among a connector's tasks, and what it keeps for its successors."""

from __future__ import annotations

from collections.abc import Mapping

from .host import host


class Lease:
    """The lease of the connector, owned by this task since ``Lease.obtain``: until another task of the connector obtains it,
    wherever that runs, or this one ends. ``Info`` has to say ``wants_lease=True``.

    Whoever obtains it gets a higher ``epoch`` than all before. A task that has lost it hears so from its next call, as an
    error whose ``lease_lost`` is true: nothing that it writes from then on counts. Its right answer is to let the error go
    up, or to obtain the lease again and begin from what is kept.

    A task that was frozen in the middle of something does not know that it has lost the lease. What keeps it from doing
    harm is not ``confirm``, but that its commit goes through the lease: by ``write``, whose values say what counts of the
    files or rows that were written before; or by a target that is given the epoch and refuses lower ones.
    """

    def __init__(self, epoch: int) -> None:
        #: Higher than that of every owner before: for targets that can tell who is late.
        self.epoch = epoch

    @staticmethod
    def obtain() -> Lease:
        """Makes this task the owner, whoever was before; one that is it already stays it, in the same epoch. What is read
        afterwards is all that owners before it have written, and will ever have. Raises ``RetriableError`` if asking again
        later may help."""
        return Lease(host().obtain_lease())

    def confirm(self) -> None:
        """Raises if this task was not the owner at any moment after the call. It may not be any more when this returns."""
        host().confirm_lease(self.epoch)

    def keys(self) -> list[str]:
        """All keys that have a value, in ascending order."""
        return host().kept_keys()

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        return kept(key)

    def write(self, changes: Mapping[str, bytes | None]) -> None:
        """Changes values, all together or none; ``None`` removes one. Returns when they are durable and count.

        Raises if the lease is lost, or a limit of the worker's is exceeded: nothing has changed. After a ``RetriableError``
        the change may count or not, and the lease is lost; obtain it again, and read.
        """
        host().write_kept(self.epoch, list(changes.items()))


def kept(key: str) -> bytes | None:
    """What an owner of the lease has kept under a key, for tasks that are none: at least as new as what was written before
    the call."""
    return host().read_kept([key])[0]
