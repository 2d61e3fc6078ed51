/* SPDX-License-Identifier: Apache-2.0 */
/* A short grammar, checked by hand: whoever owns the mailbox proves the rest by reading a mail. */
#include "model/mail.h"

#define LOCAL_BYTES_MAX 64 /* RFC 5321 section 4.5.3.1.1 */
#define LABEL_BYTES_MAX 63 /* RFC 1035 section 2.3.4 */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5321 section 4.1.2, atext of RFC 5322 section 3.2.3. */
static bool is_atext(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_atom(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_atext(s.p[i])) {
			return false;
		}
	}
	return s.n > 0;
}

static bool is_label(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-') {
			return false;
		}
	}
	return s.n > 0 && s.n <= LABEL_BYTES_MAX && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

/* Each of the parts between dots; a dot at the end leaves an empty one. */
static bool are_parts(struct slice s, bool (*is_part)(struct slice))
{
	struct slice part;

	if (s.n == 0 || s.p[s.n - 1] == '.') {
		return false;
	}
	while (slice_split(&s, '.', &part)) {
		if (!is_part(part)) {
			return false;
		}
	}
	return true;
}

static bool is_mail(struct slice s)
{
	size_t at = slice_find(s, '@');
	struct slice local = { .p = s.p, .n = at };

	return at < s.n && at <= LOCAL_BYTES_MAX && s.n <= MAIL_BYTES_MAX &&
	       are_parts(local, is_atom) && are_parts(slice_from(s, at + 1), is_label);
}

bool mail_read(const char *field, struct slice text, struct arena *req, struct slice *out,
	       struct err *err)
{
	struct slice trimmed = slice_trim(text);
	char *p;

	if (!is_mail(trimmed)) {
		return err_field(err, ERR_INVALID, field,
				 "\"%s\" must be a mail address such as ana@example.com of at most "
				 "%d bytes",
				 field, MAIL_BYTES_MAX);
	}
	p = arena_cstr(req, trimmed);
	for (size_t i = 0; i < trimmed.n; i++) {
		p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] - 'A' + 'a' : p[i]);
	}
	*out = (struct slice) { .p = p, .n = trimmed.n };
	return true;
}

bool mail_is_normal(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] >= 'A' && text.p[i] <= 'Z') {
			return false;
		}
	}
	return is_mail(text);
}
