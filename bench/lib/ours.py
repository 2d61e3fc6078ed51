# SPDX-License-Identifier: Apache-2.0
"""Tocsin under measurement: start, key, rules, engine switches and metrics."""
import os
import shutil
import signal
import subprocess
import time

from lib import box
from lib.http import Caller

START_S = 20
STOP_S = 20


class Ours:
	name = "ours"
	single_path, single_status = "/api/v1/events", 201
	batch_path, batch_status = "/api/v1/events", 200
	noop_path = "/api/v1/noop"
	ticket_path = "/api/v1/stream/tickets"

	def __init__(self, settings):
		self.settings = settings
		self.program = settings.build / "tocsin"
		self.data = settings.work / "data"
		self.port = box.free_port()
		self.process = None

	def why_not(self):
		return None if self.program.exists() else f"{self.program.name} is not built"

	def start(self, fresh=True, hold=False):
		"""With hold the engine waits for release(), so that a backlog can be stored before it."""
		if fresh:
			shutil.rmtree(self.data, ignore_errors=True)
		env = dict(os.environ, TOCSIN_BENCH_NOOP="1")
		if hold:
			env["TOCSIN_BENCH_HOLD_ENGINE"] = "1"
		with (self.settings.work / "tocsin.log").open("a") as log:
			self.process = subprocess.Popen([str(self.program), "serve", "--data", str(self.data), "--listen",
				f"127.0.0.1:{self.port}", "--allow-private-targets", "loopback"], env=env, stdin=subprocess.DEVNULL,
				stdout=log, stderr=log)
		self._wait_ready()
		if fresh:
			self.key = Caller(self.port).post("/api-keys", {"name": "bench"})["key"]
			self.header = f"Authorization: Bearer {self.key}"
		self.caller = Caller(self.port, {"Authorization": f"Bearer {self.key}"})
		return self

	def _wait_ready(self):
		end = time.monotonic() + START_S
		while time.monotonic() < end:
			if self.process.poll() is not None:
				raise RuntimeError(f"tocsin ended with {self.process.returncode}; see tocsin.log in build/bench")
			try:
				if Caller(self.port).request("GET", "/health")[0] == 200:
					return
			except OSError:
				pass
			time.sleep(0.01)
		raise RuntimeError(f"tocsin was not up after {START_S} s")

	def stop(self):
		if self.process is None:
			return
		self.process.terminate()
		try:
			self.process.wait(STOP_S)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()
		self.process = None

	def add_rule(self, event_type, threshold, window_s, cooldown_s, url=None):
		action = {"channel": "webhook", "config": {"url": url}} if url else {"channel": "in_app", "config": {}}
		self.caller.post("/rules", {"name": event_type, "eventType": event_type, "condition": "count_gte",
			"threshold": threshold, "windowSeconds": window_s, "cooldownSeconds": cooldown_s, "actions": [action]})

	def add_other_rules(self, session, count):
		"""Rules that no event of the runs matches, over many connections because each waits for a flush."""
		if count > 0:
			rule = ('{"name":"other {n}","eventType":"other_{n}","condition":"count_gte","threshold":5,"windowSeconds":60,'
				'"cooldownSeconds":120,"actions":[{"channel":"in_app","config":{}}]}')
			made = session.tool("load", self, rule, path="/rules", expect=201, count=count, connections=min(count, 16))
			if made["dirty"]:
				raise RuntimeError(f"making {count} rules: {made['statuses']}")

	def pids(self):
		return [self.process.pid]

	def metrics(self):
		return self.caller.metrics()

	def lag(self):
		return self.metrics()["tocsin_engine_lag_records"]

	def stored(self):
		"""Events that it says it has stored since it was started."""
		return int(self.metrics()['tocsin_ingest_events_total{outcome="stored"}'])

	def wait_applied(self, limit_s):
		"""Polls every 10 ms until the engine has applied everything; seconds taken, or None."""
		begin = time.monotonic()
		while time.monotonic() - begin < limit_s:
			if self.lag() == 0:
				return time.monotonic() - begin
			time.sleep(0.01)
		return None

	def release(self):
		"""Lets a held engine go."""
		self.process.send_signal(signal.SIGUSR1)
