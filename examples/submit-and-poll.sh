#!/bin/sh
# Submits one user, then asks until the operation has ended: submit-and-poll.sh [E-MAIL]
set -eu

demo=.muster/demo.json
url=${MUSTER_URL:-$(sed -n 's/.*"url": "\(.*\)".*/\1/p' "$demo")}
key=${MUSTER_API_KEY:-$(sed -n 's/.*"api_key": "\(mk_[^"]*\)".*/\1/p' "$demo" | head -n 1)}
account=${MUSTER_ACCOUNT:-$(sed -n 's/.*"okta": "\([0-9a-f-]\{36\}\)".*/\1/p' "$demo")}
email=${1:-grace.$(date +%s).$$@example.com}

# With an Idempotency-Key the same request can be sent as often as it takes to get an answer: it stays one operation.
accepted=$(curl --silent --show-error --fail-with-body --retry 3 --retry-connrefused \
  "$url/unified/user-directory/users?integrated_account_id=$account" \
  -H "Authorization: Bearer $key" \
  -H 'Content-Type: application/json' \
  -H "Idempotency-Key: $email" \
  -d "{\"first_name\": \"Grace\", \"last_name\": \"Hopper\", \"emails\": [{\"email\": \"$email\"}]}") || { echo "$accepted" >&2; exit 1; }
operation=$(printf '%s' "$accepted" | sed -n 's/.*"self":"\([^"]*\)".*/\1/p')
echo "accepted: $url$operation"

# Each question is held for up to 20 s, so this loop is not a busy one.
while :; do
  answer=$(curl --silent --show-error --fail-with-body "$url$operation" -H "Authorization: Bearer $key" -H 'Prefer: wait=20')
  status=$(printf '%s' "$answer" | sed -n 's/.*"type":"user.create","status":"\([a-z]*\)".*/\1/p')
  echo "$status"
  case $status in
    succeeded) printf '%s\n' "$answer"; exit 0 ;;
    failed | canceled | expired) printf '%s\n' "$answer" >&2; exit 1 ;;
    queued | running | retrying | held) ;;
    *) echo "unexpected answer: $answer" >&2; exit 1 ;;
  esac
done
