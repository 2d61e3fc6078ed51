/* SPDX-License-Identifier: Apache-2.0 */
/* Text forms of bytes. Decoders are strict: one text a value, but for base 32's look-alikes. */
#include "base/hex.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void hex_encode(const void *p, size_t n, char *out)
{
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 15];
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

bool hex_decode(struct slice text, void *out, size_t n)
{
	unsigned char *to = out;

	if (text.n != 2 * n) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(text.p[2 * i]);
		int low = hex_value(text.p[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		to[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void base64_encode(const void *p, size_t n, char *out)
{
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			     (left > 2 ? in[i + 2] : 0);

		*out++ = base64_digits[v >> 18 & 63];
		*out++ = base64_digits[v >> 12 & 63];
		*out++ = left > 1 ? base64_digits[v >> 6 & 63] : '=';
		*out++ = left > 2 ? base64_digits[v & 63] : '=';
	}
}

static int base64_value(const char *digits, char c)
{
	const char *hit = c == '\0' ? NULL : strchr(digits, c);

	return hit == NULL ? -1 : (int)(hit - digits);
}

/* Text without padding. What is left over at the end is under a byte, and must be zero. */
static bool base64_take(const char *digits, struct slice text, unsigned char *to, size_t *n)
{
	unsigned have = 0;
	uint32_t bits = 0;
	size_t done = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = base64_value(digits, text.p[i]);

		if (v < 0) {
			return false;
		}
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			if (done == *n) {
				return false;
			}
			have -= 8;
			to[done++] = (unsigned char)(bits >> have);
			bits &= (1U << have) - 1;
		}
	}
	*n = done;
	return have < 6 && bits == 0;
}

bool base64_decode(struct slice text, void *out, size_t *n)
{
	if (text.n % 4 != 0) {
		return false;
	}
	for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++) {
		text.n--;
	}
	return base64_take(base64_digits, text, out, n);
}

void base64url_encode(const void *p, size_t n, char *out)
{
	const unsigned char *in = p;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 6; have -= 6) {
			*out++ = base64url_digits[bits >> (have - 6) & 63];
		}
	}
	if (have > 0) {
		*out = base64url_digits[bits << (6 - have) & 63];
	}
}

bool base64url_decode(struct slice text, void *out, size_t *n)
{
	return base64_take(base64url_digits, text, out, n);
}

void base32_encode(unsigned __int128 value, size_t digits, char *out)
{
	for (size_t i = digits; i > 0; i--) {
		out[i - 1] = base32_digits[(unsigned)value & 31];
		value >>= 5;
	}
}

static int base32_value(char c)
{
	char up = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	const char *hit;

	if (up == 'I' || up == 'L') {
		return 1;
	}
	if (up == 'O') {
		return 0;
	}
	hit = up == '\0' ? NULL : strchr(base32_digits, up);
	return hit == NULL ? -1 : (int)(hit - base32_digits);
}

bool base32_decode(struct slice text, unsigned __int128 *out)
{
	unsigned __int128 v = 0;

	if (text.n == 0) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		int digit = base32_value(text.p[i]);

		if (digit < 0 || v >> 123 != 0) {
			return false;
		}
		v = v << 5 | (unsigned)digit;
	}
	*out = v;
	return true;
}
