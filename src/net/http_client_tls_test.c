/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is said to a peer that cannot prove its name. */
#include "net/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "test/t.h"

/* A TLS server that answers every request with an empty 200. */
struct tls_peer {
	pthread_t thread;
	int listener;
	int stop[2];
	uint16_t port;
	SSL_CTX *ctx;
	char ca_file[32]; /* its certificate, which signs itself */
	atomic_uint requests;
};

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ensure(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static X509 *make_cert(EVP_PKEY *key, const char *names, long valid_s)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(cert), valid_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer", -1, -1,
				   0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	add_extension(cert, NID_basic_constraints, "CA:TRUE");
	add_extension(cert, NID_subject_alt_name, names);
	ensure(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert;
}

static void load_cert(struct tls_peer *peer, const char *names, long valid_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_cert(key, names, valid_s);
	int fd;
	FILE *f;

	snprintf(peer->ca_file, sizeof(peer->ca_file), "/tmp/tocsin-ca-XXXXXX");
	fd = mkstemp(peer->ca_file);
	f = fdopen(fd, "w");
	ensure(f != NULL && PEM_write_X509(f, cert) == 1);
	fclose(f);
	peer->ctx = SSL_CTX_new(TLS_server_method());
	ensure(SSL_CTX_use_certificate(peer->ctx, cert) == 1 &&
	       SSL_CTX_use_PrivateKey(peer->ctx, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Requests of the tests fit into one record. */
static void answer(struct tls_peer *peer, int fd)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
				 "Connection: close\r\n\r\n";
	SSL *ssl = SSL_new(peer->ctx);
	char request[4096];

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
		atomic_fetch_add(&peer->requests, 1);
		SSL_write(ssl, ok, sizeof(ok) - 1);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
}

static void *serve(void *ctx)
{
	struct tls_peer *peer = ctx;

	for (;;) {
		struct pollfd fds[] = { { .fd = peer->stop[0], .events = POLLIN },
					{ .fd = peer->listener, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 || fds[0].revents != 0) {
			return NULL;
		}
		int fd = accept(peer->listener, NULL, NULL);
		if (fd >= 0) {
			answer(peer, fd);
		}
	}
}

static void peer_start(struct tls_peer *peer, const char *names, long valid_s)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);

	*peer = (struct tls_peer) { 0 };
	load_cert(peer, names, valid_s);
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ensure(bind(peer->listener, (const void *)&in, sizeof(in)) == 0);
	ensure(listen(peer->listener, 8) == 0);
	ensure(getsockname(peer->listener, (void *)&in, &n) == 0);
	peer->port = ntohs(in.sin_port);
	ensure(pipe(peer->stop) == 0);
	ensure(pthread_create(&peer->thread, NULL, serve, peer) == 0);
}

static void peer_stop(struct tls_peer *peer)
{
	ensure(write(peer->stop[1], "", 1) == 1);
	pthread_join(peer->thread, NULL);
	close(peer->stop[0]);
	close(peer->stop[1]);
	close(peer->listener);
	SSL_CTX_free(peer->ctx);
	unlink(peer->ca_file);
}

struct outcome {
	bool over;
	enum http_fail fail;
	unsigned status;
	bool sent;
	int64_t secured_us;
	char text[256];
};

static void done(void *ctx, const struct http_result *r)
{
	struct outcome *o = ctx;

	*o = (struct outcome) { .over = true,
				.fail = r->fail,
				.status = r->status,
				.sent = r->sent,
				.secured_us = r->secured_us };
	snprintf(o->text, sizeof(o->text), "%s", r->text);
}

/* Call a peer whose certificate is for these names; the client trusts it, or the system only. */
static struct outcome call(const char *names, long valid_s, bool trusted, unsigned *requests)
{
	struct http_client_options options = { .policy.all = true, .concurrency = 1 };
	struct outcome o = { 0 };
	struct http_client *client;
	struct tls_peer peer;
	char url[64];
	struct http_call call = { .body = S("secret"), .total_us = 5 * US_PER_S };

	signal(SIGPIPE, SIG_IGN);
	peer_start(&peer, names, valid_s);
	options.ca_file = trusted ? peer.ca_file : NULL;
	client = http_client_new(&options);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", peer.port);
	call.url = slice_of(url);
	T_TRUE(http_client_send(client, &call, done, &o));
	while (!o.over) {
		http_client_run_once(client, US_PER_S);
	}
	http_client_free(&client);
	*requests = atomic_load(&peer.requests);
	peer_stop(&peer);
	return o;
}

TEST(a_trusted_peer_of_the_right_name_is_told)
{
	unsigned requests;
	struct outcome o = call("IP:127.0.0.1", 86400, true, &requests);

	T_STR(o.text, "");
	T_INT(o.status, 200);
	T_TRUE(o.secured_us > 0);
	T_INT(requests, 1);
}

static void must_fail(const char *names, long valid_s, bool trusted)
{
	unsigned requests;
	struct outcome o = call(names, valid_s, trusted, &requests);

	T_INT(o.fail, HTTP_FAIL_TLS);
	T_INT(o.status, 0);
	T_FALSE(o.sent);
	T_INT(requests, 0);
	T_TRUE(slice_starts(slice_of(o.text), S("TLS failed: ")));
}

TEST(an_unknown_issuer_is_told_nothing)
{
	must_fail("IP:127.0.0.1", 86400, false);
}

TEST(a_peer_of_another_name_is_told_nothing)
{
	must_fail("IP:127.0.0.9", 86400, true);
	must_fail("DNS:127.0.0.1.example", 86400, true);
}

TEST(a_certificate_that_has_run_out_is_worth_nothing)
{
	must_fail("IP:127.0.0.1", -60, true);
}

T_MAIN(T(a_trusted_peer_of_the_right_name_is_told), T(an_unknown_issuer_is_told_nothing),
       T(a_peer_of_another_name_is_told_nothing),
       T(a_certificate_that_has_run_out_is_worth_nothing))
