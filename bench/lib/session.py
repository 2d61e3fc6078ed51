# SPDX-License-Identifier: Apache-2.0
"""One run of the whole comparison: the two servers, the measuring programs, and the rows they fill."""
import itertools
import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager

from lib import box
from lib.biglog import BigLog
from lib.ours import Ours
from lib.peer import Peer
from lib.settings import ITEM

# Above this share of one CPU the client, not the server, may be what is measured; the table says so.
CLIENT_SHARE_MAX = 0.9
# A run that began with less idle CPU than this met somebody else's work.
IDLE_ENOUGH = 0.9


class Session:
	def __init__(self, settings):
		self.settings = settings
		settings.work.mkdir(parents=True, exist_ok=True)
		self.servers = []
		self.skipped = {}
		self._seeds = itertools.count()
		self._logs = {}
		for server in (Ours(settings), Peer(settings)):
			reason = server.why_not() if server.name in settings.sides else "not asked for (SIDES)"
			if reason:
				self.skipped[server.name] = reason
			else:
				self.servers.append(server)

	def side(self, name):
		"""The server of that name, or None when it is skipped."""
		return next((s for s in self.servers if s.name == name), None)

	def log(self, sealed):
		"""A large log of ours, made at its first use; None when our side is skipped, or the disk is too small."""
		if sealed not in self._logs and self.side("ours"):
			log = BigLog(self, sealed)
			reason = log.why_not()
			if reason:
				self.skipped["large logs"] = reason
			self._logs[sealed] = None if reason else log.make()
		return self._logs.get(sealed)

	def close(self):
		for log in filter(None, self._logs.values()):
			log.remove()

	@contextmanager
	def running(self, server, **how):
		"""Only one server runs at a time: the other would take part of the two cores."""
		try:
			yield server.start(**how)
		finally:
			server.stop()

	def seed(self):
		"""Keys must be new in every run, also against data of an earlier one."""
		return f"{os.getpid():x}-{time.time_ns() // 1000000:x}-{next(self._seeds)}"

	def _wait_quiet(self):
		return box.wait_quiet(self.settings.quiet_wait_s, IDLE_ENOUGH)

	def bench(self, server, keys=None, quiet=True, **options):
		"""Load by our own `tocsin bench events`; its JSON. What was not clean is for the caller to judge."""
		command = [str(server.program), "bench", "events", "--to", f"http://127.0.0.1:{server.port}", "--json"]
		for key in keys or [server.key]:
			command += ["--key", key]
		for option, value in options.items():
			command += ["--" + option.replace("_", "-"), str(value)]
		idle = self._wait_quiet() if quiet else 1
		done = subprocess.run(command, capture_output=True, text=True, check=False)
		if not done.stdout:
			raise RuntimeError(f"tocsin bench: {done.stderr.strip()}")
		run = json.loads(done.stdout)
		# What it sees while it waits for the rules is many lines that nobody asks for.
		run["server"]["samples"] = [s for s in run["server"]["samples"] if s["atUs"] <= run["seconds"] * 1e6 + 1e5]
		return {**run, "idle_before": round(idle, 2)}

	def tool(self, name, server, item, quiet=True, **options):
		"""Runs one measuring program against a server, on a quiet machine unless others are to be at work; its JSON."""
		command = [str(self.settings.work / f"bench_{name}"), "--to", f"127.0.0.1:{server.port}", "--header",
			server.header, "--item", item, "--seed", self.seed()]
		for option, value in options.items():
			command += ["--" + option.replace("_", "-"), str(value)]
		idle = self._wait_quiet() if quiet else 1
		cpu, begin = box.cpu_seconds(server.pids()), time.monotonic()
		done = subprocess.run(command, capture_output=True, text=True, check=False)
		if done.returncode != 0:
			raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")
		result = json.loads(done.stdout)
		result["server_cpu_share"] = round((box.cpu_seconds(server.pids()) - cpu) / (time.monotonic() - begin), 3)
		result["idle_before"] = round(idle, 2)
		return result

	def load_single(self, server, seconds, path=None):
		return self.tool("load", server, ITEM, path=path or server.single_path,
			expect=server.single_status, connections=64, seconds=seconds, warm=self.settings.warm_s)

	def load_batches(self, server, **how):
		return self.tool("load", server, ITEM, path=server.batch_path, expect=server.batch_status,
			batch=1000, connections=8, expect_body='"accepted":1000', **how)


def record(row, side, value, run):
	"""Adds the value of one run to a row, with what casts doubt on it."""
	getattr(row, side).append(value)
	row.runs.append({"side": side, **run})
	if run.get("dirty"):
		row.dirty.append(f"{side}: {doubts(run)}")
	if run.get("client_cpu_share", 0) > CLIENT_SHARE_MAX:
		note(row, f"{side}: the client used {run['client_cpu_share']:.0%} of a CPU, so the server may be faster")
	if run.get("idle_before", 1) < IDLE_ENOUGH:
		note(row, f"{side}: a run began on a busy machine ({run['idle_before']:.0%} idle)")


def doubts(run):
	keys = ("statuses", "unexpected", "unanswered", "left_open", "missing", "repeated", "lost", "bad_replies", "seen_once_by_first",
		"per_client_min", "per_client_max", "reason")
	return ", ".join(f"{k} {run[k]}" for k in keys if k in run)


def in_turns(turn, ours, peer):
	"""What is measured for both columns, the other one first in every second round."""
	sides = [("ours", ours), ("peer", peer)]
	return sides if turn % 2 == 0 else sides[::-1]


def note(row, text):
	if text not in row.notes:
		row.notes.append(text)


class Sampler(threading.Thread):
	"""Reads something of a server at a few times of a run: often enough for a level, too seldom to disturb it."""

	def __init__(self, read, times_s):
		super().__init__(daemon=True)
		self.read, self.times_s, self.values = read, list(times_s), []
		self.start()

	def run(self):
		begin = time.monotonic()
		for at in self.times_s:
			time.sleep(max(0.0, begin + at - time.monotonic()))
			self.values.append(self.read())

	def all(self):
		"""Every value, when the last was read."""
		self.join()
		return self.values
