// Promise 12 behind every scenario: when a server has ended, all that was sent to it is accounted for.
import { tocsin } from "./command.ts";

export interface Books {
	/** The flags that say where the state is. */
	flags: string[];
	env: Record<string, string>;
	/** The server never crashed: then not even the last second may be missing. */
	exact: boolean;
	/** The server is known to have been well: then its books have to be readable. */
	readable: boolean;
}

const NOT_BALANCED = 3;

/** Throws when the books of any tenant do not balance. */
export async function checkBooks(books: Books): Promise<void> {
	const args = ["books", ...books.flags, ...(books.exact ? ["--exact"] : [])];
	const ran = await tocsin(args, { env: books.env });
	if (ran.code === NOT_BALANCED || (books.readable && ran.code !== 0)) {
		throw new Error(`the books (${args.join(" ")}): exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
	}
}
