"""Files that configuration keys name."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from .host import FileHandle, host

_READ = 1 << 20


class File:
    """An open file, which the value of a configuration key names. The key's definition says so (``Opens.read_file``).

    What fails raises one of ``millstream.errors``. Leaving a ``with`` block closes it.
    """

    def __init__(self, handle: FileHandle) -> None:
        self._handle = handle

    @staticmethod
    def open(key: str) -> File | None:
        """Opens the file that the configuration value of ``key`` names; ``None`` if a file for reading does not exist.

        Where the value is missing or empty and the definition allows it, this is the standard stream of the worker.
        """
        handle = host().open_file(key)
        return None if handle is None else File(handle)

    def read(self, most: int = _READ) -> bytes:
        """Up to so many bytes from the current position; empty at the end of what is there now. A standard stream gives what
        is there without waiting."""
        return self._handle.read(most)

    def size(self) -> int | None:
        """Size in bytes at this moment; ``None`` for a stream."""
        return self._handle.size()

    def seek(self, position: int) -> None:
        """Sets the position of the next read, in bytes from the start."""
        self._handle.seek(position)

    def write(self, data: bytes | str) -> None:
        """Appends all of the bytes (of a text: its UTF-8), or fails having appended a part of them."""
        self._handle.write(data.encode() if isinstance(data, str) else bytes(data))

    def truncate(self, length: int) -> None:
        """Cuts the file down to a length in bytes."""
        self._handle.truncate(length)

    def sync(self) -> None:
        """Returns when everything written is on disk."""
        self._handle.sync()

    def ends_rest(self) -> bool:
        """Said beside ``rest``: the rest is over as soon as there are bytes behind the current position. False if the host
        cannot tell, as of a stream or a device: rest for a short time."""
        return self._handle.ends_rest()

    def close(self) -> None:
        """Closes it. It cannot be used any more."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
