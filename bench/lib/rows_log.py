# SPDX-License-Identifier: Apache-2.0
"""Rows 9, 11 and 12: what a large log takes on disk, how a server starts on it, how fast it is read."""
import statistics
import threading
import time

from lib import box, scan
from lib.biglog import LOAD
from lib.report import Row
from lib.session import note, record

PAGE = 100
SCANS = 3  # in each round
COLD_S = 120  # a start that takes longer is a failed run
CRASH_AFTER_S = 2


def rows():
	return [
		Row("9", "bytes on disk when sealed, against the events' JSON", "MB", at_most=0.25),
		Row("11", "cold start on a sealed log, to the first accepted event", "ms", at_most=1),
		Row("11a", "the same after kill -9", "ms", at_most=1),
		Row("11b", "cold start on a log that is not sealed", "ms", at_most=1),
		Row("11c", "the same after kill -9", "ms", at_most=1),
		Row("12", "last 100 events of one of 50 projects, median", "ms", limit=5),
		Row("12a", "searching all events of one project, against zstd -d of their JSON", "MB/s", at_least=0.4),
	]


def sealed_size(session, table, turn):
	"""Row 9: once a run, because the same events take the same room."""
	log = session.log(sealed=True)
	if turn > 0 or log is None:
		return
	with log.up() as server:
		metrics = server.metrics()
	_, on_disk = box.folder_bytes(log.server.data / "journal", "*.sealed")
	sealed, each = metrics["tocsin_journal_sealed_records"], log.json_bytes / log.events
	record(table["9"], "ours", on_disk / 1e6, log.facts())
	record(table["9"], "peer", sealed * each / 1e6, {})
	note(table["9"], f"the peer column holds the JSON of the same events as it was sent, {each:.0f} bytes each on average; "
		f"sealed are {sealed:,.0f} of {log.events:,} events")


def first_accepted(server):
	"""Seconds until a server that was just launched accepts an event, asked again and again."""
	begin = time.monotonic()
	while time.monotonic() - begin < COLD_S:
		try:
			if server.caller.request("POST", server.single_path, {"type": "cold_start"})[0] == server.single_status:
				return time.monotonic() - begin
		except OSError:
			pass
		time.sleep(0.002)
	return None


def cold_start(session, row, side, server):
	"""Starts a server on its data, which the kernel has forgotten, and leaves it running."""
	box.forget(server.data)
	box.wait_quiet(session.settings.quiet_wait_s)
	server.launch()
	taken = first_accepted(server)
	server.wait_ready()
	record(row, side, (COLD_S if taken is None else taken) * 1000, {"dirty": taken is None, "reason": "did not start"})


def crash(session, log):
	"""Ends the server in the middle of a load."""
	load = threading.Thread(target=session.bench, args=(log.server, log.keys),
		kwargs={"quiet": False, "duration": CRASH_AFTER_S + 1, "drain": 0, "timeout": 1, **LOAD})
	load.start()
	time.sleep(CRASH_AFTER_S)
	log.server.kill()
	load.join()


def start_on(session, table, sealed, clean_id, crash_id):
	log = session.log(sealed)
	if log is None:
		return
	try:
		cold_start(session, table[clean_id], "ours", log.server)
		crash(session, log)
		cold_start(session, table[crash_id], "ours", log.server)
		log.server.wait_applied(COLD_S)
	finally:
		log.server.stop()
	raw = "sealed" if sealed else "as they came"
	note(table[clean_id], f"{log.events:,} events, {log.json_bytes / 1e6:,.0f} MB of JSON, {raw}; the peer column is the "
		"same in rows 11 to 11c: its whole stack on almost no data")


def starting(session, table, turn):
	"""Rows 11: ours on its logs, the peer on what one start leaves behind."""
	start_on(session, table, True, "11", "11a")
	start_on(session, table, False, "11b", "11c")
	peer = session.side("peer")
	if peer:
		try:
			if turn == 0:
				peer.start()
				peer.stop()
			cold_start(session, table["11"], "peer", peer)
		finally:
			peer.stop()
		for row in ("11a", "11b", "11c"):
			record(table[row], "peer", table["11"].peer[-1], {})


def reading(session, table, _turn):
	"""Rows 12."""
	log = session.log(sealed=True)
	if log is None:
		return
	with log.up():
		record(table["12"], "ours", *last_events(session, log))
		scan_all(session, table["12a"], log)
	note(table["12"], f"{log.events:,} events; each project in turn, through HTTP, a connection for each")


def last_events(session, log):
	"""The newest page of each project, again and again; the median in ms, and the run."""
	callers, taken, short = log.callers(), [], 0
	box.wait_quiet(session.settings.quiet_wait_s)
	for n in range(session.settings.lookups):
		begin = time.monotonic()
		status, text = callers[n % len(callers)].request("GET", f"/api/v1/events?limit={PAGE}")
		taken.append((time.monotonic() - begin) * 1000)
		short += status != 200 or text.count('"receivedAt":') != PAGE
	taken.sort()
	median = statistics.median(taken)
	return median, {**log.facts(), "page_p50_ms": median, "page_p99_ms": taken[len(taken) * 99 // 100], "page_max_ms": taken[-1],
		"dirty": short > 0 or bool(log.dirty), "reason": f"{short} pages were not whole; {log.dirty}"}


def scan_all(session, row, log):
	"""Row 12a: the largest project, all of it, against zstd on the JSON of the same events."""
	pack_project(session, row, log)
	searched, unpacked = [], []
	box.wait_quiet(session.settings.quiet_wait_s)
	for _ in range(SCANS):
		seconds, size = scan.search(log.server, log.keys[0])
		searched.append(size / 1e6 / seconds)
		unpacked.append(log.packed_bytes / 1e6 / scan.unpack(log.packed))
	# What is compared has to be the same, but for the numbers of a few events.
	wrong = abs(size / log.packed_bytes - 1) > 0.05
	record(row, "ours", statistics.median(searched), {"searched_bytes": size, "mb_per_s": searched, "dirty": wrong,
		"reason": f"{size} bytes searched, {log.packed_bytes} packed"})
	record(row, "peer", statistics.median(unpacked), {"mb_per_s": unpacked})


def pack_project(session, row, log):
	"""Once a run: the events of a project as zstd has them. The export that they come from is measured on the way."""
	if log.packed_bytes:
		return
	exported = session.settings.work / "export.json"
	with exported.open("wb") as out:
		seconds, size = scan.export(log.server, log.keys[0], out)
	log.packed_bytes = scan.pack(exported, log.packed)
	exported.unlink()
	note(row, f"{log.packed_bytes / 1e6:.0f} MB of JSON, zstd -3 in the peer column; the export of the same events took "
		f"{seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s of its own JSON")


MEASUREMENTS = [
	({9}, sealed_size),
	({11}, starting),
	({12}, reading),
]
