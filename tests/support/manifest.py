# SPDX-License-Identifier: MIT
"""Reading a manifest as its contract says, with Python's own TOML reader."""

import re
import tomllib

EXTENSION = "#~ "
SEGMENT = re.compile(r"cute-shm\.(?P<project>.+)\.[A-Za-z0-9]{10}", re.DOTALL)


class Manifest:
    """`tree` is the TOML proper; `project` and `nodes` (by path) come from the extension document."""

    def __init__(self, text):
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        self.text = text
        self.tree = tomllib.loads(text)
        self.extension = tomllib.loads(_extension_text(text))
        self.project = self.extension.get("project", {})
        self.nodes = {tuple(node["path"]): node for node in self.extension.get("node", [])}

    def at(self, *path):
        table = self.tree
        for key in path:
            table = table[key]
        return table

    def node(self, *path):
        return self.nodes.get(path, {})

    def leaves(self):
        return dict(_leaves(self.tree, ()))

    def segments(self):
        return {leaf["shm_name"] for leaf in self.leaves().values()}


def is_leaf(table):
    return isinstance(table, dict) and isinstance(table.get("shm_name"), str)


def _leaves(table, path):
    stack = [(path, table)]
    while stack:
        here, group = stack.pop()
        for key, item in group.items():
            if is_leaf(item):
                yield here + (key,), item
            elif isinstance(item, dict):
                stack.append((here + (key,), item))


def _extension_text(text):
    lines = []
    for line in text.split("\n"):
        if line.startswith(EXTENSION):
            lines.append(line[len(EXTENSION) :])
        elif line.rstrip() == EXTENSION.rstrip():
            lines.append("")
        else:
            break
    return "\n".join(lines) + "\n"
