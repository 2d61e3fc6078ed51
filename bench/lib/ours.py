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
SEAL_REST_S = 4  # a closed segment is noticed and sealed well within this


class Ours:
	name = "ours"
	single_path, single_status = "/api/v1/events", 201
	batch_path, batch_status = "/api/v1/events", 200
	noop_path = "/api/v1/noop"
	ticket_path = "/api/v1/stream/tickets"

	def __init__(self, settings, folder="data"):
		self.settings = settings
		self.program = settings.build / "tocsin"
		self.data = settings.work / folder
		self.port = box.free_port()
		self.process = None
		self.args, self.env = [], {}

	def why_not(self):
		return None if self.program.exists() else f"{self.program.name} is not built"

	def start(self, fresh=True, hold=False, args=(), env=None):
		"""With hold the engine waits for release(), so that a backlog can be stored before it."""
		self.args, self.env = list(args), dict(env or {})
		if fresh:
			shutil.rmtree(self.data, ignore_errors=True)
		if hold:
			self.env["TOCSIN_BENCH_HOLD_ENGINE"] = "1"
		self.launch()
		self.wait_ready()
		if fresh:
			self.use_key(Caller(self.port).post("/api-keys", {"name": "bench"})["key"])
		return self

	def use_key(self, key):
		self.key = key
		self.header = f"Authorization: Bearer {key}"
		self.caller = Caller(self.port, {"Authorization": f"Bearer {key}"})

	def launch(self):
		"""As it was started last, on the data that is there, and does not wait until it is up."""
		env = {**os.environ, "TOCSIN_BENCH_NOOP": "1", **self.env}
		with (self.settings.work / "tocsin.log").open("a") as log:
			self.process = subprocess.Popen([str(self.program), "serve", "--data", str(self.data), "--listen",
				f"127.0.0.1:{self.port}", "--allow-private-targets", "loopback", *self.args], env=env,
				stdin=subprocess.DEVNULL, stdout=log, stderr=log)

	def wait_ready(self):
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

	def kill(self):
		"""As a crash would end it."""
		self.process.kill()
		self.process.wait()
		self.process = None

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

	def projects(self, count):
		"""Makes projects of one organization; their keys."""
		keys = [f"bench-{n:03}-of-one-organization" for n in range(count)]
		for n, key in enumerate(keys):
			subprocess.run([str(self.program), "seed", "--data", str(self.data), "--org", "bench", "--project", f"p{n:03}",
				"--key", key], check=True, capture_output=True)
		return keys

	def unsealed(self):
		"""How many segments of the log are not sealed, the one ahead of its use counted in, and their bytes."""
		return box.folder_bytes(self.data / "journal", "*.seg")

	def wait_sealed(self, limit_s):
		"""Waits until nothing more becomes sealed; whether that was in time."""
		end, last, since = time.monotonic() + limit_s, None, 0
		while time.monotonic() < end:
			now = [box.folder_bytes(self.data / "journal", pattern) for pattern in ("*.sealed", "*.tmp")]
			if now != last:
				last, since = now, time.monotonic()
			elif time.monotonic() - since > SEAL_REST_S:
				return True
			time.sleep(0.1)
		return False

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
