"""Resources of the host."""

from typing import Any

from millstream import errors


class Closing:
    """A resource of the host, given back once."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource

    def close(self) -> None:
        resource, self.resource = self.resource, None
        if resource is not None:
            resource.__exit__(None, None, None)

    def _open(self) -> Any:
        if self.resource is None:
            raise errors.FatalError("it is closed already")
        return self.resource
