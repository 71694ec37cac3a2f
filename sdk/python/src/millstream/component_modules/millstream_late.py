"""What Python's own library loads when it is first used. Where a component runs there is nothing to load it from, so it is
loaded here, when the component is built."""

import encodings.ascii
import encodings.cp1252
import encodings.latin_1
import encodings.utf_8_sig
import encodings.utf_16
import encodings.utf_16_be
import encodings.utf_16_le
import importlib

# Of tracebacks, and of datetime.strptime.
for name in ("_colorize", "_strptime"):
    importlib.import_module(name)
