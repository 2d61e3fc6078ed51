// Our tokens against a library that knows all of JOSE: it takes ours, we take those that it makes
// as we would, and none of the others that it can make.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import {
	base64url,
	calculateJwkThumbprint,
	CompactSign,
	createLocalJWKSet,
	exportJWK,
	exportSPKI,
	FlattenedSign,
	generateKeyPair,
	importJWK,
	type JSONWebKeySet,
	type JWK,
	type JWTHeaderParameters,
	jwtVerify,
	type KeyLike,
	SignJWT,
	UnsecuredJWT,
} from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { binary } from "../harness/server.ts";

const tool = join(dirname(binary), "src/auth/token_check");
const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const other = "11".repeat(32);
const iss = "https://tocsin.example";
const now = 1_800_000_000;
const claims = { iss, sub: "usr_1", sid: "ses_2", iat: now, exp: now + 900 };

/** What token_check says, and whether it was content. */
function run(args: string[], input = ""): { ok: boolean; said: string } {
	const ran = spawnSync(tool, args, { input, encoding: "utf8" });
	if (ran.status !== 0 && ran.status !== 1) throw new Error(`token_check: ${ran.status} ${ran.stderr}`);
	return { ok: ran.status === 0, said: ran.stdout.trim() };
}

const verify = (token: string, at = now) => run(["verify", seed, iss, String(at)], token);
const issue = (by = seed) =>
	run(["issue", by, iss, claims.sub, claims.sid, String(claims.iat), String(claims.exp)]).said;

describe("our access tokens", () => {
	let shown: JWK;
	let secret: KeyLike | Uint8Array;
	let header: JWTHeaderParameters;

	beforeAll(async () => {
		shown = (JSON.parse(run(["keys", seed]).said) as JSONWebKeySet).keys[0]!;
		const d = base64url.encode(Buffer.from(seed, "hex"));
		secret = await importJWK({ kty: "OKP", crv: "Ed25519", x: shown.x!, d }, "EdDSA");
		header = { alg: "EdDSA", typ: "JWT", kid: shown.kid! };
	});

	it("are taken by others, under every key that is shown", async () => {
		const set = createLocalJWKSet(JSON.parse(run(["keys", other, seed]).said) as JSONWebKeySet);
		const options = { issuer: iss, typ: "JWT", algorithms: ["EdDSA"] };
		for (const by of [seed, other]) {
			const got = await jwtVerify(issue(by), set, { ...options, currentDate: new Date(now * 1000) });
			expect(got.payload).toEqual(claims);
			expect(Object.keys(got.protectedHeader).sort()).toEqual(["alg", "kid", "typ"]);
		}
		const late = { ...options, currentDate: new Date((now + 901) * 1000) };
		await expect(jwtVerify(issue(), set, late)).rejects.toThrow(/exp/);
		expect(shown.kid).toBe(await calculateJwkThumbprint(shown));
	});

	it("may be made by others who have the key", async () => {
		const token = await new SignJWT(claims).setProtectedHeader(header).sign(secret);
		expect(verify(token)).toEqual({ ok: true, said: `usr_1 ses_2 ${now} ${now + 900}` });
		expect(verify(token, now + 900)).toEqual({ ok: false, said: "the token has expired" });
		expect(verify(token, now - 1).ok).toBe(false);
		expect(verify(`${token}\n`).ok).toBe(false);
	});

	it("are never unsigned", async () => {
		const bare = new UnsecuredJWT(claims).encode();
		const [, payload, signature] = issue().split(".") as [string, string, string];
		for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
			const head = base64url.encode(JSON.stringify({ ...header, alg }));
			for (const end of ["", signature]) expect(verify(`${head}.${payload}.${end}`).ok).toBe(false);
		}
		expect(verify(bare).ok).toBe(false);
		expect(verify(bare.slice(0, -1)).ok).toBe(false);
	});

	it("are never signed with what everybody can see", async () => {
		const open = await importJWK(shown, "EdDSA");
		const secrets = [
			Buffer.from(base64url.decode(shown.x!)),
			Buffer.from(shown.x!),
			Buffer.from(shown.kid!),
			Buffer.from(JSON.stringify(shown)),
			Buffer.from(run(["keys", seed]).said),
			Buffer.from(await exportSPKI(open as KeyLike)),
		];
		for (const alg of ["HS256", "HS384", "HS512"]) {
			for (const guess of secrets) {
				const token = await new SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(guess);
				expect(verify(token)).toEqual({
					ok: false,
					said: "the token is not signed in a way that is accepted here",
				});
			}
		}
	});

	it("are never signed with another key", async () => {
		for (const alg of ["EdDSA", "RS256", "PS256", "ES256", "ES384"]) {
			const pair = await generateKeyPair(alg);
			const jwk = await exportJWK(pair.publicKey);
			for (const more of [{}, { jwk }, { jwk, kid: undefined }, { kid: "x" }, { jku: "https://x.example" }]) {
				const head = { ...header, alg, ...more };
				const token = await new SignJWT(claims).setProtectedHeader(head).sign(pair.privateKey);
				expect(verify(token).ok).toBe(false);
			}
		}
	});

	it("bring no rules of their own, though our key signed them", async () => {
		const bytes = Buffer.from(JSON.stringify(claims));
		const sign = (more: object) =>
			new CompactSign(bytes).setProtectedHeader({ ...header, ...more }).sign(secret, { crit: { x: true } });
		const heads = [
			{ crit: ["x"], x: 1 },
			{ jwk: shown },
			{ jku: "https://x.example" },
			{ x5u: "https://x.example" },
			{ typ: "at+jwt" },
			{ typ: undefined },
			{ kid: undefined },
			{ cty: "JWT" },
			{ zip: "DEF" },
		];
		expect(verify(await sign({})).ok).toBe(true);
		for (const more of heads) expect([more, verify(await sign(more)).ok]).toEqual([more, false]);
		const flat = await new FlattenedSign(bytes).setProtectedHeader(header).sign(secret);
		expect(verify(JSON.stringify(flat)).ok).toBe(false);
		const detached = await new FlattenedSign(bytes)
			.setProtectedHeader({ ...header, b64: false, crit: ["b64"] })
			.sign(secret);
		expect(verify(`${detached.protected}.${base64url.encode(bytes)}.${detached.signature}`).ok).toBe(false);
		expect(verify(`${detached.protected}.${bytes.toString()}.${detached.signature}`).ok).toBe(false);
	});

	it("say all that they have to, in the right types", async () => {
		const wrong: object[] = [
			{ iss: "https://other.example" },
			{ iss: [iss] },
			{ sub: undefined },
			{ sid: 7 },
			{ exp: undefined },
			{ exp: String(now + 900) },
			{ iat: undefined },
			{ exp: now + 86_401 },
			{ nbf: now + 1 },
		];
		for (const more of wrong) {
			const body = JSON.stringify({ ...claims, ...more });
			const token = await new CompactSign(Buffer.from(body)).setProtectedHeader(header).sign(secret);
			expect([more, verify(token).ok]).toEqual([more, false]);
		}
		const twice = `{"sub":"usr_9",${JSON.stringify(claims).slice(1)}`;
		const token = await new CompactSign(Buffer.from(twice)).setProtectedHeader(header).sign(secret);
		expect(verify(token).ok).toBe(false);
	});
});

describe("tokens of other issuers", () => {
	const login = { iss: "https://id.example", aud: "tocsin", sub: "7", nonce: "n1", iat: now, exp: now + 60 };
	const wanted = [login.iss, login.aud, login.nonce, String(now)];
	const pairs: Record<string, { publicKey: KeyLike; privateKey: KeyLike }> = {};
	let set = "";

	const check = (token: string) => run(["id-token", set, ...wanted], token);
	const sign = (alg: string, kid: string | undefined, by: KeyLike | Uint8Array, body: object = login) =>
		new SignJWT({ ...body }).setProtectedHeader({ alg, kid }).sign(by);

	beforeAll(async () => {
		const keys: JWK[] = [{ kty: "oct", kid: "secret", k: base64url.encode("secret"), alg: "HS256" }];
		for (const alg of ["RS256", "ES256", "ES384", "PS256"]) {
			pairs[alg] = await generateKeyPair(alg, { extractable: true });
			keys.push({ ...(await exportJWK(pairs[alg].publicKey)), kid: alg, alg, use: "sig" });
		}
		set = JSON.stringify({ keys });
	});

	it("are taken when their issuer signed them with RS256 or ES256", async () => {
		for (const alg of ["RS256", "ES256"]) {
			for (const kid of [alg, undefined]) {
				const got = check(await sign(alg, kid, pairs[alg]!.privateKey));
				expect([alg, kid, got.ok]).toEqual([alg, kid, true]);
				expect(JSON.parse(got.said)).toEqual(login);
			}
		}
	});

	it("are refused when they were signed in another way", async () => {
		const rsa = pairs["RS256"]!;
		const tokens = [
			await sign("RS256", "ES256", rsa.privateKey),
			await sign("RS256", "other", rsa.privateKey),
			await sign("PS256", "RS256", rsa.privateKey),
			await sign("RS512", "RS256", rsa.privateKey),
			await sign("PS256", "PS256", pairs["PS256"]!.privateKey),
			await sign("RS256", "PS256", pairs["PS256"]!.privateKey),
			await sign("ES384", "ES384", pairs["ES384"]!.privateKey),
			await sign("HS256", "secret", Buffer.from("secret".padEnd(32))),
			await sign("HS256", "RS256", Buffer.from(await exportSPKI(rsa.publicKey))),
			await sign("HS256", "RS256", Buffer.from((await exportJWK(rsa.publicKey)).n!)),
			await sign("RS256", "RS256", (await generateKeyPair("RS256")).privateKey),
			await sign("ES256", "ES256", (await generateKeyPair("ES256")).privateKey),
			await sign("RS256", "RS256", rsa.privateKey, { ...login, aud: "other" }),
			await sign("RS256", "RS256", rsa.privateKey, { ...login, nonce: "n2" }),
			new UnsecuredJWT(login).encode(),
		];
		for (const [i, token] of tokens.entries()) expect([i, check(token).ok]).toEqual([i, false]);
	});
});
