// What a link to a person opens: set a password, or confirm an address. The token stands behind the #,
// goes into the body of one request, and leaves the address bar before anything else happens.

const CALLS = { reset: "api/v1/auth/reset-password", confirm: "api/v1/auth/email/confirm" };
const DONE = { reset: "The password is set. You can log in with it now.", confirm: "The address is confirmed." };

const [kind, token] = location.hash.slice(1).split("=");
history.replaceState(null, "", location.pathname);

const said = document.getElementById("said");

function say(text, how) {
	said.textContent = text;
	said.className = how;
}

async function ask(form) {
	const body = { token };
	if (kind === "reset") body.password = form.querySelector("input").value;
	const reply = await fetch(CALLS[kind], {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(body),
	});
	if (reply.ok) {
		form.hidden = true;
		say(DONE[kind], "good");
		return;
	}
	const problem = await reply.json().catch(() => ({}));
	const text = problem.field === "token" ? "This link was used, is too old, or there is a newer one. Ask for another." : problem.error;
	say(text ?? `The server answered ${reply.status}.`, "wrong");
}

const form = kind in CALLS && token ? document.getElementById(kind) : null;
if (form === null) {
	say("This link is not whole. Open it again from where you got it.", "wrong");
} else {
	form.hidden = false;
	form.querySelector("[autofocus]").focus();
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		const button = form.querySelector("button");
		button.disabled = true;
		say("", "");
		await ask(form).catch(() => say("The server cannot be reached. Try again.", "wrong"));
		button.disabled = false;
	});
}
