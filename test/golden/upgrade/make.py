#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write a data directory and what its server says of it: make.py BINARY NAME

NAME.tgz lands beside this file, with golden.json in it. Run it with the program of a release, before the
next one changes a format; test/scenario/84_upgrade.test.ts opens every one there is, for ever.
"""
import http.server
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request

KEYS = {"acme": "golden_key_acme_0001", "globex": "golden_key_globex_01"}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(410 if self.path == "/gone" else 200)
        self.end_headers()

    def log_message(self, *args):
        pass


class Server:
    def __init__(self, binary, data):
        self.data = data
        args = [binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log-format", "json",
                "--segment-size", "1MiB", "--allow-private-targets", "loopback"]
        self.child = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)
        for line in self.child.stderr:
            said = json.loads(line)
            if said["event"] == "server_listening":
                self.url = f"http://127.0.0.1:{said['port']}"
            if said["event"] == "server_ready":
                break
        threading.Thread(target=self.child.stderr.read, daemon=True).start()

    def call(self, key, method, path, body=None):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path,
                                         body if body is None else json.dumps(body, ensure_ascii=False).encode(),
                                         headers, method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def all(self, key, path):
        rows, cursor = [], None
        while True:
            page = self.call(key, "GET", f"{path}?limit=200" + (f"&cursor={cursor}" if cursor else ""))
            rows += page["data"]
            cursor = page["nextCursor"]
            if cursor is None:
                return rows

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        if self.child.wait() != 0:
            sys.exit("the server did not stop well")


def wait(what, done):
    for _ in range(300):
        if done():
            return
        time.sleep(0.1)
    sys.exit(f"waited too long for {what}")


def fill(server, receiver, life):
    for org, key in KEYS.items():
        for i in range(40):
            n = life * 40 + i
            event = {"type": ["checkout_failed", "error.api", "user.login"][i % 3], "idempotencyKey": f"{org}-{n}",
                     "payload": {"n": n, "text": "größer \\ \"quoted\" \u0000 \U0001f514", "pad": "x" * (n * 97 % 400)},
                     "tags": {"life": str(life)}, "source": "golden", "environment": "production",
                     "severity": ["low", "medium", "high"][i % 3], "message": f"message {n}", "value": n / 4}
            server.call(key, "POST", "/api/v1/events", event)
        server.call(key, "POST", "/api/v1/events", [{"type": "batch", "payload": {"n": i}} for i in range(20)])
        # In a window of a day when the server stops: two of five.
        for _ in range(2 * life):
            server.call(key, "POST", "/api/v1/events", {"type": "half.way"})
    wait("deliveries", lambda: all(row["status"] in ("sent", "dead")
                                   for key in KEYS.values() for row in server.all(key, "/api/v1/deliveries")))


def rules(server, receiver):
    for key in KEYS.values():
        for name, kind, threshold, path, group in (("webhooks", "checkout_failed", 5, "/ok", []),
                                                   ("dead", "error.*", 10, "/gone", ["source"]),
                                                   ("half", "half.way", 5, "/ok", [])):
            server.call(key, "POST", "/api/v1/rules", {
                "name": name, "eventType": kind, "condition": "count_gte", "threshold": threshold,
                "windowSeconds": 86400, "cooldownSeconds": 0, "severity": "high", "groupBy": group,
                "actions": [{"channel": "webhook", "config": {"url": f"http://127.0.0.1:{receiver}{path}"}},
                            {"channel": "in_app", "config": {}}]})


def main():
    binary, name = sys.argv[1], sys.argv[2]
    here = os.path.dirname(os.path.abspath(__file__))
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as root:
        data = os.path.join(root, "data")
        golden = {}
        for life in range(2):
            server = Server(binary, data)
            if life == 0:
                for org, key in KEYS.items():
                    subprocess.run([binary, "seed", "--data", data, "--org", org, "--key", key, "--demo"], check=True,
                                   stdout=subprocess.DEVNULL)
                rules(server, receiver.server_port)
            fill(server, receiver.server_port, life)
            if life == 1:
                for org, key in KEYS.items():
                    golden[org] = {"key": key} | {what: server.all(key, f"/api/v1/{what}")
                                                  for what in ("events", "alerts", "deliveries", "rules")}
            server.stop()
        golden["atMs"] = int(time.time() * 1000)
        version = subprocess.run([binary, "version"], check=True, capture_output=True, text=True).stdout
        golden["version"] = version.split()[1]
        with open(os.path.join(data, "golden.json"), "w", encoding="utf-8") as f:
            json.dump(golden, f, separators=(",", ":"), ensure_ascii=False)
        with tarfile.open(os.path.join(here, f"{name}.tgz"), "w:gz", compresslevel=9) as tar:
            for folder in ("journal", "snapshots", "state.db", "golden.json"):
                tar.add(os.path.join(data, folder), folder,
                        filter=lambda info: info.replace(uid=0, gid=0, uname="", gname="", deep=False))


main()
