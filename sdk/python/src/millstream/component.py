"""What a component carries: the one place where plugins are listed."""

from __future__ import annotations

import json
import sys
from typing import Any, TypeVar

from .columns import ColumnPredicate, ColumnTransform
from .errors import FatalError, remember_source
from .plugins import Plugin, SinkConnector, SinkTask, SourceConnector, SourceTask

P = TypeVar("P", bound=Plugin[Any])

#: Version of the batch format that this SDK reads and writes.
_BATCH_FORMAT = 1

_plugins: list[type[Plugin[Any]]] = []


def component(*plugins: type[Plugin[Any]]) -> Any:
    """Says which plugins the component carries. The build looks for the result under the name ``Plugin``::

        Plugin = component(TickSource, Shout, Contains)

    Raises ``TypeError`` for a class that is no plugin, or says nothing about itself, and ``ValueError`` for two of one name.
    """
    described = [_described(plugin) for plugin in plugins]
    names = [(entry["class"], entry["kind"]) for entry in described]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two plugins are called {name[0]}")
    _plugins[:] = plugins
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and path.endswith(".py") and not _is_library(path):
            remember_source(path)
    return _exports()


def _is_library(path: str) -> bool:
    inside = path.replace("\\", "/")
    return "/site-packages/" in inside or "/millstream/" in inside or "/lib/python3" in inside or "/python3." in inside


def _exports() -> Any:
    """The class that the build looks for. Outside of a component it is there, too, with its one function."""
    document = describe()

    class ComponentPlugin:
        """The exported interface ``plugin``."""

        def describe(self) -> str:
            return document

    return ComponentPlugin


def _described(plugin: type[Plugin[Any]]) -> dict[str, Any]:
    if not (isinstance(plugin, type) and issubclass(plugin, Plugin) and hasattr(plugin, "kind")):
        raise TypeError(f"{plugin!r} is no plugin: derive it from SourceConnector, RowTransform or another class of these")
    for connector, task in ((SourceConnector, SourceTask), (SinkConnector, SinkTask)):
        if issubclass(plugin, connector) and not (
            isinstance(getattr(plugin, "task", None), type) and issubclass(plugin.task, task)
        ):
            raise TypeError(f"{plugin.__name__} does not say what its tasks are: give it task = …, a {task.__name__}")
    info = plugin.described()
    keys = plugin.config_class.keys
    defaults = {key.name: key.default for key in keys}
    entry: dict[str, Any] = {"kind": plugin.kind, "class": info.class_name}
    if info.task_class is not None:
        entry["task_class"] = info.task_class
    entry["aliases"] = list(info.aliases)
    if info.version:
        entry["version"] = info.version
    entry["documentation"] = info.doc
    if plugin.kind == "source":
        entry["commit_records"] = info.wants_committed
    if info.wants_lease:
        entry["wants"] = ["lease"]
    if issubclass(plugin, (ColumnTransform, ColumnPredicate)):
        entry["batches"] = "columns"
    entry["config"] = [key.to_json(defaults) for key in keys]
    return entry


def describe() -> str:
    """The JSON document about the plugins of this component."""
    return json.dumps({"batch_formats": [_BATCH_FORMAT], "plugins": [_described(plugin) for plugin in _plugins]})


def find(class_name: str, kind: type[P] | tuple[type[Any], ...]) -> type[Any]:
    """The plugin of a class name. Raises ``FatalError`` if there is none of that kind."""
    for plugin in _plugins:
        if plugin.info.class_name == class_name and issubclass(plugin, kind):
            return plugin
    raise FatalError(f"this component has no class {class_name} of the kind asked for")
