#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the measuring programs against a tiny server that counts too, and compares what both counted.

Usage: selftest.py FOLDER, the folder that holds bench_load, bench_latency and bench_fanout.
"""
import asyncio
import json
import socket
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib.http import parse_metrics
from lib.report import Row, markdown, text_table
from lib.session import in_turns, record
from lib.settings import ROWS, from_environment
from lib.table import all_rows, measurements

ITEM = '{"type":"t","metadata":{"n":"{seed}-{n}","u":"u{u}","a":{a}.5},"idempotencyKey":"{seed}-{n}"}'
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 503: "Service Unavailable"}


def frame(event):
	"""A text frame of 256 bytes that repeats the event's key."""
	return b"\x81\x7e\x01\x00" + event["idempotencyKey"].encode().ljust(256, b"x")


class TinyServer:
	"""Counts requests and keys; answers plainly, in chunks or with an error, as the path says."""

	def __init__(self):
		self.keys = []
		self.requests = 0
		self.viewers = []
		self.hook_port = None
		self.hooks = asyncio.Queue()

	async def start(self):
		self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
		self.port = self.server.sockets[0].getsockname()[1]

	async def serve(self, reader, writer):
		try:
			while True:
				head = (await reader.readuntil(b"\r\n\r\n")).decode()
				if "Upgrade: websocket" in head:
					await self.upgrade(writer)
					await reader.read()
					return
				length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
				body = await reader.readexactly(length)
				path = head.split(" ")[1]
				await self.answer(writer, path, body)
				if path == "/close":
					return
		except (asyncio.IncompleteReadError, ConnectionError):
			pass
		finally:
			writer.close()

	async def upgrade(self, writer):
		writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello")
		self.viewers.append(writer)

	async def answer(self, writer, path, body):
		self.requests += 1
		events = self.remember(body)
		if path == "/mixed" and self.requests % 10 == 0:
			return self.reply(writer, 503, b'{"error":"busy"}')
		if path == "/chunked":
			return self.chunked(writer, 202, b'{"accepted":%d,"id":"x"}' % len(events))
		if path == "/close":
			return self.reply(writer, 202, b"{}", "Connection: close\r\n")
		if path == "/ticket":
			return self.reply(writer, 200, b'{"ticket":"abc"}')
		if path == "/hook":
			await self.hooks.put(body)
		if path == "/feed":
			for viewer in self.viewers:
				viewer.write(b"".join(frame(e) for e in events))
		self.reply(writer, 202, b'{"accepted":%d}' % len(events))

	def remember(self, body):
		if not body:
			return []
		data = json.loads(body)
		events = data["events"] if "events" in data else [data]
		self.keys += [e["idempotencyKey"] for e in events]
		return events

	def reply(self, writer, status, body, more=""):
		head = f"HTTP/1.1 {status} {REASONS[status]}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
		writer.write(head.encode() + body)

	def chunked(self, writer, status, body):
		head = f"HTTP/1.1 {status} {REASONS[status]}\r\nTransfer-Encoding: chunked\r\n\r\n"
		parts = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:3], body[3:]))
		writer.write(head.encode() + parts + b"0\r\n\r\n")

	async def send_hooks(self):
		"""Passes every event on to the receiver, over one kept connection."""
		reader = writer = None
		while True:
			body = await self.hooks.get()
			if writer is None:
				reader, writer = await asyncio.open_connection("127.0.0.1", self.hook_port)
			body = b'{"alert":' + body + b"}"
			writer.write(b"POST /h HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
			await reader.readuntil(b"\r\n\r\n")


async def run(folder, server, tool, *args):
	"""Starts one program against the server and returns its JSON."""
	command = [str(folder / tool), "--to", f"127.0.0.1:{server.port}", "--item", ITEM, *map(str, args)]
	process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
	out, _ = await process.communicate()
	assert process.returncode == 0, f"{tool} ended with {process.returncode}"
	return json.loads(out)


def check(what, got, want):
	assert got == want, f"{what}: got {got!r}, want {want!r}"


async def counts_single_requests(folder, server):
	for path in ("/plain", "/chunked", "/close"):
		server.keys, server.requests = [], 0
		r = await run(folder, server, "bench_load", "--path", path, "--count", 500, "--connections", 8, "--seed", path)
		check(path + " requests", (r["requests"], r["events"], server.requests), (500, 500, 500))
		check(path + " keys", len(set(server.keys)), 500)
		check(path + " statuses", (r["statuses"], r["unexpected"], r["dirty"]), ({"202": 500}, 0, False))
		assert 0 < r["reply_p50_us"] <= r["reply_p99_us"] <= r["reply_max_us"], r


async def counts_batches(folder, server):
	server.keys = []
	r = await run(folder, server, "bench_load", "--path", "/chunked", "--count", 20, "--batch", 50, "--connections", 2,
		"--expect-body", '"accepted":50')
	check("batch events", (r["requests"], r["events"], r["dirty"]), (20, 1000, False))
	check("batch keys", len(set(server.keys)), 1000)
	r = await run(folder, server, "bench_load", "--path", "/chunked", "--count", 4, "--batch", 50, "--connections", 2,
		"--expect-body", '"accepted":51')
	check("a wrong body", (r["events"], r["unexpected"], r["dirty"]), (0, 4, True))


async def notices_other_statuses(folder, server):
	server.requests = 0
	r = await run(folder, server, "bench_load", "--path", "/mixed", "--count", 100, "--connections", 4)
	check("mixed", (r["statuses"], r["unexpected"], r["dirty"]), ({"202": 90, "503": 10}, 10, True))


async def measures_for_a_time_after_warming(folder, server):
	server.requests = 0
	r = await run(folder, server, "bench_load", "--path", "/plain", "--seconds", 0.3, "--warm", 0.1, "--connections", 4)
	check("all acked are known", r["events_acked_in_all"], server.requests)
	assert r["events"] < server.requests and 0.3 <= r["seconds"] < 2, r
	r = await run(folder, server, "bench_load", "--path", "/plain", "--count", 40, "--rate", 400, "--connections", 4)
	check("paced", (r["requests"], r["dirty"]), (40, False))
	assert r["seconds"] >= 39 / 400, r


async def notices_a_server_that_is_gone(folder, server):
	with socket.socket() as taken:
		taken.bind(("127.0.0.1", 0))
		address = f"127.0.0.1:{taken.getsockname()[1]}"
		process = await asyncio.create_subprocess_exec(str(folder / "bench_load"), "--to", address, "--count", "1",
			stderr=asyncio.subprocess.PIPE)
		_, text = await process.communicate()
	check("exit without a server", process.returncode, 2)
	assert b"connect" in text, text


async def finds_every_webhook(folder, server):
	with socket.socket() as free:
		free.bind(("127.0.0.1", 0))
		server.hook_port = free.getsockname()[1]
	sender = asyncio.create_task(server.send_hooks())
	r = await run(folder, server, "bench_latency", "--path", "/hook", "--listen", server.hook_port, "--count", 50,
		"--warm", 5, "--rate", 500)
	check("hooks", (r["sent"], r["hooks"], r["missing"], r["repeated"], r["dirty"]), (55, 55, 0, 0, False))
	check("accepted", r["statuses"], {"202": 50})
	assert 0 < r["hook_p50_us"] <= r["hook_p99_us"], r
	sender.cancel()


async def counts_frames(folder, server):
	r = await run(folder, server, "bench_fanout", "--path", "/feed", "--ticket-path", "/ticket", "--clients", 10,
		"--events", 200, "--batch", 50, "--seed", "f", "--mark", "f-")
	check("frames", (r["frames"], r["per_client_min"], r["per_client_max"], r["dirty"]), (2000, 200, 200, False))
	check("bytes", (r["bytes"], r["seen_once_by_first"]), (2000 * 260, 200))
	server.viewers = []
	r = await run(folder, server, "bench_fanout", "--path", "/feed", "--ticket-path", "/ticket", "--clients", 2,
		"--events", 50, "--batch", 50, "--seed", "f", "--mark", "other-")
	check("strange frames", (r["frames"], r["seen_once_by_first"], r["dirty"]), (100, 0, True))


def judges_rows_by_their_medians():
	more = Row("1", "rate", "events/s", at_least=20, ours=[2000, 2100, 100], peer=[100, 90, 5000])
	check("a ratio of medians", (more.ratio(), more.verdict()), (20, "ok"))
	less = Row("6", "memory", "MB", at_most=0.125, ours=[13], peer=[100])
	check("too much", less.verdict(), "missed")
	check("not measured", Row("3", "rate", "events/s", at_least=30, ours=[1]).verdict(), "skipped")
	slow = Row("13a", "p99", "ms", within=20, ours=[52, 21, 1], peer=[1.5, 2, 90])
	check("19 more of the medians", (slow.verdict(), slow.target(), slow.number), ("ok", "< +20 ms", 13))
	slow.ours = [52, 23, 1]
	check("21 more of the medians", slow.verdict(), "missed")
	late = Row("1b", "behind", "s", limit=1, ours=[0.1, 1.5])
	check("the worst round counts against a limit", late.verdict(), "missed")
	record(more, "ours", 2000, {"dirty": True, "statuses": {"503": 1}})
	check("one dirty run", more.verdict(), "dirty")
	result = {"when": "now", "revision": "r", "rounds": 3, "quick": False, "rows": [more.as_json(), less.as_json()],
		"machine": {"cpus": 2, "cpu": "c", "memory_gb": 1, "kernel": "k", "flush_us": {"p50": 1, "p99": 2}}}
	assert "| 6 | memory | MB | 13 | 100 | 0.13x | <= 0.125x | missed |" in markdown(result), markdown(result)
	assert text_table(result["rows"]).count("\n") == 2


def every_row_is_measured():
	rows, filled = all_rows(), set()
	for numbers, _ in measurements():
		assert not numbers & filled, numbers
		filled |= numbers
	check("rows and what measures them", {row.number for row in rows.values()}, filled)
	check("numbers that may be asked for", filled, set(ROWS))
	for row in rows.values():
		goals = [goal for goal in (row.at_least, row.at_most, row.within, row.limit) if goal is not None]
		check(f"goals of row {row.id}", len(goals), 1)


def settings_choose_rows_and_sizes():
	usual, quick, full = (from_environment({name: "1", "ROWS": "9,12"}) for name in ("ROUNDS", "QUICK", "BENCH_FULL"))
	check("rows", (usual.rows, from_environment({}).rows), ({9, 12}, set(ROWS)))
	assert quick.log_events < usual.log_events < full.log_events
	check("full results lie apart", usual.result == full.result, False)


def both_columns_come_first_in_turn():
	check("an even round", in_turns(0, 1, 2), [("ours", 1), ("peer", 2)])
	check("an odd round", in_turns(1, 1, 2), [("peer", 2), ("ours", 1)])


def reads_metrics():
	sums = parse_metrics('# HELP a x\na{b="c"} 1\na{b="d d"} 2.5\ne 7\n')
	check("metrics", (sums["a"], sums['a{b="d d"}'], sums["e"]), (3.5, 2.5, 7.0))


async def main():
	judges_rows_by_their_medians()
	every_row_is_measured()
	settings_choose_rows_and_sizes()
	both_columns_come_first_in_turn()
	reads_metrics()
	folder = Path(sys.argv[1])
	for test in (counts_single_requests, counts_batches, notices_other_statuses, measures_for_a_time_after_warming,
			notices_a_server_that_is_gone, finds_every_webhook, counts_frames):
		server = TinyServer()
		await server.start()
		await test(folder, server)
		server.server.close()
		print("ok", test.__name__)


asyncio.run(main())
