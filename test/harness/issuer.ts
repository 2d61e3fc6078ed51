// Who vouches for people: a real OpenID provider, and one that says what a test wants it to.
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type KeyLike, SignJWT } from "jose";
import Provider, { type Configuration } from "oidc-provider";

export interface Identity {
	sub: string;
	email?: string;
	email_verified?: boolean;
	name?: string;
	groups?: string[];
}

async function listen(server: HttpServer): Promise<string> {
	server.listen(0, "127.0.0.1");
	await new Promise((resolve) => server.once("listening", resolve));
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function end(server: HttpServer): Promise<void> {
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
}

export const CLIENT = { id: "tocsin", secret: "canary secret of the client: /+&" };

/** oidc-provider with pages that log in whoever is `person` and ask nothing. */
export class RealIssuer {
	url = "";
	person: Identity = { sub: "nobody" };
	/** What the browser is to say on the issuer's page. */
	answer: "login" | "abort" = "login";
	private provider!: Provider;
	private readonly people = new Map<string, Identity>();

	private constructor(private readonly server: HttpServer) {}

	static async start(redirectUri: string, more: Configuration = {}): Promise<RealIssuer> {
		const server = createServer((req, res) => void issuer.serve(req, res));
		const issuer = new RealIssuer(server);
		issuer.url = await listen(server);
		issuer.provider = new Provider(issuer.url, {
			clients: [
				{
					client_id: CLIENT.id,
					client_secret: CLIENT.secret,
					redirect_uris: [redirectUri],
				},
			],
			pkce: { required: () => true, methods: ["S256"] },
			claims: { openid: ["sub", "groups"], email: ["email", "email_verified"], profile: ["name"] },
			features: { devInteractions: { enabled: false } },
			interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
			cookies: { keys: ["of a test"] },
			ttl: { Session: 3600, Grant: 3600, Interaction: 3600, AccessToken: 3600, IdToken: 3600 },
			findAccount: (_ctx, id) => ({
				accountId: id,
				claims: () => ({ ...issuer.people.get(id)! }),
			}),
			...more,
		});
		return issuer;
	}

	private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		if (req.url?.startsWith("/interaction/")) await this.interact(req, res);
		else await this.provider.callback()(req, res);
	}

	private async interact(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const { params, prompt, session, grantId } = await this.provider.interactionDetails(req, res);
		if (this.answer === "abort") {
			const result = { error: "access_denied", error_description: "said no" };
			return this.provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
		}
		if (prompt.name === "login") {
			this.people.set(this.person.sub, { ...this.person });
			const result = { login: { accountId: this.person.sub } };
			return this.provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
		}
		const accountId = session!.accountId;
		const grant =
			(grantId === undefined ? undefined : await this.provider.Grant.find(grantId)) ??
			new this.provider.Grant({ accountId, clientId: params.client_id as string });
		grant.addOIDCScope(params.scope as string);
		const result = { consent: { grantId: await grant.save() } };
		return this.provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
	}

	stop(): Promise<void> {
		return end(this.server);
	}
}

export interface Asked {
	path: string;
	query: URLSearchParams;
	form: URLSearchParams;
	headers: IncomingMessage["headers"];
}
export type Said = { status?: number; json?: unknown; text?: string; hang?: boolean };

/** An issuer that does as it is told, well or badly. */
export class ScriptedIssuer {
	url = "";
	readonly asked: Asked[] = [];
	person: Identity = { sub: "scripted", email: "scripted@example.com", email_verified: true };
	/** What takes the place of an answer; by its path. */
	readonly script = new Map<string, (asked: Asked) => Said | undefined>();
	/** The token, when it is not to be the right one. */
	forge: ((claims: Record<string, unknown>) => string | Promise<string>) | undefined;
	private nonces = new Map<string, string>();
	private key!: { kid: string; key: KeyLike; jwk: JWK };

	private constructor(private readonly server: HttpServer) {}

	static async start(): Promise<ScriptedIssuer> {
		const server = createServer((req, res) => {
			let body = "";
			req.setEncoding("utf8");
			req.on("data", (part: string) => (body += part));
			req.on("end", () => void issuer.serve(req, res, body));
		});
		const issuer = new ScriptedIssuer(server);
		issuer.url = await listen(server);
		await issuer.turnKey("key-1");
		return issuer;
	}

	/** Sign with another key from now on. */
	async turnKey(kid: string): Promise<void> {
		const pair = await generateKeyPair("ES256");
		this.key = { kid, key: pair.privateKey, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg: "ES256", use: "sig" } };
	}

	get jwk(): JWK {
		return this.key.jwk;
	}

	/** How often it was asked at this path. */
	count(path: string): number {
		return this.asked.filter((one) => one.path === path).length;
	}

	sign(claims: Record<string, unknown>, kid = this.key.kid): Promise<string> {
		return new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid }).sign(this.key.key);
	}

	private async serve(req: IncomingMessage, res: ServerResponse, body: string): Promise<void> {
		const url = new URL(req.url!, this.url);
		const asked = { path: url.pathname, query: url.searchParams, form: new URLSearchParams(body), headers: req.headers };
		this.asked.push(asked);
		const said = this.script.get(asked.path)?.(asked) ?? (await this.say(asked));
		if (said.hang) return;
		res.writeHead(said.status ?? 200, said.json === undefined ? {} : { "content-type": "application/json" });
		res.end(said.json === undefined ? (said.text ?? "") : JSON.stringify(said.json));
	}

	private async say(asked: Asked): Promise<Said> {
		switch (asked.path) {
			case "/.well-known/openid-configuration":
				return {
					json: {
						issuer: this.url,
						authorization_endpoint: `${this.url}/auth`,
						token_endpoint: `${this.url}/token`,
						jwks_uri: `${this.url}/keys`,
					},
				};
			case "/keys":
				return { json: { keys: [this.key.jwk] } };
			case "/token":
				return this.token(asked);
			default:
				return { status: 404 };
		}
	}

	/** What its own page would send a browser back with; says which login a code belongs to. */
	back(way: string, code: string): string {
		const { searchParams } = new URL(way);
		this.nonces.set(code, searchParams.get("nonce")!);
		const to = new URL(searchParams.get("redirect_uri")!);
		to.searchParams.set("code", code);
		to.searchParams.set("state", searchParams.get("state")!);
		return to.href;
	}

	private async token(asked: Asked): Promise<Said> {
		const now = Math.floor(Date.now() / 1000);
		const claims = {
			iss: this.url,
			aud: CLIENT.id,
			iat: now,
			exp: now + 300,
			nonce: this.nonces.get(asked.form.get("code")!),
			...this.person,
		};
		const token = this.forge === undefined ? await this.sign(claims) : await this.forge(claims);
		return { json: { access_token: "canary-access-token", token_type: "Bearer", id_token: token } };
	}

	stop(): Promise<void> {
		return end(this.server);
	}
}
