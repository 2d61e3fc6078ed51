import { defineConfig } from "vitest/config";

// Scenarios start real servers: two at a time is what two cores carry.
export default defineConfig({
	test: {
		include: ["scenario/**/*.test.ts"],
		pool: "forks",
		poolOptions: { forks: { minForks: 1, maxForks: 2 } },
		testTimeout: 60_000,
		hookTimeout: 60_000,
		teardownTimeout: 20_000,
	},
});
