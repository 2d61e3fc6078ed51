# SPDX-License-Identifier: Apache-2.0
"""All rows and what measures them: each module of rows has a list of rows, and of measurements with their numbers."""
from lib import rows_keys, rows_load, rows_log, rows_peer

MODULES = (rows_peer, rows_log, rows_load, rows_keys)


def all_rows():
	rows = [row for module in MODULES for row in module.rows()]
	return {row.id: row for row in sorted(rows, key=lambda row: (row.number, row.id))}


def measurements():
	"""(numbers of the rows it fills, function of a session, the table and the round), in the order of the numbers."""
	return sorted((m for module in MODULES for m in module.MEASUREMENTS), key=lambda m: min(m[0]))
