"""The kit's guest: everything that it carries."""

from kit_converters import KitConverter, KitHeaderConverter
from kit_sink import KitSink
from kit_source import KitSource
from kit_transforms import Count, Echo, HasText, Odd, SetField, Split, Stamp
from millstream import component

Plugin = component(
    KitSource, KitSink, Echo, Stamp, SetField, Split, Odd, Count, HasText, KitConverter, KitHeaderConverter
)
