# SPDX-License-Identifier: Apache-2.0
"""Row 15: what a window full of idempotency keys costs. A program of its own makes the window, see bench/key_bench.c."""
import shutil
import subprocess

from lib import box
from lib.report import Row
from lib.session import note, record


def rows():
	return [
		Row("15", "memory of 100 million remembered idempotency keys, against its setting", "MB", at_most=1),
		Row("15a", "event alone with a key in that window, against one without a key", "ns", at_most=1.15),
		Row("15b", "event in a batch with a key in that window, against an empty window", "ns", at_most=1.15),
	]


def keys(session, table, turn):
	"""Rows 15: once a run, because the program takes turns itself; its values are medians of three rounds."""
	s = session.settings
	if turn > 0 or not session.side("ours"):
		return
	folder = s.work / "keys"
	idle = box.wait_quiet(s.quiet_wait_s)
	try:
		done = subprocess.run([s.work / "bench_key", folder, str(s.keys)], capture_output=True, text=True, check=True)
	finally:
		shutil.rmtree(folder, ignore_errors=True)
	run = {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}
	run = {**run, "idle_before": idle, "dirty": run["keys_lost"] > 0, "reason": f"{run['keys_lost']:.0f} keys were forgotten early"}
	for row, ours, peer, unit in (("15", "memory_bytes", "memory_limit_bytes", 1e6),
			("15a", "single_full_window_ns", "single_none_ns", 1), ("15b", "batch_full_window_ns", "batch_empty_window_ns", 1)):
		record(table[row], "ours", run[ours] / unit, run)
		record(table[row], "peer", run[peer] / unit, {})
	note(table["15"], f"{s.keys:,} keys; the peer column holds the setting")
	note(table["15b"], f"against events without a key, which nothing has to be kept of, {run['ratio_batch']:.2f}x, and "
		f"{run['ratio_single']:.2f}x alone; the look-up takes {run['absent_ns']:.0f} ns for a new key, {run['present_ns']:.0f} ns for one "
		"that is there")


MEASUREMENTS = [({15}, keys)]
