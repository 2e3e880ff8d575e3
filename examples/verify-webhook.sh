#!/bin/sh
# Verifies a recorded webhook: WEBHOOK_SECRET=whsec_… verify-webhook.sh HEADERS-FILE [BODY-FILE]
# The headers one a line, as `name: value`; the body byte for byte, from standard input where no file is named.
set -eu

refuse() {
  echo "refused: $1" >&2
  exit 1
}

headers=${1:?usage: verify-webhook.sh HEADERS-FILE [BODY-FILE]}
body=${2:--}
# Only the timestamp stops a recorded message from being replayed; for one of your own records, set how old it may be.
tolerance=${WEBHOOK_TOLERANCE_SECONDS:-300}
secret=${WEBHOOK_SECRET:-}
case $secret in
  whsec_?*) ;;
  *) refuse 'WEBHOOK_SECRET must hold the whsec_… of the endpoint, or of the callbacks' ;;
esac
[ -r "$headers" ] || refuse "$headers cannot be read"
[ "$body" = - ] || [ -r "$body" ] || refuse "$body cannot be read"

header() {
  tr -d '\r' <"$headers" | awk -v name="$1" 'tolower(substr($0, 1, length(name) + 1)) == name ":" { value = substr($0, length(name) + 2); gsub(/^[ \t]+|[ \t]+$/, "", value); print value; exit }'
}
id=$(header webhook-id)
timestamp=$(header webhook-timestamp)
signatures=$(header webhook-signature)
[ -n "$id" ] && [ -n "$timestamp" ] && [ -n "$signatures" ] || refuse 'a webhook- header is missing'

case $timestamp in
  0* | *[!0-9]* | ?????????????*) refuse 'the timestamp is not a number' ;;
esac
age=$(($(date +%s) - timestamp))
[ "${age#-}" -le "$tolerance" ] || refuse 'the timestamp is too old or too new'

# openssl takes the key as an argument, which other users of this machine may see while it runs.
key=$(printf '%s' "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
[ "${#key}" -ge 48 ] || refuse 'WEBHOOK_SECRET is not base64 of 24 bytes or more'
expected=$({ printf '%s.%s.' "$id" "$timestamp"; cat -- "$body"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

# While a secret is replaced there are several signatures, and one is yours. Padded, so that each stands between two blanks.
case " $signatures " in
  *" v1,$expected "*) echo "verified $id" ;;
  *) refuse 'no signature matches' ;;
esac
