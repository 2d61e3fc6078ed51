#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints every webhook that arrives and answers 204: something for a first rule to talk to.

python3 doc/receiver.py [PORT]      default 9000, on 127.0.0.1 only
"""
import http.server
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(f"webhook {self.headers['webhook-id']}: {body}", flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
http.server.HTTPServer(("127.0.0.1", port), Receiver).serve_forever()
