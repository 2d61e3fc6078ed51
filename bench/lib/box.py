# SPDX-License-Identifier: Apache-2.0
"""Facts about the machine and about processes on it: memory, CPU time, idleness, flush times."""
import os
import platform
import socket
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
	"""A TCP port of loopback that nobody uses now."""
	with socket.socket() as s:
		s.bind(("127.0.0.1", 0))
		return s.getsockname()[1]


def _stat(pid):
	"""The fields of /proc/PID/stat behind the name, or None when the process is gone."""
	try:
		return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
	except OSError:
		return None


def tree(roots):
	"""The given processes and all their descendants."""
	parents = {}
	for entry in os.listdir("/proc"):
		fields = _stat(entry) if entry.isdigit() else None
		if fields:
			parents.setdefault(int(fields[1]), []).append(int(entry))
	found, todo = [], [pid for pid in roots if _stat(pid)]
	while todo:
		pid = todo.pop()
		found.append(pid)
		todo += parents.get(pid, [])
	return found


def pss_mb(roots):
	"""Proportional set size of the process trees in MB: shared pages count once in all."""
	total_kb = 0
	for pid in tree(roots):
		try:
			for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
				if line.startswith("Pss:"):
					total_kb += int(line.split()[1])
		except OSError:
			continue  # it ended between the listing and the reading
	return total_kb / 1024


def cpu_seconds(roots):
	"""User and system CPU time that the process trees have used so far."""
	used = 0
	for pid in tree(roots):
		fields = _stat(pid)
		used += int(fields[11]) + int(fields[12]) if fields else 0
	return used / TICKS


def _cpu_times():
	values = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
	return values[3] + values[4], sum(values)


def idle_share(seconds):
	"""The idle part (0..1) of all CPUs over the next so many seconds."""
	idle, total = _cpu_times()
	time.sleep(seconds)
	idle_after, total_after = _cpu_times()
	return (idle_after - idle) / max(total_after - total, 1)


def wait_quiet(limit_s, enough=0.9):
	"""Waits until the machine is idle, at most limit_s; returns the last idle share seen."""
	end = time.monotonic() + limit_s
	while True:
		idle = idle_share(0.3)
		if idle >= enough or time.monotonic() > end:
			return idle


def until(done, limit_s):
	"""Waits until a condition holds, at most so long; whether it does."""
	end = time.monotonic() + limit_s
	while not done():
		if time.monotonic() > end:
			return False
		time.sleep(0.01)
	return True


def folder_bytes(folder, pattern):
	"""How many files of that name pattern a folder has, and their bytes together."""
	sizes = []
	for path in Path(folder).glob(pattern):
		try:
			sizes.append(path.stat().st_size)
		except FileNotFoundError:
			continue  # a segment that was sealed meanwhile
	return len(sizes), sum(sizes)


def forget(folder):
	"""Drops what the kernel holds in memory of the files below a folder, so that the next reader waits for the disk."""
	for path in Path(folder).rglob("*"):
		if path.is_file() and not path.is_symlink():
			fd = os.open(path, os.O_RDONLY)
			try:
				os.fdatasync(fd)
				os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
			finally:
				os.close(fd)


def flush_us(folder, rounds=200):
	"""Median and p99 of fdatasync after writing 4 KiB into a zeroed file, in microseconds."""
	path = Path(folder) / "flush.probe"
	taken = []
	fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
	try:
		os.write(fd, bytes(4096 * rounds))
		os.fsync(fd)
		for i in range(rounds):
			os.pwrite(fd, b"x" * 4096, i * 4096)
			begin = time.monotonic_ns()
			os.fdatasync(fd)
			taken.append((time.monotonic_ns() - begin) / 1000)
	finally:
		os.close(fd)
		path.unlink()
	taken.sort()
	return {"p50": round(taken[rounds // 2], 1), "p99": round(taken[rounds * 99 // 100], 1)}


def facts(folder):
	"""What a reader needs to compare machines."""
	model = [l.split(":", 1)[1].strip() for l in Path("/proc/cpuinfo").read_text().splitlines()
		if l.startswith("model name")]
	pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
	return {
		"cpus": os.cpu_count(),
		"cpu": model[0] if model else platform.machine(),
		"memory_gb": round(pages / 2**30, 1),
		"kernel": platform.release(),
		"flush_us": flush_us(folder),
	}
