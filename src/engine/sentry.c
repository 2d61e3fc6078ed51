/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of log lines are few and stable, so a name is the title, the fingerprint and a tag of the
 * event; what differs from line to line is in its extra data.
 */
#include "engine/sentry.h"

#include "base/hex.h"
#include "base/json_put.h"
#include "base/time.h"
#include "net/url.h"

#define KEY_BYTES_MAX 100

static bool bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "the DSN %s", what);
}

static bool is_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-')) {
			return false;
		}
	}
	return s.n > 0 && s.n <= KEY_BYTES_MAX;
}

static struct slice before(struct slice s, size_t n)
{
	return (struct slice) { s.p, n };
}

static size_t last_slash(struct slice s)
{
	size_t at = s.n;

	while (at > 0 && s.p[at - 1] != '/') {
		at--;
	}
	return at;
}

bool sentry_dsn_parse(struct slice text, struct arena *boot, struct sentry_dsn *out,
		      struct err *err)
{
	struct slice scheme, key, place, project;
	size_t at, slash;
	struct url url;

	scheme = slice_starts(text, S("https://")) ? S("https://") : S("http://");
	if (text.n > SENTRY_DSN_BYTES_MAX || !slice_starts(text, scheme)) {
		return bad(err, "must begin with https:// or http://");
	}
	text = slice_from(text, scheme.n);
	at = slice_find(text, '@');
	key = before(text, at);
	key.n = slice_find(key, ':');
	if (at == text.n || !is_word(key)) {
		return bad(err, "must have its public key in front of an @");
	}
	place = slice_from(text, at + 1);
	slash = last_slash(place);
	project = slice_from(place, slash);
	if (slash == 0 || !is_word(project)) {
		return bad(err, "must end with the number of a project");
	}
	text = arena_printf(boot, "%.*s%.*sapi/%.*s/envelope/", SARG(scheme), (int)slash, place.p,
			    SARG(project));
	if (!url_parse(boot, text, &url, err)) {
		return bad(err, "does not name a host");
	}
	out->url = url.text;
	out->auth = arena_printf(boot,
				 "Sentry sentry_version=7, sentry_client=tocsin/" TOCSIN_VERSION
				 ", sentry_key=%.*s",
				 SARG(key));
	return true;
}

const char *sentry_dsn_check(struct slice text)
{
	struct sentry_dsn dsn;
	struct arena tick;
	struct err err;
	bool ok;

	arena_init(&tick, 0);
	ok = sentry_dsn_parse(text, &tick, &dsn, &err);
	arena_release(&tick);
	return ok ? NULL : "must be like https://KEY@HOST/PROJECT";
}

static void write_event(const struct sentry_event *event, struct slice id, struct buf *out)
{
	struct slice name = slice_of(event->name);
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	json_put_str(&w, "event_id", id);
	json_put_time(&w, "timestamp", event->at_us);
	json_put_str(&w, "platform", S("other"));
	json_put_str(&w, "level", S("error"));
	json_put_str(&w, "logger", S("tocsin"));
	json_put_str(&w, "release", S("tocsin@" TOCSIN_VERSION));
	json_put_str(&w, "message", name);
	json_w_key(&w, "fingerprint");
	json_w_array(&w);
	json_w_str(&w, name);
	json_w_end(&w);
	json_w_key(&w, "tags");
	json_w_object(&w);
	json_put_str(&w, "event", name);
	json_w_end(&w);
	json_put_raw(&w, "extra", event->fields, "{}");
	if (event->dropped > 0) {
		json_w_key(&w, "contexts");
		json_w_object(&w);
		json_w_key(&w, "reporting");
		json_w_object(&w);
		json_put_int(&w, "dropped", (int64_t)event->dropped);
		json_w_end(&w);
		json_w_end(&w);
	}
	json_w_end(&w);
}

void sentry_envelope(const struct sentry_event *event, struct buf *out)
{
	char hex[sizeof(event->id) * 2], sent[TIME_TEXT_MAX];
	struct slice id = { hex, sizeof(hex) };
	struct slice at = time_format(event->at_us, TIME_MILLIS, sent);
	struct buf body;

	hex_encode(event->id, sizeof(event->id), hex);
	buf_init(&body, SENTRY_ENVELOPE_BYTES_MAX);
	write_event(event, id, &body);
	buf_printf(out, "{\"event_id\":\"%.*s\",\"sent_at\":\"%.*s\"}\n", SARG(id), SARG(at));
	buf_printf(out,
		   "{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":%zu}\n",
		   body.n);
	buf_puts(out, buf_slice(&body));
	buf_putc(out, '\n');
	buf_release(&body);
}
