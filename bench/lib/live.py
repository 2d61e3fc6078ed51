# SPDX-License-Identifier: Apache-2.0
"""Who writes events and who watches them live, in one process with one clock."""
import http.client
import json
import socket
import threading
import time

from lib.http import Caller


class Viewer(threading.Thread):
	"""Reads the live stream and notes when each event, and the notification that it fired, came in."""

	def __init__(self, server):
		super().__init__(daemon=True)
		connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
		connection.request("GET", "/api/v1/stream", headers={"Authorization": f"Bearer {server.key}"})
		self.socket = connection.sock
		self.reply = connection.getresponse()
		self.events, self.notifications = {}, {}
		self.connected = threading.Event()  # nothing is missed from here on

	def run(self):
		kind = b""
		try:
			for line in self.reply:
				if line.startswith(b"event: "):
					kind = line[7:].strip()
				elif kind == b"connected":
					self.connected.set()
				elif line.startswith(b"data: ") and kind in (b"event", b"notification"):
					self._note(kind, json.loads(line[6:]))
		except (OSError, http.client.HTTPException):
			pass  # it was closed

	def _note(self, kind, data):
		if kind == b"event":
			self.events[data["id"]] = time.monotonic()
		else:
			self.notifications[data["eventId"]] = time.monotonic()

	def close(self):
		self.socket.shutdown(socket.SHUT_RDWR)
		self.join()


class Writers:
	"""Post an event each at a steady pace, one request at a time on each connection."""

	def __init__(self, server, count, per_second, event_type):
		self.server, self.gap_s, self.body = server, count / per_second, {"type": event_type}
		self.acked = {}  # by id: when it was sent and when its answer came
		self.refused = 0
		self.over = threading.Event()
		self.threads = [threading.Thread(target=self._write, args=(n / count,), daemon=True) for n in range(count)]
		for thread in self.threads:
			thread.start()

	def _write(self, phase):
		caller = Caller(self.server.port, self.server.caller.headers)
		due = time.monotonic() + phase * self.gap_s
		while not self.over.wait(max(0.0, due - time.monotonic())):
			begin = time.monotonic()
			status, text = caller.request("POST", self.server.single_path, self.body)
			if status == self.server.single_status:
				self.acked[json.loads(text)["id"]] = (begin, time.monotonic())
			else:
				self.refused += 1
			due = max(due + self.gap_s, time.monotonic())

	def stop(self):
		self.over.set()
		for thread in self.threads:
			thread.join()
