#!/usr/bin/env bash
# Signing in with a foreign OpenID provider, an independent one: the npm package oidc-provider, run by node over https
# on loopback (testkit/oidc). A real server, a real provider, the two pages answered as a browser does, cookies and all.
# No root. `ci/oidc.sh install` only installs the provider, under the target folder; its last line says what is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SUITE=$ROOT/testkit/oidc PROVIDER=$TARGET/oidc

missing() {
    echo "$*"
    exit 1
}

install_provider() {
    need node nodejs && need npm npm || missing "node and npm are missing and could not be installed"
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || missing "node is $(node --version); oidc-provider needs 20 or later"
    local wanted
    wanted=$(cat "$SUITE/package.json" "$SUITE/package-lock.json" | sha256sum)
    [ "$(cat "$PROVIDER/.installed" 2>/dev/null)" = "$wanted" ] && return
    rm -rf "$PROVIDER" && mkdir -p "$PROVIDER"
    cp "$SUITE/package.json" "$SUITE/package-lock.json" "$SUITE/.npmrc" "$PROVIDER/"
    (cd "$PROVIDER" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        missing "npm could not install oidc-provider (is its registry reachable?)"
    printf '%s\n' "$wanted" >"$PROVIDER/.installed"
}

install_provider
[ "${1:-}" = install ] && exit 0
for tool in jq curl openssl; do
    need "$tool" "$tool" || { echo "$tool is missing and could not be installed"; exit 1; }
done
[ -n "${BIN:-}" ] || cargo build --locked -p lapwing-server -p lapwing-cli
export BIN=${BIN:-$TARGET/debug} WORK=$TARGET/ci/oidc
rm -rf "$WORK" && mkdir -p "$WORK"
. "$here/fleet.sh"
# What the test is told holds secrets.
umask 077

server_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:false \
    -keyout "$WORK/idp.key" -out "$WORK/idp.crt" 2>"$WORK/openssl.log"
secret=$(od -An -N16 -tx8 /dev/urandom | tr -d ' ')
cp "$SUITE/provider.mjs" "$PROVIDER/"
node "$PROVIDER/provider.mjs" "$WORK/idp.crt" "$WORK/idp.key" "$URL/device/callback" "$secret" >"$WORK/idp.out" 2>"$WORK/idp.err" &
STARTED+=("$!")
until_true 30 grep -q '^https://' "$WORK/idp.out" || die "the provider did not start: $(tail -n 5 "$WORK/idp.err")"
ISSUER=$(head -n 1 "$WORK/idp.out")
printf '%s\n' "$secret" | lapwing provider add Example --issuer "$ISSUER" --client-id lapwing --secret-file - --provider-ca "$WORK/idp.crt"
ID=$(lapwing provider list --output json | json '.[0].id')
say "oidc-provider at $ISSUER is set up"

cat "$CA" "$WORK/idp.crt" >"$WORK/both.crt"
browser() { curl --silent --show-error --cacert "$WORK/both.crt" --cookie "$WORK/cookies" --cookie-jar "$WORK/cookies" "$@"; }

device_code() {
    browser "$URL/common/oauth2/v2.0/devicecode" --data client_id=oidc-test --data scope=openid >"$WORK/code.json"
    CODE=$(json .user_code <"$WORK/code.json")
}

# sign_in_elsewhere NAME: to the provider, through its two forms, and back; the last page is in $WORK/page.html.
sign_in_elsewhere() {
    rm -f "$WORK/cookies"
    local at form
    at=$(browser --location --write-out '%{url_effective}' --output "$WORK/page.html" "$URL/device/with/$ID?user_code=$CODE")
    case $at in "$ISSUER"/interaction/*) ;; *) die "the provider asks for no sign-in: $at" ;; esac
    form=$(grep -o 'action="[^"]*"' "$WORK/page.html" | head -n 1 | cut -d'"' -f2)
    at=$(browser --location --write-out '%{url_effective}' --output "$WORK/page.html" --data prompt=login --data "login=$1" --data password=any "$form")
    form=$(grep -o 'action="[^"]*"' "$WORK/page.html" | head -n 1 | cut -d'"' -f2)
    case $at in "$ISSUER"/interaction/*) ;; *) die "the provider asks for no consent: $at" ;; esac
    at=$(browser --location --write-out '%{url_effective} %{http_code}' --output "$WORK/page.html" --data prompt=consent "$form")
    case $at in "$URL/device/callback?"*) STATUS=${at##* } ;; *) die "the provider sends the browser to $at" ;; esac
}

device_code
sign_in_elsewhere alice
[ "$STATUS" = 403 ] && grep -q oidc_not_linked "$WORK/page.html" && grep -q alice "$WORK/page.html" || die "an unlinked subject got $STATUS: $(cat "$WORK/page.html")"
say "alice is nobody here, and is told the subject to give to an administrator"

lapwing provider link Example alice admin
sign_in_elsewhere alice
[ "$STATUS" = 200 ] && grep -q 'You are admin at Example' "$WORK/page.html" || die "a linked subject got $STATUS: $(cat "$WORK/page.html")"
TICKET=$(grep -o 'name="ticket" value="[^"]*"' "$WORK/page.html" | cut -d'"' -f4)
RESULT=$(browser "$URL/device" --header 'Accept: application/json' --data-urlencode "user_code=$CODE" --data-urlencode "ticket=$TICKET" | json .result)
[ "$RESULT" = approved ] || die "the agreement was answered $RESULT"
TOKEN=$(browser "$URL/common/oauth2/v2.0/token" --data grant_type=urn:ietf:params:oauth:grant-type:device_code --data client_id=oidc-test \
    --data-urlencode "device_code=$(json .device_code <"$WORK/code.json")" | json .access_token)
WHO=$(printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" | browser --config - "$URL/v1.0/me" | json .userPrincipalName)
[ "$WHO" = admin ] || die "the token is of $WHO"
say "alice of the provider is admin here: the program has a token"

device_code
sign_in_elsewhere bob
[ "$STATUS" = 403 ] || die "another subject got $STATUS"
lapwing provider unlink Example alice admin
say "another subject gets nothing; the link is taken back"
echo "ok"
