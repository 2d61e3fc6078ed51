# SPDX-License-Identifier: Apache-2.0
"""The yardstick: the Node, Redis and PostgreSQL stack, copied, started and stopped by its own scripts."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from lib import box
from lib.http import Caller

PID_FILES = ("api", "worker", "redis", "pg")


class Peer:
	name = "peer"
	single_path, single_status = "/events", 202
	batch_path, batch_status = "/events/batch", 202
	ticket_path = "/auth/ws-ticket"

	def __init__(self, settings):
		self.settings = settings
		self.home = settings.work / "peer"
		self.data = settings.work / "peer-data"
		self.port, self.pg_port, self.redis_port = box.free_port(), box.free_port(), box.free_port()
		self.env = dict(os.environ, PEER_DATA=str(self.data), PORT=str(self.port), PGPORT_=str(self.pg_port),
			REDIS_PORT=str(self.redis_port), BASE=f"http://127.0.0.1:{self.port}", LIMIT_MS="120000")
		self.key = None

	def why_not(self):
		"""Why the peer cannot run here, or None. Copies and installs it on the way."""
		if not (self.settings.peer_source / "run.sh").exists():
			return "its source folder is not there (PEER_SRC names it)"
		if os.geteuid() != 0:
			return "its run.sh needs root for PostgreSQL's own user"
		if not all(p.stat().st_mode & 0o001 for p in self.settings.work.resolve().parents):
			return "PostgreSQL's user cannot enter the build folder"
		if not self.home.exists():
			shutil.copytree(self.settings.peer_source, self.home, ignore=shutil.ignore_patterns("node_modules"))
			for path in [self.home, *self.home.rglob("*")]:
				path.chmod(path.stat().st_mode | 0o200)
		done = self._run("./run.sh", DEPS_ONLY="1")
		return None if done.returncode == 0 else f"installing it failed: {done.stderr.strip()[-200:]}"

	def _begin(self, *command, cwd=None, **env):
		"""Output goes through files: the daemons that run.sh leaves behind would keep a pipe open."""
		with (self.settings.work / "peer-run.log").open("w") as out:
			return subprocess.Popen(command, cwd=cwd or self.home, env={**self.env, **env}, stdin=subprocess.DEVNULL,
				stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

	def _run(self, *command, cwd=None, **env):
		process = self._begin(*command, cwd=cwd, **env)
		status = process.wait()
		text = (self.settings.work / "peer-run.log").read_text()
		return subprocess.CompletedProcess(command, status, text, text)

	def start(self, worker=True):
		"""A fresh stack with a key of its own."""
		done = self._run("./run.sh", FRESH="1", **({} if worker else {"NO_WORKER": "1"}))
		if done.returncode != 0:
			raise RuntimeError(f"the peer did not start: {done.stderr.strip()[-300:]}")
		admin = Caller(self.port, {"x-admin-token": "dev-admin"})
		self.key = admin.post("/api-keys", {"name": "bench"})["key"]
		self.header = f"Authorization: Bearer {self.key}"
		self.caller = Caller(self.port, {"Authorization": f"Bearer {self.key}"})
		return self

	def launch(self):
		"""On the data that is there, and does not wait until it is up."""
		self.launching = self._begin("./run.sh")

	def wait_ready(self):
		if self.launching.wait() != 0:
			raise RuntimeError("the peer did not start again; see peer-run.log in build/bench")

	def stop(self):
		if self.home.exists():
			self._run("./stop.sh")

	def add_rule(self, event_type, threshold, window_s, cooldown_s, url=None):
		action = {"channel": "webhook", "config": {"url": url}} if url else {"channel": "in_app", "config": {}}
		self.caller.post("/rules", {"name": event_type, "eventType": event_type, "condition": "count_gte",
			"threshold": threshold, "windowSeconds": window_s, "cooldownSeconds": cooldown_s, "actions": [action]})

	def pids(self):
		files = [self.data / f"{name}.pid" for name in PID_FILES]
		return [int(f.read_text()) for f in files if f.exists()]

	def stored(self):
		"""Events in its database."""
		done = subprocess.run(["psql", "-qXAt", "-h", "127.0.0.1", "-p", str(self.pg_port), "-U", "signaldesk",
			"signaldesk", "-c", "select count(*) from events"], capture_output=True, text=True, check=True)
		return int(done.stdout)

	def drain(self, events):
		"""Starts the worker on the stored backlog; evaluated events per second by its own meter."""
		done = self._run("./drain.sh", str(events), "50", cwd=self.home / "bench", KEY=self.key)
		found = re.search(r"= (\d+) events/s left (\d+)", done.stdout)
		if not found:
			raise RuntimeError(f"the peer's drain.sh said: {done.stdout[-300:]}")
		return float(found[1]), int(found[2])
