/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator has said about people from elsewhere, held against who comes. */
#include "model/sso.h"

static struct slice domain_of(struct slice mail)
{
	return slice_from(mail, slice_find(mail, '@') + 1);
}

bool sso_mail_may_come(struct slice mail, const struct field_list *domains)
{
	for (size_t i = 0; i < domains->n; i++) {
		if (slice_eq_nocase(domain_of(mail), domains->v[i])) {
			return true;
		}
	}
	return domains->n == 0;
}

const char *sso_domain_check(struct slice domain)
{
	for (size_t i = 0; i < domain.n; i++) {
		char c = domain.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.')) {
			return "must be a domain of mail addresses, such as example.com";
		}
	}
	return slice_find(domain, '.') < domain.n
		       ? NULL
		       : "must be a domain of mail addresses, such as example.com";
}

static enum role role_of(const struct field_map *map, struct slice word)
{
	for (size_t i = 0; i < map->n; i++) {
		if (slice_eq(map->v[i].key, word)) {
			return role_parse(map->v[i].value);
		}
	}
	return ROLE_NONE;
}

static enum role higher(enum role a, enum role b)
{
	return a > b ? a : b;
}

/* The word for everybody is no word of an issuer. */
static enum role role_of_word(const struct field_map *map, const struct json *word)
{
	return word->type != JSON_STRING || slice_eq(word->text, S(SSO_ANY))
		       ? ROLE_NONE
		       : role_of(map, word->text);
}

enum role sso_role(const struct field_map *map, const struct json *words)
{
	enum role role = role_of(map, S(SSO_ANY));

	if (words == NULL) {
		return role;
	}
	if (words->type != JSON_ARRAY) {
		return higher(role, role_of_word(map, words));
	}
	json_each(word, words)
	{
		role = higher(role, role_of_word(map, word));
	}
	return role;
}

const char *sso_role_check(struct slice role)
{
	return role_parse(role) != ROLE_NONE ? NULL : "must give owner, admin, member or viewer";
}

bool sso_path_is_local(struct slice path)
{
	if (path.n == 0 || path.n > SSO_REDIRECT_BYTES_MAX || path.p[0] != '/' ||
	    slice_starts(path, S("//"))) {
		return false;
	}
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] > '~' || path.p[i] == '\\') {
			return false;
		}
	}
	return true;
}
