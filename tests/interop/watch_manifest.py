# SPDX-License-Identifier: MIT
"""watch_manifest.py ROOT PROJECT: run by the peer's own Python. Reads the manifest again and again as the peer's
package does, until stdin ends. A line of JSON for each time the manifest is another one: when the reading began and the
arrays by their path with their attributes. Anything that goes wrong ends it with a traceback."""

import json
import pathlib
import select
import sys
import time

import cute_shm
import tomli
from cute_shm import main as commands


def arrays(table, path=()):
    for key, item in table.items():
        if "shm_name" in item:
            yield "/".join(path + (key,)), item["attrs"]
        else:
            yield from arrays(item, path + (key,))


def main(root, project):
    cute_shm.Project2Toml.root = pathlib.Path(root)
    before = None
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        began = time.monotonic()
        file = cute_shm.Project2Toml.list()[project]
        with open(file, "rb") as opened:
            text = opened.read()
        _, count, _ = commands._project_info(project, file)
        assert count > 0
        if text == before:
            print(json.dumps({"began": began}), flush=True)
            continue
        before = text
        with open(file, "rb") as opened:
            began = time.monotonic()
            tree = tomli.load(opened)
        print(json.dumps({"began": began, "arrays": dict(arrays(tree))}), flush=True)


main(*sys.argv[1:])
