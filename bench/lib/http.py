# SPDX-License-Identifier: Apache-2.0
"""JSON calls and metrics over one kept connection: set-up and polling, never load."""
import http.client
import json


class Caller:
	def __init__(self, port, headers=None):
		self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
		self.headers = dict(headers or {})

	def request(self, method, path, body=None):
		"""Status and text of the reply; connects again when the server has closed in between."""
		data = None if body is None else json.dumps(body)
		headers = dict(self.headers)
		if data is not None:
			headers["Content-Type"] = "application/json"
		try:
			self.connection.request(method, path, data, headers)
			reply = self.connection.getresponse()
		except (http.client.HTTPException, ConnectionError):
			self.connection.close()
			self.connection.request(method, path, data, headers)
			reply = self.connection.getresponse()
		return reply.status, reply.read().decode()

	def post(self, path, body):
		status, text = self.request("POST", path, body)
		if status not in (200, 201):
			raise RuntimeError(f"POST {path} answered {status}: {text[:300]}")
		return json.loads(text)

	def metrics(self):
		"""Every series by name and labels, and the sum over all labels by name."""
		status, text = self.request("GET", "/metrics")
		if status != 200:
			raise RuntimeError(f"GET /metrics answered {status}: {text[:300]}")
		return parse_metrics(text)


def parse_metrics(text):
	sums = {}
	for line in text.splitlines():
		if line and not line.startswith("#"):
			series, _, value = line.rpartition(" ")
			name = series.split("{")[0]
			sums[name] = sums.get(name, 0.0) + float(value)
			if series != name:
				sums[series] = float(value)
	return sums
