import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		pool: "forks",
		poolOptions: { forks: { minForks: 1, maxForks: 1 } },
		// The compiler runs in some of them, and the machine may be busy.
		testTimeout: 300_000,
		hookTimeout: 300_000,
	},
});
