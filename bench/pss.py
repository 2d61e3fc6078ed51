#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the proportional set size of processes and their descendants in MB. Usage: pss.py PID..."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib import box

if len(sys.argv) < 2 or not all(a.isdigit() for a in sys.argv[1:]):
	sys.exit("usage: pss.py PID...")
print(f"{box.pss_mb([int(a) for a in sys.argv[1:]]):.1f}")
