#!/bin/sh
# Creates every user of a CSV file: bulk-csv.sh FILE.csv [RESULTS.csv]
set -eu

file=${1:?usage: bulk-csv.sh FILE.csv [RESULTS.csv]}
[ -r "$file" ] || { echo "cannot read $file" >&2; exit 1; }
results=${2:-results.csv}
demo=.muster/demo.json
url=${MUSTER_URL:-$(sed -n 's/.*"url": "\(.*\)".*/\1/p' "$demo")}
key=${MUSTER_API_KEY:-$(sed -n 's/.*"api_key": "\(mk_[^"]*\)".*/\1/p' "$demo" | head -n 1)}
account=${MUSTER_ACCOUNT:-$(sed -n 's/.*"okta": "\([0-9a-f-]\{36\}\)".*/\1/p' "$demo")}
bulk="$url/unified/user-directory/users/bulk?integrated_account_id=$account"
# The same file is the same upload: run again after a failure, this continues where it stopped.
upload_key=$(cksum <"$file" | tr ' ' '-')

call() {
  answer=$(curl --silent --show-error --fail-with-body --globoff -H "Authorization: Bearer $key" "$@") || { echo "$answer" >&2; exit 1; }
}
number() {
  printf '%s' "$answer" | sed -n "s/\"is_uploading\".*//; s/.*\"$1\":\([0-9]*\).*/\1/p"
}

call "$bulk&dry_run=true" -H 'Content-Type: text/csv' --data-binary "@$file"
echo "$answer" | sed 's/.*"rows":\([0-9]*\),"valid":\([0-9]*\),"rejected":\([0-9]*\).*/\1 rows, \2 good, \3 to be rejected/'

# Another attempt is the same request with the same key, so that no row becomes two.
call "$bulk" -H 'Content-Type: text/csv' -H "Idempotency-Key: $upload_key" --retry 5 --retry-connrefused --data-binary "@$file"
batch=$url$(printf '%s' "$answer" | sed -n 's/.*"self":"\([^"]*\)".*/\1/p')
echo "accepted: $batch"

# Each question is held for up to 5 s, so this loop is not a busy one.
while :; do
  call "$batch" -H 'Prefer: wait=5'
  status=$(printf '%s' "$answer" | sed -n 's/^{"id":"[^"]*","status":"\([a-z]*\)".*/\1/p')
  echo "$status: $(number succeeded) created, $(number failed) failed, $(number rejected) rejected of $(number total)"
  case $status in
    completed | canceled) break ;;
    uploading | running | canceling) ;;
    *) printf '%s\n' "$answer" >&2; exit 1 ;;
  esac
done

curl --silent --show-error --fail-with-body "$batch/results?format=csv" -H "Authorization: Bearer $key" --output "$results"
echo "results: $results"
[ "$(number succeeded)" = "$(number total)" ]
