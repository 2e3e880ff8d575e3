#!/bin/sh
# Creates one user and waits for the answer: create-and-wait.sh [E-MAIL]
set -eu

demo=.muster/demo.json
url=${MUSTER_URL:-$(sed -n 's/.*"url": "\(.*\)".*/\1/p' "$demo")}
key=${MUSTER_API_KEY:-$(sed -n 's/.*"api_key": "\(mk_[^"]*\)".*/\1/p' "$demo" | head -n 1)}
account=${MUSTER_ACCOUNT:-$(sed -n 's/.*"okta": "\([0-9a-f-]\{36\}\)".*/\1/p' "$demo")}
email=${1:-ada.$(date +%s).$$@example.com}

# 201: created. 200: it was there, with on_conflict=adopt. 202: not done within the 30 s. Anything else is a problem, and --fail-with-body ends with 22.
curl --silent --show-error --fail-with-body \
  "$url/unified/user-directory/users?integrated_account_id=$account&truto_ignore_remote_data=true" \
  -H "Authorization: Bearer $key" \
  -H 'Content-Type: application/json' \
  -H 'Prefer: wait=30' \
  -d "{\"first_name\": \"Ada\", \"last_name\": \"Lovelace\", \"emails\": [{\"email\": \"$email\"}]}"
echo
