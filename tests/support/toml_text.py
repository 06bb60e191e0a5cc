# SPDX-License-Identifier: MIT
"""TOML as others write it: manifests by hand, without our own writer."""

import json


def quoted(text):
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def value(thing):
    if isinstance(thing, bool):
        return "true" if thing else "false"
    if isinstance(thing, str):
        return quoted(thing)
    if isinstance(thing, (list, tuple)):
        return "[" + ", ".join(value(item) for item in thing) + "]"
    if isinstance(thing, dict):
        return "{" + ", ".join(f"{quoted(key)} = {value(item)}" for key, item in thing.items()) + "}"
    return repr(thing)


def document(table, path=()):
    """A table of tables and values as a document of [headers]."""
    lines = [f"[{'.'.join(quoted(key) for key in path)}]"] if path else []
    lines += [f"{quoted(key)} = {value(item)}" for key, item in table.items() if not isinstance(item, dict)]
    for key, item in table.items():
        if isinstance(item, dict):
            lines.append(document(item, path + (key,)))
    return "\n".join(lines) + "\n"
