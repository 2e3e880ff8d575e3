"""Receives webhooks and verifies them: WEBHOOK_SECRET=whsec_… python3 examples/receive_webhooks.py"""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

secret = os.environ.get("WEBHOOK_SECRET")
if secret is None:
    # That of the callbacks of a running `npm start`.
    try:
        with open(".muster/demo.json", encoding="utf-8") as demo:
            secret = json.load(demo).get("callback_secret") or ""
    except FileNotFoundError:
        secret = ""
port = int(os.environ.get("PORT", "8090"))
try:
    key = base64.b64decode(secret[len("whsec_"):], validate=True)
except ValueError:
    key = b""
if not secret.startswith("whsec_") or len(key) < 24:
    sys.exit("WEBHOOK_SECRET must hold the whsec_… of the endpoint, or of the callbacks.")

TOLERANCE_SECONDS = 5 * 60
MOST_BYTES = 1024 * 1024
MOST_REMEMBERED = 10_000

# Each event may come more than once, so what was had is remembered by its id.
# Keep these in your database; in memory they are gone after a restart.
received = {}
lock = threading.Lock()


def why_refused(headers, body):
    """None, or why the message is not to be believed."""
    message_id, timestamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not message_id or not timestamp or not signatures:
        return "a webhook- header is missing"
    # Only the timestamp stops a recorded message from being replayed: its signature stays valid.
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return "the timestamp is too old or too new"
    # Over the bytes as they came: parsed and written again, the JSON may differ.
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    # While a secret is replaced there are several signatures, and one is yours.
    if not any(hmac.compare_digest(signature.encode(), expected) for signature in signatures.split(" ")):
        return "no signature matches"
    return None


class Receiver(BaseHTTPRequestHandler):
    timeout = 30

    def answer(self, status, line):
        print(line, flush=True)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,12}", length) or int(length) > MOST_BYTES:
            self.close_connection = True
            return self.answer(400, "refused: the body is too large, or has no content-length")
        body = self.rfile.read(int(length))
        why = why_refused(self.headers, body)
        if why:
            return self.answer(400, f"refused: {why}")

        message_id = self.headers["webhook-id"]
        try:
            event = json.loads(body)
        except ValueError:
            return self.answer(400, "refused: the body is not JSON")
        with lock:
            is_duplicate = message_id in received
            received[message_id] = True
            if len(received) > MOST_REMEMBERED:
                del received[next(iter(received))]
        # Answered like the first time, or it would be sent again.
        if is_duplicate:
            return self.answer(204, f"duplicate {message_id}")
        # Answer first and work afterwards, when the work may take longer than 15 seconds.
        self.answer(204, f"verified {event.get('type')} {message_id}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("", port), Receiver)
print(f"listening on port {server.server_address[1]}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
