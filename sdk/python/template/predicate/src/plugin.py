"""A predicate that looks for a text."""

from millstream import Config, Importance, Info, Record, RowPredicate, component, string


class __TYPE__Config(Config):
    """What users configure."""

    field = string("field", default="", doc="The field of the value; the whole value if it is empty.")
    text = string("text", required=True, non_empty=True, importance=Importance.HIGH, doc="What to look for.")


class __TYPE__(RowPredicate[__TYPE__Config]):
    """Whether there is a text in a field of the value, or in the whole value."""

    info = Info("__CLASS__", version="0.1.0")

    def test(self, record: Record) -> bool:
        value = record.value
        if self.config.field:
            value = value.get(self.config.field) if isinstance(value, dict) else None
        return isinstance(value, str) and self.config.text in value


Plugin = component(__TYPE__)
