"""A sink: keeps a running total per key in a file, and shows how records that can never be written are reported."""

from millstream import (
    Config,
    DataError,
    FatalError,
    File,
    Importance,
    Info,
    Opens,
    RowError,
    SinkConnector,
    SinkTask,
    component,
    records_of,
    string,
    value_text,
)
from millstream.batch import Table


class TotalConfig(Config):
    """The configuration of connector and task alike."""

    # `opens` is what lets the plugin open the file that the user names: it can reach no other.
    file = string(
        "file",
        required=True,
        importance=Importance.HIGH,
        doc="File that totals are written to, a line for each change.",
        opens=Opens.append_file(),
    )


class TotalTask(SinkTask[TotalConfig]):
    """The task takes the records."""

    def start(self) -> None:
        file = File.open("file")
        if file is None:
            raise FatalError("the file was not created")
        self.file = file
        self.totals: dict[str, int] = {}

    def put(self, records: Table) -> None:
        lines, rejected = [], []
        for row, record in records_of(records):
            if isinstance(record.value, int) and not isinstance(record.value, bool):
                key = value_text(record.key)
                self.totals[key] = self.totals.get(key, 0) + record.value
                lines.append(f"{key}={self.totals[key]}\n")
            else:
                found = type(record.value).__name__
                rejected.append(RowError(row, DataError(f"expected a whole number, found a {found}")))
        if rejected:
            # Goes to the error policy of the task; fails if it tolerates none.
            self.context.report(rejected)
        self.file.write("".join(lines))

    def flush(self) -> None:
        # Offsets are committed when this returns, so everything has to be safe by then.
        self.file.sync()


class TotalSink(SinkConnector[TotalConfig]):
    """Adds up the whole numbers under each key."""

    # The connector: Kafka deals topic partitions out to as many tasks as are asked for.
    info = Info("org.example.TotalSinkConnector", version="0.1.0")
    task = TotalTask


Plugin = component(TotalSink)
