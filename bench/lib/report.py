# SPDX-License-Identifier: Apache-2.0
"""Turns what was measured into rows with a ratio and a verdict, and rows into tables."""
import json
import re
import statistics
from dataclasses import dataclass, field


@dataclass
class Row:
	"""One line of the result. `ours` and `peer` hold one value per round; peer may also be our own no-op."""
	id: str
	what: str
	unit: str
	at_least: float | None = None  # the ratio ours/peer must reach this ...
	at_most: float | None = None   # ... or stay below this
	within: float | None = None    # or ours may be more than peer by less than this
	limit: float | None = None     # or ours alone must stay below this
	ours: list = field(default_factory=list)
	peer: list = field(default_factory=list)
	notes: list = field(default_factory=list)
	dirty: list = field(default_factory=list)
	runs: list = field(default_factory=list)  # the details of every single run

	@property
	def number(self):
		"""13 of "13a": rows of one number are measured together."""
		return int(re.match(r"\d+", self.id)[0])

	def ratio(self):
		if not self.ours or not self.peer or statistics.median(self.peer) == 0:
			return None
		return statistics.median(self.ours) / statistics.median(self.peer)

	def target(self):
		if self.at_least is not None:
			return f">= {self.at_least:g}x"
		if self.at_most is not None:
			return f"<= {self.at_most:g}x"
		if self.within is not None:
			return f"< +{self.within:g} {self.unit}"
		return f"< {self.limit:g} {self.unit}"

	def verdict(self):
		if self.dirty:
			return "dirty"
		if self.limit is not None:
			return "skipped" if not self.ours else "ok" if max(self.ours) < self.limit else "missed"
		ratio = self.ratio()
		if ratio is None:
			return "skipped"
		return "ok" if self._reaches(ratio) else "missed"

	def _reaches(self, ratio):
		if self.at_least is not None:
			return ratio >= self.at_least
		if self.within is not None:
			return statistics.median(self.ours) - statistics.median(self.peer) < self.within
		return ratio <= self.at_most

	def as_json(self):
		return {"row": self.id, "what": self.what, "unit": self.unit, "ours": _side(self.ours), "peer": _side(self.peer),
			"ratio": self.ratio(), "target": self.target(), "verdict": self.verdict(), "notes": self.notes,
			"dirty": self.dirty, "runs": self.runs}


def _side(values):
	if not values:
		return None
	return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}


def number(value):
	"""Three significant digits, thousands with separators."""
	if value >= 1000:
		return f"{value:,.0f}"
	return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _cell(side):
	if side is None:
		return "-"
	text = number(side["median"])
	return text if len(side["rounds"]) < 2 else f"{text} ({number(side['min'])}..{number(side['max'])})"


def _cells(row):
	ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3g}x"
	return [row["row"], row["what"], row["unit"], _cell(row["ours"]), _cell(row["peer"]), ratio, row["target"],
		row["verdict"]]


HEAD = ["row", "what", "unit", "ours (min..max)", "peer (min..max)", "ratio", "target", "verdict"]


def text_table(rows):
	lines = [HEAD] + [_cells(r) for r in rows]
	widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
	return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in lines)


def markdown(result):
	facts = result["machine"]
	lines = [f"Measured {result['when']} at revision {result['revision']}: {facts['cpus']} CPUs ({facts['cpu']}), "
		f"{facts['memory_gb']} GB, kernel {facts['kernel']}, fdatasync p50 {facts['flush_us']['p50']} us and p99 "
		f"{facts['flush_us']['p99']} us, {result['rounds']} rounds{', short runs' if result['quick'] else ''}.", "",
		"| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
	lines += ["| " + " | ".join(_cells(r)) + " |" for r in result["rows"]]
	notes = [f"- row {r['row']}: {n}" for r in result["rows"] for n in r["notes"] + r["dirty"]]
	return "\n".join(lines + ([""] + notes if notes else [])) + "\n"


def load(path):
	return json.loads(path.read_text())


def save(path, result):
	path.write_text(json.dumps(result, indent=1) + "\n")
