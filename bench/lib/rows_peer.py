# SPDX-License-Identifier: Apache-2.0
"""Rows 1 to 8, the comparison. Each function measures one round of one or several rows, both sides in turn."""
import time

from lib import box
from lib.report import Row
from lib.session import Sampler, in_turns, note, record
from lib.settings import (BATCH_PEER_NOTE, LATENCY_ITEM, QUIET_ITEM, RULE_COOLDOWN_S, RULE_THRESHOLD, RULE_TYPE,
	RULE_WINDOW_S)

APPLY_S = 120  # a backlog that is not evaluated by then counts as a failed run


def rows():
	return [
		Row("1", "single durable POST, 64 connections", "events/s", at_least=20),
		Row("1a", "the same, p99 of the reply", "ms", at_most=1),
		Row("1b", "our engine behind at the end", "s", limit=1),
		Row("2", "single POST against our own no-op", "requests/s", at_least=0.7),
		Row("3", "batches of 1,000", "events/s", at_least=30),
		Row("4", "stored backlog evaluated", "events/s", at_least=100),
		Row("5", "event to webhook at 50/s, p50", "ms", at_most=0.25),
		Row("5a", "event to webhook at 50/s, p99", "ms", at_most=0.25),
		Row("6", "memory (PSS) idle", "MB", at_most=0.125),
		Row("6a", "memory (PSS) under the load of row 1", "MB", at_most=0.125),
		Row("7", "engine CPU per event, 10,000 other rules against 10", "us", at_most=1.05),
		Row("8", "200 live clients, burst of 3,000 events", "frames/s", at_least=5),
	]


def add_main_rule(server):
	server.add_rule(RULE_TYPE, RULE_THRESHOLD, RULE_WINDOW_S, RULE_COOLDOWN_S)


def check_books(server, run, before=0):
	"""What was acked is what is stored, to the event: in the peer's table, in our counters."""
	acked, there = run["events_acked_in_all"], server.stored() - before
	if there != acked:
		run["dirty"], run["reason"] = True, f"acked {acked}, stored {there}"


def single(session, table, turn):
	"""Rows 1, 2 and 6: the same run gives throughput, latency, lag and memory."""
	s = session.settings
	for server in session.servers:
		with session.running(server):
			add_main_rule(server)
			time.sleep(s.idle_s)
			record(table["6"], server.name, box.pss_mb(server.pids()), {})
			if server.name == "ours" and turn % 2 == 1:
				noop(session, table, server)
			_single_load(session, table, server)
			if server.name == "ours" and turn % 2 == 0:
				noop(session, table, server)


def _single_load(session, table, server):
	s = session.settings
	before = server.stored()
	pids = server.pids()
	memory = Sampler(lambda: box.pss_mb(pids), [s.warm_s + s.single_s * part for part in (0.5, 0.8)])
	run = session.load_single(server, s.single_s)
	if server.name == "ours":
		behind = server.wait_applied(APPLY_S)
		record(table["1b"], "ours", APPLY_S if behind is None else behind, {})
		record(table["2"], "ours", run["requests_per_s"], run)
	check_books(server, run, before)
	record(table["1"], server.name, run["events_per_s"], run)
	record(table["1a"], server.name, run["reply_p99_us"] / 1000, run)
	record(table["6a"], server.name, max(memory.all()), {})


def noop(session, table, server):
	run = session.load_single(server, session.settings.single_s, path=server.noop_path)
	record(table["2"], "peer", run["requests_per_s"], run)
	note(table["2"], "the peer column holds our own no-op route: same key, body and reply, no journal")


def batches(session, table, _turn):
	"""Row 3."""
	s = session.settings
	for server in session.servers:
		with session.running(server):
			add_main_rule(server)
			before = server.stored()
			run = session.load_batches(server, seconds=s.batch_s, warm=s.warm_s)
			check_books(server, run)
			record(table["3"], server.name, run["events_per_s"], run)
	peer = session.side("peer")
	if peer:
		with session.running(peer, worker=False):
			run = session.load_batches(peer, seconds=s.batch_s, warm=s.warm_s)
			note(table["3"], BATCH_PEER_NOTE.format(run["events_per_s"]))


def backlog(session, table, _turn):
	"""Row 4."""
	for server in session.servers:
		measure = backlog_of_ours if server.name == "ours" else backlog_of_peer
		measure(session, table, server)


def backlog_of_peer(session, table, server):
	events = session.settings.peer_backlog
	with session.running(server, worker=False):
		add_main_rule(server)
		session.load_batches(server, count=events // 1000)
		rate, left = server.drain(events)
		record(table["4"], "peer", rate, {"dirty": left > 0, "reason": f"{left} left of {events}"})


def backlog_of_ours(session, table, server):
	run = held_backlog(session, server, 0)
	record(table["4"], "ours", run["events_per_s"], run)


def held_backlog(session, server, other_rules):
	"""Stores a backlog while the engine is held, lets it go, and measures until nothing is left. The rule on the
	events' own type, or as many rules on other types."""
	try:
		server.start()
		if other_rules == 0:
			add_main_rule(server)
		server.add_other_rules(session, other_rules)
		server.stop()
		server.start(fresh=False, hold=True)
		fill = session.load_batches(server, count=session.settings.backlog // 1000)
		box.wait_quiet(session.settings.quiet_wait_s)
		return _release(server, fill)
	finally:
		server.stop()


def _release(server, fill):
	before, begin = server.metrics(), time.monotonic()
	server.release()
	done = server.wait_applied(APPLY_S)
	taken = time.monotonic() - begin
	after = server.metrics()
	events = after["tocsin_engine_applied_total"] - before["tocsin_engine_applied_total"]
	cpu = after["tocsin_engine_cpu_seconds_total"] - before["tocsin_engine_cpu_seconds_total"]
	stored = fill["events_acked_in_all"]
	return {"events_per_s": events / taken, "seconds": taken, "events": events, "cpu_us_per_event": cpu * 1e6 / max(events, 1),
		"dirty": fill["dirty"] or done is None or events < stored, "reason": f"stored {stored}, applied {events:.0f}"}


def latency(session, table, _turn):
	"""Row 5."""
	for server in session.servers:
		with session.running(server):
			port = box.free_port()
			server.add_rule("latency_probe", 1, 60, 0, f"http://127.0.0.1:{port}/hook")
			run = session.tool("latency", server, LATENCY_ITEM, path=server.single_path, expect=server.single_status,
				listen=port, rate=50, count=session.settings.latency_events, warm=100)
			record(table["5"], server.name, run["hook_p50_us"] / 1000, run)
			record(table["5a"], server.name, run["hook_p99_us"] / 1000, run)


def many_rules(session, table, turn):
	"""Row 7: ours alone; the peer column holds the run with 10 rules."""
	ours, row = session.side("ours"), table["7"]
	if not ours:
		return
	for pair in range(session.settings.many_rules_pairs):
		for side, count in in_turns(turn + pair, session.settings.many_rules, 10):
			run = held_backlog(session, ours, count)
			record(row, side, run["cpu_us_per_event"], {"rules": count, **run})
	row.notes = [n for n in row.notes if not n.startswith("least")]
	note(row, "the peer column holds our own engine with 10 rules")
	note(row, f"least disturbed runs: {min(row.ours):.3f} us against {min(row.peer):.3f} us")


def fanout(session, table, _turn):
	"""Row 8."""
	for server in session.servers:
		with session.running(server):
			for _ in range(session.settings.bursts):
				run = session.tool("fanout", server, QUIET_ITEM, path=server.batch_path, expect=server.batch_status,
					ticket_path=server.ticket_path, mark='"c-', clients=200, events=3000, batch=500)
				record(table["8"], server.name, run["end_to_end_frames_per_s"], run)


MEASUREMENTS = [
	({1, 2, 6}, single),
	({3}, batches),
	({4}, backlog),
	({5}, latency),
	({7}, many_rules),
	({8}, fanout),
]
