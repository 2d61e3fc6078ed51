// What watches the server from outside: a probe, a watcher of heartbeats, a collector of errors.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tocsin } from "../harness/command.ts";
import { Server } from "../harness/server.ts";

describe("tocsin health", () => {
	let server: Server;

	beforeAll(async () => {
		server = await Server.start();
	});
	afterAll(() => server.discard());

	it("is content with a server that takes events, over TCP and over its socket", async () => {
		for (const to of [
			["--url", server.url],
			["--data", server.data],
		]) {
			const ran = await tocsin(["health", ...to]);
			expect([ran.code, ran.stdout, ran.stderr]).toEqual([0, "ready\n", ""]);
		}
	});

	it("fails when nobody answers, and says how it was called wrongly", async () => {
		await server.kill("SIGTERM");
		const gone = await tocsin(["health", "--url", server.url]);
		expect([gone.code, gone.stdout]).toEqual([1, ""]);
		expect(gone.stderr).toContain(`the server at ${server.url}`);
		expect((await tocsin(["health", "--url", "nowhere"])).code).toBe(2);
	});
});
