/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be a password. Length is what counts; beyond it only those are refused that everybody
 * who guesses tries within the first hundred. Rules about kinds of characters make passwords
 * harder to remember and not harder to guess.
 */
#include "auth/password.h"

#define WORD_BYTES_MAX 64 /* a longer password is in no list of ours */
#define EXTRA_BYTES_MAX 6 /* a year and two marks; more digits than that are worth something */

/* In lower case, without what people put behind them: digits and marks. */
static const char *const obvious[] = {
	"access",
	"admin",
	"administrator",
	"alert",
	"alerting",
	"amazing",
	"angel",
	"apple",
	"asdfasdf",
	"asdfgh",
	"asdfghjk",
	"asdfghjkl",
	"autumn",
	"awesome",
	"baseball",
	"basketball",
	"batman",
	"beautiful",
	"butterfly",
	"changeit",
	"changeme",
	"charlie",
	"cheese",
	"chocolate",
	"company",
	"computer",
	"cookie",
	"correcthorsebatterystaple",
	"default",
	"demo",
	"diamond",
	"dragon",
	"everything",
	"facebook",
	"family",
	"flower",
	"football",
	"forever",
	"freedom",
	"friend",
	"friends",
	"google",
	"guest",
	"hallo",
	"happiness",
	"hello",
	"helloworld",
	"hunter",
	"iloveyou",
	"internet",
	"january",
	"jesus",
	"killer",
	"letmein",
	"liverpool",
	"login",
	"london",
	"love",
	"lovely",
	"manager",
	"master",
	"michael",
	"michelle",
	"monkey",
	"mustang",
	"mypassword",
	"newpassword",
	"nothing",
	"notification",
	"office",
	"oneplus",
	"opensesame",
	"orange",
	"pa$$word",
	"pa$$w0rd",
	"pass",
	"passw0rd",
	"passwd",
	"passwort",
	"password",
	"passwordpassword",
	"pokemon",
	"postgres",
	"princess",
	"qazwsx",
	"qazwsxedc",
	"qwer",
	"qwert",
	"qwerty",
	"qwertyui",
	"qwertyuiop",
	"qwertz",
	"qwertzuiop",
	"root",
	"samsung",
	"secret",
	"secure",
	"security",
	"server",
	"service",
	"shadow",
	"soccer",
	"spring",
	"starwars",
	"summer",
	"sunshine",
	"superman",
	"superuser",
	"support",
	"system",
	"temp",
	"temporary",
	"test",
	"testing",
	"testtest",
	"tocsin",
	"trustno",
	"unknown",
	"user",
	"welcome",
	"whatever",
	"winter",
	"yxcvbnm",
	"zaq1xsw",
	"zxcvbn",
	"zxcvbnm",
};

/* Lower case of ASCII; false when it is too long to be in the list. */
static bool fold(struct slice in, char out[WORD_BYTES_MAX], struct slice *folded)
{
	if (in.n > WORD_BYTES_MAX) {
		return false;
	}
	for (size_t i = 0; i < in.n; i++) {
		out[i] = in.p[i] >= 'A' && in.p[i] <= 'Z' ? (char)(in.p[i] + 32) : in.p[i];
	}
	*folded = (struct slice) { out, in.n };
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_listed(struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(obvious); i++) {
		if (slice_eq(word, slice_of(obvious[i]))) {
			return true;
		}
	}
	return false;
}

/* The word alone, and with 1, 123, 2024! and the like behind or before it. */
static bool is_obvious_word(struct slice password)
{
	char text[WORD_BYTES_MAX];
	struct slice word;

	if (!fold(password, text, &word)) {
		return false;
	}
	if (is_listed(word)) {
		return true;
	}
	while (word.n > 0 && !is_letter(word.p[word.n - 1])) {
		word.n--;
	}
	while (word.n > 0 && !is_letter(word.p[0])) {
		word = slice_from(word, 1);
	}
	return password.n - word.n <= EXTRA_BYTES_MAX && is_listed(word);
}

/* aaaaaaaa, 12345678, 87654321, abcdefgh: each byte as far from the last one as that from its. */
static bool is_run(struct slice password)
{
	int step = password.p[1] - password.p[0];

	for (size_t i = 1; i < password.n; i++) {
		int next = password.p[i] - password.p[i - 1];
		bool wraps = password.p[i] == '0' && password.p[i - 1] == '9' && step == 1;

		if (next != step && !wraps) {
			return false;
		}
	}
	return step >= -1 && step <= 1;
}

static bool is_mail(struct slice password, struct slice mail)
{
	struct slice name = { mail.p, slice_find(mail, '@') };

	return mail.n > 0 && (slice_eq_nocase(password, mail) || slice_eq_nocase(password, name));
}

bool password_check(struct slice password, struct slice mail, struct err *err)
{
	if (password.n < PASSWORD_BYTES_MIN || password.n > PASSWORD_BYTES_MAX) {
		return err_field(err, ERR_INVALID, "password",
				 "\"password\" must have %d to %d bytes", PASSWORD_BYTES_MIN,
				 PASSWORD_BYTES_MAX);
	}
	if (is_mail(password, mail)) {
		return err_field(err, ERR_INVALID, "password",
				 "\"password\" must not be the mail address");
	}
	if (is_run(password) || is_obvious_word(password)) {
		return err_field(err, ERR_INVALID, "password",
				 "\"password\" is one of those that are tried first: take a "
				 "longer one, or some words");
	}
	return true;
}
