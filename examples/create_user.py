"""Creates one user and says what became of it: python3 examples/create_user.py [E-MAIL]"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

demo = {}
if "MUSTER_URL" not in os.environ:
    with open(".muster/demo.json", encoding="utf-8") as file:
        demo = json.load(file)
url = os.environ.get("MUSTER_URL") or demo["url"]
api_key = os.environ.get("MUSTER_API_KEY") or demo["api_key"]
account = os.environ.get("MUSTER_ACCOUNT") or demo["integrated_accounts"]["okta"]
email = sys.argv[1] if len(sys.argv) > 1 else f"alan.{time.time_ns()}@example.com"


def call(method, path, body=None, **headers):
    headers |= {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        # problem+json: "code" is stable, "errors" names each field, "hint" says what to do.
        problem = json.load(error)
        sys.exit(f"{problem['code']}: {problem['detail']} {problem.get('hint', '')} (request {problem['request_id']})")


operation = call(
    "POST",
    f"/unified/user-directory/users?integrated_account_id={account}&reference=example",
    {"first_name": "Alan", "last_name": "Turing", "emails": [{"email": email}]},
    # One key per create, whatever happens to the connection: sent again, it is the same operation.
    **{"Idempotency-Key": email},
)
while operation["finished_at"] is None:
    operation = call("GET", operation["links"]["self"], Prefer="wait=20")

for warning in operation["warnings"]:
    print(f"note: {warning['detail']}")
if operation["status"] != "succeeded":
    sys.exit(f"{operation['status']}: {operation['error']['message']} {operation['error']['hint']}")
print(f"{operation['outcome']}: {operation['result']['name']}, id {operation['remote_id']} at {operation['provider']}")
