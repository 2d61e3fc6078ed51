import { defineConfig } from "vitest/config";

// How many times slower than a plain build the one under test is.
const slower = Number(process.env.TOCSIN_TEST_SLOWER ?? 1);

// Scenarios start real servers: two at a time is what two cores carry.
export default defineConfig({
	test: {
		include: ["scenario/**/*.test.ts"],
		pool: "forks",
		poolOptions: { forks: { minForks: 1, maxForks: 2 } },
		testTimeout: 60_000 * slower,
		hookTimeout: 60_000 * slower,
		teardownTimeout: 20_000,
	},
});
