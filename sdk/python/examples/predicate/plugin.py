"""A predicate: holds for records whose text contains another text."""

from millstream import Config, Importance, Info, Record, RowPredicate, component, string


class ContainsConfig(Config):
    """What to look for."""

    text = string("text", required=True, non_empty=True, importance=Importance.HIGH, doc="What to look for.")


class Contains(RowPredicate[ContainsConfig]):
    """Whether a text value contains a text."""

    info = Info("org.example.Contains", version="1")

    def test(self, record: Record) -> bool:
        return isinstance(record.value, str) and self.config.text in record.value


Plugin = component(Contains)
