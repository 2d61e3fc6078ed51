/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text. A number is taken apart into sign, digits without zeroes at both ends, and a
 * power of ten; that form is exact and unique. Powers beyond 64 bits stay decimal digits and are
 * added to as such, so that no text of any length can blow up or be rounded.
 */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>

/* value = digits of whole and frac, read as one integer, times ten to the power (exp - frac.n). */
struct parts {
	bool negative;
	struct slice whole; /* without zeroes at the front */
	struct slice
		frac; /* without zeroes at the end; without those at the front if whole is "" */
	bool exp_negative;
	struct slice exp; /* digits, without zeroes at the front */
	int64_t shift;	  /* to be added to the power: -(length of frac before it was cut) */
};

static struct slice without_front_zeroes(struct slice s)
{
	while (s.n > 0 && *s.p == '0') {
		s = slice_from(s, 1);
	}
	return s;
}

/* Take the digits off *s. */
static struct slice take_digits(struct slice *s)
{
	struct slice digits = { .p = s->p };

	while (digits.n < s->n && s->p[digits.n] >= '0' && s->p[digits.n] <= '9') {
		digits.n++;
	}
	*s = slice_from(*s, digits.n);
	return digits;
}

static bool take(struct slice *s, char c)
{
	if (s->n == 0 || *s->p != c) {
		return false;
	}
	*s = slice_from(*s, 1);
	return true;
}

static void cut_end_zeroes(struct slice *s)
{
	while (s->n > 0 && s->p[s->n - 1] == '0') {
		s->n--;
	}
}

static struct parts take_apart(struct slice number)
{
	struct parts p = { .negative = take(&number, '-') };

	p.whole = without_front_zeroes(take_digits(&number));
	if (take(&number, '.')) {
		p.frac = take_digits(&number);
		cut_end_zeroes(&p.frac);
		p.shift = -(int64_t)p.frac.n;
	}
	if (take(&number, 'e') || take(&number, 'E')) {
		p.exp_negative = take(&number, '-');
		take(&number, '+');
		p.exp = without_front_zeroes(take_digits(&number));
	}
	if (p.frac.n == 0) {
		size_t n = p.whole.n;

		cut_end_zeroes(&p.whole);
		p.shift = (int64_t)(n - p.whole.n);
	}
	if (p.whole.n == 0) {
		p.frac = without_front_zeroes(p.frac);
	}
	return p;
}

static bool is_zero(const struct parts *p)
{
	return p->whole.n == 0 && p->frac.n == 0;
}

/* The power of ten if its text is short: 18 digits and a shift of 31 bits cannot overflow. */
static bool small_power(const struct parts *p, int64_t *power)
{
	int64_t exp = 0;

	if (p->exp.n > 18 || (p->exp.n > 0 && !slice_i64(p->exp, &exp))) {
		return false;
	}
	*power = (p->exp_negative ? -exp : exp) + p->shift;
	return true;
}

/* Add delta to decimal digits in place; the caller left room at the front for a carry. */
static void add_to_digits(char *digits, size_t n, int64_t delta)
{
	for (size_t i = n; i > 0 && delta != 0; i--) {
		int64_t sum = digits[i - 1] - '0' + delta % 10;

		delta /= 10;
		if (sum < 0) {
			sum += 10;
			delta--;
		} else if (sum > 9) {
			sum -= 10;
			delta++;
		}
		digits[i - 1] = (char)('0' + sum);
	}
	ensure(delta == 0);
}

/* The power of ten of p in decimal, one text per value. */
static void put_power(const struct parts *p, struct buf *out)
{
	char *room;
	int64_t power;

	if (small_power(p, &power)) {
		buf_printf(out, "%lld", (long long)power);
		return;
	}
	if (p->exp_negative) {
		buf_putc(out, '-');
	}
	room = buf_room(out, p->exp.n + 1);
	if (room != NULL) {
		size_t n = p->exp.n + 1, zeroes = 0;

		room[0] = '0';
		memcpy(room + 1, p->exp.p, p->exp.n);
		add_to_digits(room, n, p->exp_negative ? -p->shift : p->shift);
		while (room[zeroes] == '0') {
			zeroes++;
		}
		memmove(room, room + zeroes, n - zeroes);
		out->n += n - zeroes;
	}
}

void json_number_key(struct slice number, struct buf *out)
{
	struct parts p = take_apart(number);

	if (is_zero(&p)) {
		buf_putc(out, '0');
		return;
	}
	if (p.negative) {
		buf_putc(out, '-');
	}
	buf_puts(out, p.whole);
	buf_puts(out, p.frac);
	buf_putc(out, 'e');
	put_power(&p, out);
}

/* Multiply-and-add in the sign of the number, so that both ends of the range are reached. */
static bool push_digit(int64_t *v, int digit, bool negative)
{
	return !__builtin_mul_overflow(*v, 10, v) &&
	       !__builtin_add_overflow(*v, negative ? -digit : digit, v);
}

static bool push_digits(int64_t *v, struct slice digits, bool negative)
{
	for (size_t i = 0; i < digits.n; i++) {
		if (!push_digit(v, digits.p[i] - '0', negative)) {
			return false;
		}
	}
	return true;
}

bool json_number_int(struct slice number, int64_t *out)
{
	struct parts p;
	int64_t power;

	if (slice_i64(number, out)) {
		return true;
	}
	p = take_apart(number);
	*out = 0;
	if (is_zero(&p)) {
		return true;
	}
	if (!small_power(&p, &power) || power < 0 || power > 18 ||
	    !push_digits(out, p.whole, p.negative) || !push_digits(out, p.frac, p.negative)) {
		return false;
	}
	for (; power > 0; power--) {
		if (!push_digit(out, 0, p.negative)) {
			return false;
		}
	}
	return true;
}

bool json_number_double(struct slice number, double *out)
{
	char few[128];
	char *text = number.n < sizeof(few) ? few : mem_alloc(number.n + 1, 1);

	if (number.n > 0) {
		memcpy(text, number.p, number.n);
	}
	text[number.n] = '\0';
	/* The program never calls setlocale, so the point is a point. */
	*out = strtod(text, NULL);
	if (text != few) {
		free(text);
	}
	return isfinite(*out) != 0;
}
