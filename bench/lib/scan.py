# SPDX-License-Identifier: Apache-2.0
"""Going through all events of one project: a search that finds nothing, an export, and zstd -d of the same JSON."""
import http.client
import json
import re
import subprocess
import time

NEEDLE = "word-that-nobody-sent"
CHUNK = 1 << 20
# What an answer says of an event beyond what was sent, as far as the profile does not send it itself.
ADDED = re.compile(rb'"id":"evt_[^"]*",|,"(?:receivedAt|projectId|occurredAt)":"[^"]*"|,"kind":"event"'
	rb'|,"(?:severity|source|environment|message|value|fingerprint|idempotencyKey)":null|,"tags":\{\}')


def lines_of(server, key, path):
	"""The answer as it comes: pieces of bytes."""
	connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
	connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
	reply = connection.getresponse()
	if reply.status != 200:
		raise RuntimeError(f"GET {path} answered {reply.status}")
	while piece := reply.read(CHUNK):
		yield piece
	connection.close()


def search(server, key):
	"""Seconds, and bytes of the JSON that was looked at, by the server's own count."""
	begin = time.monotonic()
	text = b"".join(lines_of(server, key, f"/api/v1/events/search?q={NEEDLE}&limit=0"))
	taken = time.monotonic() - begin
	return taken, json.loads(text.splitlines()[-1])["done"]["bytes"]


def export(server, key, out):
	"""Seconds, and bytes of the answer, which goes into a file."""
	begin, size = time.monotonic(), 0
	for piece in lines_of(server, key, "/api/v1/events/export"):
		size += out.write(piece)
	return time.monotonic() - begin, size


def pack(exported, packed):
	"""Makes a zstd file of the events as they were sent out of an export; their bytes."""
	zstd = subprocess.Popen(["zstd", "-q", "-f", "-o", packed], stdin=subprocess.PIPE)
	size = 0
	with exported.open("rb") as lines, zstd.stdin as out:
		while piece := b"".join(lines.readlines(CHUNK)):
			size += out.write(ADDED.sub(b"", piece))
	if zstd.wait() != 0:
		raise RuntimeError("zstd failed")
	return size


def unpack(packed):
	"""Seconds that zstd needs to give the bytes back."""
	begin = time.monotonic()
	subprocess.run(["zstd", "-d", "-q", "-c", packed], stdout=subprocess.DEVNULL, check=True)
	return time.monotonic() - begin
