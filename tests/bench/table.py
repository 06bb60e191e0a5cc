# SPDX-License-Identifier: MIT
"""The table, in Markdown, line by line as it comes."""

import time

HEAD = ("row", "what", "ours", "compared with", "ratio", "goal", "met?", "spread (min–max)", "note")


class Table:
    def __init__(self, stream):
        self.stream = stream
        self._line(HEAD)
        self._line("---" for _ in HEAD)

    def _line(self, cells):
        print(
            "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |",
            file=self.stream,
            flush=True,
        )

    def add(self, row):
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        self._line((row.name, row.what, row.ours, row.against, ratio, row.goal, met, row.spread, row.note))
        return row

    def end(self, facts):
        print(f"\nMeasured {time.strftime('%Y-%m-%d')}; sides interleaved, medians.\n", file=self.stream)
        for name, value in facts:
            print(f"* {name}: {value}", file=self.stream)
        self.stream.flush()
