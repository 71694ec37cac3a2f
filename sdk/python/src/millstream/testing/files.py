"""Files in memory, with the faults that a test asks for."""

from __future__ import annotations

from ..errors import FatalError, PluginError


class TestFile:
    """A file that a test puts in place of the one that a configuration key names."""

    __test__ = False  # Its name is no test of pytest's.

    def __init__(self, content: bytes | str = b"") -> None:
        self.content = content.encode() if isinstance(content, str) else bytes(content)
        #: What would be left after a power failure.
        self.synced = self.content
        #: Behaves like a standard stream: no size, no position.
        self.is_stream = False
        #: Bytes that may still be written before writes fail.
        self.room: int | None = None
        #: Has every attempt to open it fail.
        self.fail_open: PluginError | None = None
        #: Has the next read fail.
        self.fail_read: PluginError | None = None
        #: Has every sync fail.
        self.fail_sync: PluginError | None = None

    def append(self, data: bytes | str) -> None:
        """Appends bytes, as another program would."""
        self.content += data.encode() if isinstance(data, str) else data

    @property
    def text(self) -> str:
        """What is in the file now, as text."""
        return self.content.decode()


class OpenFile:
    """An open file with its position."""

    def __init__(self, file: TestFile) -> None:
        if file.fail_open is not None:
            raise file.fail_open.copy()
        self.file = file
        self.position = 0

    def read(self, most: int) -> bytes:
        if self.file.fail_read is not None:
            failed, self.file.fail_read = self.file.fail_read, None
            raise failed
        data = self.file.content[self.position : self.position + most]
        self.position += len(data)
        return data

    def size(self) -> int | None:
        return None if self.file.is_stream else len(self.file.content)

    def seek(self, position: int) -> None:
        self._check_file()
        self.position = position

    def write(self, data: bytes) -> None:
        file = self.file
        taken = len(data) if file.room is None else min(file.room, len(data))
        file.content += data[:taken]
        if file.room is not None:
            file.room -= taken
        if taken < len(data):
            raise FatalError("No space left on device")

    def truncate(self, length: int) -> None:
        self._check_file()
        self.file.content = self.file.content[:length]

    def sync(self) -> None:
        if self.file.fail_sync is not None:
            raise self.file.fail_sync.copy()
        self.file.synced = self.file.content

    def ends_rest(self) -> bool:
        return not self.file.is_stream

    def close(self) -> None:
        pass

    def _check_file(self) -> None:
        if self.file.is_stream:
            raise FatalError("a standard stream has no position")
