# SPDX-License-Identifier: Apache-2.0
"""A disk whose flushes take their time: the shim of the scenarios, test/shim/disk.c, under a real server."""
import struct
import subprocess

from lib.settings import ROOT

ORDERS_BYTES, FOLDER_AT, DELAY_AT = 4096, 64, 32  # struct orders of the shim


class SlowDisk:
	"""Flushes of files below one folder; nothing else is touched."""

	def __init__(self, work, folder):
		self.shim, self.orders = work / "disk.so", work / "disk.orders"
		subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", self.shim, ROOT / "test/shim/disk.c",
			"-ldl"], check=True)
		self.orders.write_bytes(bytes(FOLDER_AT) + str(folder).encode().ljust(ORDERS_BYTES - FOLDER_AT, b"\0"))

	def env(self):
		"""What a server on this disk needs in its environment."""
		return {"LD_PRELOAD": str(self.shim), "TOCSIN_TEST_DISK": str(self.orders)}

	def slow(self, delay_ms):
		"""Each flush takes so much longer from now on."""
		with self.orders.open("r+b") as f:
			f.seek(DELAY_AT)
			f.write(struct.pack("q", delay_ms * 1000))
