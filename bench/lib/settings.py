# SPDX-License-Identifier: Apache-2.0
"""How long and how often to measure, from the environment. One place for every number of the runs."""
import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The same bodies go to both servers: about 200 bytes, a key of its own for every event.
ITEM = ('{"type":"checkout_failed","metadata":{"userId":"u{u}","cart":"c-{n}","amount":{a}.5,'
	'"region":"eu-west-1"},"idempotencyKey":"{seed}-{n}"}')
QUIET_ITEM = ITEM.replace("checkout_failed", "feed_only")  # no rule on this type
LATENCY_ITEM = '{"type":"latency_probe","metadata":{"n":"{seed}-{n}"},"idempotencyKey":"{seed}-{n}"}'
RULE_TYPE, RULE_THRESHOLD, RULE_WINDOW_S, RULE_COOLDOWN_S = "checkout_failed", 5, 60, 120
BATCH_PEER_NOTE = "with its worker stopped the peer took {:,.0f} events/s in one run"

ROWS = range(1, 16)


@dataclass
class Settings:
	rounds: int
	quick: bool
	full: bool            # sizes and times that take hours rather than minutes
	rows: set
	sides: set
	build: Path
	peer_source: Path
	quiet_wait_s: float
	single_s: float       # row 1 and 2
	batch_s: float        # row 3
	warm_s: float
	backlog: int          # row 4, ours
	peer_backlog: int     # row 4, peer: two orders slower, so fewer
	latency_events: int   # row 5, at 50/s
	idle_s: float         # row 6: how long after start memory counts as idle
	many_rules: int       # row 7
	many_rules_pairs: int  # row 7, in each round: a few percent are only seen in many runs
	bursts: int           # row 8, in each round
	seal_s: float         # row 10, with sealing and without
	peak_s: float         # row 10, how long sealing has to keep up
	log_events: int       # rows 9, 11 and 12: in the sealed log
	plain_events: int     # row 11: in the log that is not sealed, a GB
	projects: int         # row 12: of so many projects
	lookups: int          # row 12: pages of 100 events
	slow_s: float         # row 13, on each disk
	slow_ms: int          # row 13, of each flush
	flood_s: float        # row 14
	keys: int             # row 15

	@property
	def work(self):
		return self.build / "bench"

	@property
	def result(self):
		"""Where what was measured is kept: the full form beside the usual one, so that both can be shown."""
		return self.work / ("result-full.json" if self.full else "result.json")


def from_environment(env=os.environ):
	quick, full = bool(env.get("QUICK")), bool(env.get("BENCH_FULL"))

	def pick(usual, short, long=None):
		return short if quick else long if full and long is not None else usual

	return Settings(
		rounds=int(env.get("ROUNDS", pick(3, 1))),
		quick=quick,
		full=full,
		rows={int(r) for r in re.findall(r"\d+", env.get("ROWS", ""))} or set(ROWS),
		sides=set(env.get("SIDES", "ours,peer").split(",")),
		build=(ROOT / env.get("BUILD", "build")).resolve(),
		peer_source=Path(env.get("PEER_SRC", ROOT / "../shared/peers/node-stack")).resolve(),
		quiet_wait_s=float(env.get("QUIET_WAIT", pick(20, 2))),
		single_s=pick(30, 4),
		batch_s=pick(15, 3),
		warm_s=pick(3, 1),
		backlog=pick(1_000_000, 200_000),
		peer_backlog=pick(20_000, 5_000),
		latency_events=pick(1500, 200),
		idle_s=pick(5, 1),
		many_rules=10_000,
		many_rules_pairs=pick(3, 1),
		bursts=pick(3, 1),
		seal_s=pick(15, 4),
		peak_s=pick(60, 5, 600),
		log_events=int(env.get("LOG_EVENTS", pick(2_500_000, 300_000, 10_000_000))),
		plain_events=pick(2_500_000, 300_000),
		projects=50,
		lookups=pick(1000, 200),
		slow_s=pick(10, 3),
		slow_ms=50,
		flood_s=pick(15, 4, 120),
		keys=pick(100_000_000, 1_000_000),
	)
