// A server that lets people log in elsewhere, and browsers that do.
import { CLIENT } from "./issuer.ts";
import { freePort } from "./proxy.ts";
import { Server, type ServerOptions } from "./server.ts";
import { type Page, Visitor } from "./visitor.ts";

export interface Me {
	user: { id: string; email: string; name: string; emailVerified: boolean };
	org: { id: string; slug: string; role: string } | null;
	proved: boolean;
}

/**
 * A server that knows its own address before it starts, since issuers have to. What is put into args
 * before the launch counts.
 */
export async function prepareSso(args: string[], options: ServerOptions = {}): Promise<Server> {
	const server = await Server.prepare({ ...options, args });
	server.port = await freePort();
	args.push("--public-url", server.url, "--rate-auth", "0");
	return server;
}

export const oidcFlags = (issuer: string) => [
	...["--oidc-issuer", issuer, "--oidc-client-id", CLIENT.id, "--oidc-client-secret", CLIENT.secret],
];

/** Stop where the pages begin: they are not of these tests. */
export const atPage = (server: Server) => (url: string) =>
	url.startsWith(server.url) && !url.startsWith(`${server.url}/api/`);

export const startOf = (server: Server, provider = "oidc", query = "") =>
	`${server.url}/api/v1/auth/oidc/${provider}/start${query}`;

export function logInBy(server: Server, visitor: Visitor, provider = "oidc", query = ""): Promise<Page> {
	return visitor.visit(startOf(server, provider, query), atPage(server));
}

export async function whoIs(server: Server, visitor: Visitor): Promise<Me | undefined> {
	const page = await visitor.ask(`${server.url}/api/v1/auth/me`);
	return page.status === 200 ? (JSON.parse(page.text) as Me) : undefined;
}

/** A call of a page of this server. */
export async function call<T = Record<string, unknown>>(
	server: Server,
	visitor: Visitor,
	method: string,
	path: string,
	body?: object,
): Promise<{ status: number; body: T }> {
	const headers = { origin: server.url, "content-type": "application/json" };
	const page = await visitor.ask(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
	return { status: page.status, body: (page.text === "" ? undefined : JSON.parse(page.text)) as T };
}

export const errorOf = (page: Page) => new URL(page.url).searchParams.get("error");
