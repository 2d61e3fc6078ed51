/* SPDX-License-Identifier: Apache-2.0 */
/* Text forms of bytes. Decoders are strict: one text a value, but for base 32's look-alikes. */
#include "base/hex.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
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

static int base64_value(char c)
{
	const char *hit = c == '\0' ? NULL : strchr(base64_digits, c);

	return hit == NULL ? -1 : (int)(hit - base64_digits);
}

bool base64_decode(struct slice text, void *out, size_t *n)
{
	unsigned char *to = out;
	size_t pad = 0, done = 0;
	uint32_t bits = 0;

	if (text.n % 4 != 0) {
		return false;
	}
	while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=') {
		pad++;
	}
	if (text.n / 4 * 3 - pad > *n) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		int v = i < text.n - pad ? base64_value(text.p[i]) : 0;

		if (v < 0) {
			return false;
		}
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 == 3) {
			size_t take = i + 1 == text.n ? 3 - pad : 3;

			for (size_t k = 0; k < 3; k++) {
				unsigned char byte = (unsigned char)(bits >> (16 - 8 * k));

				if (k < take) {
					to[done++] = byte;
				} else if (byte != 0) {
					return false;
				}
			}
			bits = 0;
		}
	}
	*n = done;
	return true;
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
