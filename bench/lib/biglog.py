# SPDX-License-Identifier: Apache-2.0
"""Large logs of realistic events of many projects: made once a run, read by several rows, removed at the end."""
import os
import shutil

from lib.http import Caller
from lib.ours import Ours

CHUNK_S_MAX = 60
WAIT_S = 600  # for rules and sealing to be done with a log
EVENT_BYTES = 1500  # of disk for each: not sealed yet, sealed, and room to spare
# Small enough that neighbours in the log are of different projects, as they are in life.
LOAD = {"rate": "max", "batch": 20, "connections": 32, "profile": "mixed"}


class BigLog:
	def __init__(self, session, sealed):
		self.session = session
		self.sealed = sealed
		self.server = Ours(session.settings, "log-sealed" if sealed else "log-plain")
		self.wanted = session.settings.log_events if sealed else session.settings.plain_events
		self.keys = []
		self.events = 0
		self.json_bytes = 0  # of the events as they were sent
		self.packed = self.server.data.with_suffix(".zst")  # one project's events, to compare with
		self.packed_bytes = 0  # of their JSON, once they are
		self.dirty = []

	def why_not(self):
		"""Why it cannot be made here, or None."""
		need = self.wanted * EVENT_BYTES
		free = shutil.disk_usage(self.session.settings.work).free
		return None if free > need else f"a large log needs {need >> 20} MB of disk, {free >> 20} MB are free"

	def make(self):
		"""Leaves the server stopped."""
		try:
			self.server.start(args=["--seal", "true" if self.sealed else "false"])
			self.keys = self.server.projects(self.session.settings.projects)
			# A rule of the first project, so that there are windows to remember.
			self.server.use_key(self.keys[0])
			self.server.add_rule("http.error", 20, 300, 60)
			seconds = 1
			while self.events < self.wanted:
				rate = self._load(seconds)
				seconds = min(max(round((self.wanted - self.events) / rate), 1), CHUNK_S_MAX)
			if self.server.wait_applied(WAIT_S) is None or not self.server.wait_sealed(WAIT_S):
				self.dirty.append("rules or sealing were not done in time")
		finally:
			self.server.stop()
		return self

	def _load(self, seconds):
		run = self.session.bench(self.server, self.keys, duration=seconds, **LOAD)
		if not run["clean"]:
			self.dirty.append(f"statuses {run['statuses']}")
		self.events += run["events"]["accepted"]
		self.json_bytes += run["bytes"]["events"]
		return run["events"]["acceptedPerSecond"]

	def facts(self):
		"""What a run on this log has to say of it, with what casts doubt on it."""
		return {"log_events": self.events, "log_json_bytes": self.json_bytes, "dirty": bool(self.dirty),
			"reason": "; ".join(self.dirty)}

	def up(self):
		"""The server on this log, as a context."""
		return self.session.running(self.server, fresh=False, args=self.server.args)

	def callers(self):
		"""A connection for each project."""
		return [Caller(self.server.port, {"Authorization": f"Bearer {key}"}) for key in self.keys]

	def remove(self):
		self.packed.unlink(missing_ok=True)
		if not os.environ.get("KEEP"):
			shutil.rmtree(self.server.data, ignore_errors=True)
