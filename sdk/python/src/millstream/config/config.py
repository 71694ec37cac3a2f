"""A configuration: what keys a plugin knows, and what a user has set them to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from .keys import Key


class Config:
    """The configuration of a plugin. Its keys are declared once, as attributes of a class::

        class TickConfig(Config):
            topic = string("topic", required=True, non_empty=True, doc="Where ticks go.")
            every_ms = integer("every.ms", default=1000, min=1, doc="Milliseconds between ticks.")

    The host documents and checks them from that declaration, and the plugin reads ``config.topic`` and
    ``config.every_ms``, parsed by the same. ``originals`` is what the user wrote, with keys that are not declared, too.

    ``ready`` may be overridden for what the declaration cannot say.
    """

    #: The keys, in the order they were declared.
    keys: ClassVar[tuple[Key[Any], ...]] = ()

    parsed: dict[str, Any]
    originals: dict[str, str | None]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        keys = {key.name: key for base in reversed(cls.__mro__[1:]) for key in base.__dict__.get("keys", ())}
        names = set(keys)
        for attribute, value in list(cls.__dict__.items()):
            if isinstance(value, Key):
                if hasattr(Config, attribute) or attribute in ("parsed", "originals"):
                    raise TypeError(f"{cls.__name__}.{attribute} has a meaning of its own; give the key another attribute")
                if value.name in keys and value.name not in names:
                    raise TypeError(f"key {value.name} is declared twice in {cls.__name__}")
                names.discard(value.name)
                keys[value.name] = value
        cls.keys = tuple(keys.values())

    @classmethod
    def parse(cls, originals: Mapping[str, str | None]) -> Self:
        """Checks a configuration and parses it. Raises ``ConfigError``, in Kafka's words, for the first key at fault."""
        config = cls.__new__(cls)
        config.originals = dict(originals)
        config.parsed = {key.name: key.parse(originals) for key in cls.keys}
        config.ready()
        return config

    def ready(self) -> None:
        """Called when all keys are parsed. Raise ``ConfigError`` for what is wrong with them together, such as keys that
        exclude each other."""

    @classmethod
    def problems(cls, originals: Mapping[str, str | None]) -> list[tuple[str, str]]:
        """What the plugin's own checks say: keys at fault, each with a text. Keys that the host refuses anyway are left
        out."""
        found = []
        for key in cls.keys:
            if key.check is None:
                continue
            try:
                value = key.parse(originals, own_check=False)
            except Exception:  # The host says what is wrong with it.
                continue
            problem = key.problem_of(value)
            if problem is not None:
                found.append((key.name, problem.message))
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(sorted(self.originals))})"
