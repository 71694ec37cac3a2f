"""A sink that writes a line for each record to a file."""

from millstream import (
    Config,
    FatalError,
    File,
    Importance,
    Info,
    Opens,
    SinkConnector,
    SinkTask,
    component,
    records_of,
    string,
    value_text,
)
from millstream.batch import Table


class __TYPE__Config(Config):
    """What users configure."""

    # `opens` is what lets the plugin open the file that the user names: it can reach no other.
    file = string(
        "file",
        required=True,
        importance=Importance.HIGH,
        doc="File that records are written to, a line each.",
        opens=Opens.append_file(),
    )


class __TYPE__Task(SinkTask[__TYPE__Config]):
    """Takes the records."""

    def start(self) -> None:
        file = File.open("file")
        if file is None:
            raise FatalError("the file was not created")
        self.file = file

    def put(self, records: Table) -> None:
        lines = [f"{value_text(record.key)}={value_text(record.value)}\n" for _, record in records_of(records)]
        self.file.write("".join(lines))

    def flush(self) -> None:
        # Offsets are committed when this returns, so everything has to be safe by then.
        self.file.sync()


class __TYPE__(SinkConnector[__TYPE__Config]):
    """Writes records to a file, a line each."""

    info = Info("__CLASS__", version="0.1.0")
    task = __TYPE__Task


Plugin = component(__TYPE__)
