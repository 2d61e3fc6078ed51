# SPDX-License-Identifier: Apache-2.0
"""Rows 10, 13 and 14: what sealing, a slow disk and too much load do to a server. The peer column is ours as well."""
import statistics
from concurrent.futures import ThreadPoolExecutor

from lib import box
from lib.live import Viewer, Writers
from lib.report import Row
from lib.rows_peer import add_main_rule, check_books
from lib.session import Sampler, in_turns, note, record
from lib.slowdisk import SlowDisk

SEGMENTS_MAX = 8  # half a GB: some being packed, one being written, one zeroed ahead
CATCH_UP_S = 120
OVERLOAD = 5
READS = ("/health", "/api/v1/rules", "/api/v1/alerts?limit=5", "/api/v1/events?limit=5")
READS_PER_S = 25  # of each
WRITERS, WRITES_PER_S = 16, 100


def rows():
	return [
		Row("10", "single durable POST while segments are sealed, against --seal false", "events/s", at_least=0.85),
		Row("10a", "segments that wait to be sealed, at most, at that peak", "files", limit=SEGMENTS_MAX),
		Row("13", "p99 of reading calls, flushes 50 ms late", "ms", within=20),
		Row("13a", "p99 from an event's answer to its live frame", "ms", within=20),
		Row("14", "5 times what the rules take: evaluated, against their peak", "events/s", at_least=0.8),
		Row("14a", "memory (PSS) at the end of it, against its first fifth", "MB", at_most=1.2),
		Row("14b", "until all that was accepted is evaluated", "s", limit=30),
		Row("14c", "5 times the peak of single POSTs: accepted, against that peak", "events/s", at_least=0.8),
	]


def sealing(session, table, turn):
	"""Row 10: the load of row 1 with sealing and without."""
	s, ours = session.settings, session.side("ours")
	if not ours:
		return
	for side, seal in in_turns(turn, "true", "false"):
		with session.running(ours, args=["--seal", seal]):
			run = peak_load(session, ours, s.seal_s)
		record(table["10"], side, run["events_per_s"], run)
	note(table["10"], "the peer column holds our own server with --seal false")
	if turn == 0:
		keep_up(session, table["10a"], ours)


def peak_load(session, server, seconds):
	add_main_rule(server)
	before = server.stored()
	run = session.load_single(server, seconds)
	check_books(server, run, before)
	return run


def keep_up(session, row, ours):
	seconds = session.settings.peak_s
	with session.running(ours):
		files = Sampler(lambda: ours.unsealed()[0], range(int(seconds)))
		run = peak_load(session, ours, seconds)
		left, left_bytes = ours.unsealed()
		record(row, "ours", max(files.all()), {**run, "segments": files.all()})
		note(row, f"{seconds} s at {run['events_per_s']:,.0f} events/s; at the end {left} files with {left_bytes / 1e6:.0f} MB are "
			f"not sealed, the open one and the one ahead of it among them; memory {box.pss_mb(ours.pids()):.0f} MB")


def slow_disk(session, table, turn):
	"""Rows 13: who does not write does not wait for a slow disk. Answers to writes, and notifications of what was decided, wait
	until that is on the disk: they are told, not judged."""
	s, ours = session.settings, session.side("ours")
	if not ours:
		return
	disk = SlowDisk(s.work, ours.data)
	for side, delay_ms in in_turns(turn, s.slow_ms, 0):
		disk.slow(delay_ms)
		with session.running(ours, env=disk.env()):
			run = watch(session, ours)
		for row, value in (("13", "reads_p99_ms"), ("13a", "frames_p99_ms")):
			record(table[row], side, run[value], run)
		if turn == 0:
			note(table["13"], f"flushes {delay_ms} ms late, p50 and p99 of the first round: answers to writes "
				f"{run['acks_p50_ms']:.1f} and {run['acks_p99_ms']:.1f} ms, from there to the notification "
				f"{run['notifications_p50_ms']:.1f} and {run['notifications_p99_ms']:.1f} ms")
	note(table["13"], "the peer column holds the same load on the disk as it is; the slowest of "
		+ ", ".join(path.partition("?")[0] for path in READS))


def watch(session, server):
	"""Readers, writers and a viewer at the same time, at a pace that no disk could make a problem."""
	server.add_rule("probe", 1, 60, 0)
	viewer = Viewer(server)
	viewer.start()
	viewer.connected.wait(CATCH_UP_S)
	writers = Writers(server, WRITERS, WRITES_PER_S, "probe")
	try:
		with ThreadPoolExecutor(len(READS)) as pool:
			reads = list(pool.map(lambda path: read_often(session, server, path), READS))
	finally:
		writers.stop()
	missing = wait_for_frames(server, viewer, writers)
	viewer.close()
	return {"reads": reads, "reads_p99_ms": max(run["reply_p99_us"] for run in reads) / 1000, **frame_times(viewer, writers),
		"dirty": missing > 0 or writers.refused > 0 or any(run["dirty"] for run in reads),
		"reason": f"{missing} frames did not come, {writers.refused} writes were refused"}


def read_often(session, server, path):
	s = session.settings
	return session.tool("load", server, "", quiet=False, method="GET", path=path, expect=200, connections=4, rate=READS_PER_S,
		seconds=s.slow_s, warm=s.warm_s)


def wait_for_frames(server, viewer, writers):
	"""How many frames of acknowledged events are still missing when nothing more is to come."""
	server.wait_applied(CATCH_UP_S)
	box.until(lambda: len(viewer.events) >= len(writers.acked) and len(viewer.notifications) >= len(writers.acked), 10)
	return sum(id not in viewer.events or id not in viewer.notifications for id in writers.acked)


def frame_times(viewer, writers):
	waits = {"acks": [acked - sent for sent, acked in writers.acked.values()]}
	for name, seen in (("frames", viewer.events), ("notifications", viewer.notifications)):
		waits[name] = [seen[id] - acked for id, (_, acked) in writers.acked.items() if id in seen]
	return {f"{name}_{point}_ms": quantile(values, share) * 1000 for name, values in waits.items()
		for point, share in (("p50", 0.5), ("p99", 0.99))}


def quantile(values, share):
	return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def flood(session, table, turn):
	"""Rows 14: five times too much for the rules, and for single requests."""
	ours = session.side("ours")
	if not ours:
		return
	with session.running(ours):
		flood_of_rules(session, table, ours)
	with session.running(ours):
		flood_of_requests(session, table, ours)
	note(table["14"], "every event fires, so each costs an alert; the peer column holds the drain of a stored backlog")


def flood_of_rules(session, table, server):
	s = session.settings
	server.add_rule("bench.simple", 1, 60, 0)
	peak = drain_rate(session, server)
	memory = Sampler(lambda: box.pss_mb(server.pids()), [s.flood_s * part for part in (0.2, 0.6, 0.95)])
	run = offered(session, server, rate=round(OVERLOAD * peak), connections=256, batch=100)
	first, *_, last = memory.all()
	record(table["14"], "ours", applied_rate(run), run)
	record(table["14"], "peer", peak, {})
	record(table["14a"], "ours", last, {"memory_mb": memory.all()})
	record(table["14a"], "peer", first, {})
	caught_up_s = run["server"].get("caughtUpAfterUs", CATCH_UP_S * 1e6) / 1e6
	record(table["14b"], "ours", caught_up_s, {})


def drain_rate(session, server):
	"""What the rules take when nothing else is to be done: events per second of a backlog that a short load leaves."""
	session.bench(server, rate="max", batch=100, connections=64, duration=max(round(session.settings.flood_s / 5), 1), drain=0)
	behind = server.lag()
	taken = server.wait_applied(CATCH_UP_S)
	return behind / taken


def offered(session, server, **load):
	"""An open load; besides what was accepted, only refusals that say when to come again are clean."""
	s = session.settings
	before = server.stored()
	run = session.bench(server, duration=round(s.flood_s), drain=CATCH_UP_S, **load)
	strange = set(run["statuses"]) - {"200", "201", "429", "503"}
	there = server.stored() - before
	run["dirty"] = bool(strange) or there < run["events"]["accepted"]
	run["reason"] = f"statuses {run['statuses']}, accepted {run['events']['accepted']}, stored {there}"
	return run


def applied_rate(run):
	"""Events per second that the rules saw while the load was on, by the server's own count."""
	first, *_, last = run["server"]["samples"]
	return (last["engineApplied"] - first["engineApplied"]) / (last["atUs"] - first["atUs"]) * 1e6


def flood_of_requests(session, table, server):
	add_main_rule(server)
	peak = session.bench(server, rate="max", connections=64, duration=max(round(session.settings.flood_s / 3), 1))
	run = offered(session, server, rate=round(OVERLOAD * peak["events"]["acceptedPerSecond"]), connections=512)
	record(table["14c"], "ours", run["events"]["acceptedPerSecond"], run)
	record(table["14c"], "peer", peak["events"]["acceptedPerSecond"], peak)
	note(table["14c"], f"of {run['requests']['planned']:,} planned requests {run['requests']['sent']:,} found a free connection")


MEASUREMENTS = [
	({10}, sealing),
	({13}, slow_disk),
	({14}, flood),
]
