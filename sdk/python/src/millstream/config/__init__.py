"""Configuration: what keys a plugin knows, and what a user has set them to."""

from .config import Config
from .keys import Importance, Key, Width, boolean, class_name, integer, number, password, string, strings
from .opens import Opens
from .validators import (
    All,
    ListOf,
    NonEmpty,
    NonEmptyWithoutControlChars,
    NonNull,
    NullOr,
    OneOf,
    OneOfIgnoreCase,
    Range,
    Regex,
    SomeItems,
    UniqueAliases,
    Validator,
)

__all__ = [
    "All",
    "Config",
    "Importance",
    "Key",
    "ListOf",
    "NonEmpty",
    "NonEmptyWithoutControlChars",
    "NonNull",
    "NullOr",
    "OneOf",
    "OneOfIgnoreCase",
    "Opens",
    "Range",
    "Regex",
    "SomeItems",
    "UniqueAliases",
    "Validator",
    "Width",
    "boolean",
    "class_name",
    "integer",
    "number",
    "password",
    "string",
    "strings",
]
