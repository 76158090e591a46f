#!/usr/bin/env bash
# Makes a key pair and the demo's tokens: FOLDER/jwks.json and FOLDER/{fruit,veggie,tomato,admin}.jwt.
# The private key is gone when this ends: there is nothing to keep secret, and nothing to commit by mistake.
set -euo pipefail

folder=${1:?usage: tokens.sh FOLDER}
umask 077
mkdir -p "$folder"
key=$(mktemp)
trap 'rm -f "$key"' EXIT

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$key" 2>/dev/null

# The public half as a JSON Web Key. OpenSSL prints the modulus in hexadecimal; the exponent 65537 is AQAB.
modulus=$(openssl rsa -in "$key" -noout -modulus | sed 's/^Modulus=//; s/../\\x&/g')
cat >"$folder/jwks.json" <<JSON
{"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "demo", "e": "AQAB", "n": "$(printf '%b' "$modulus" | base64url)"}]}
JSON

# token NAME TENANTS: good for half a day. TENANTS is JSON: the claim may be a string or a list.
token() {
    local now head payload
    now=$(date +%s)
    head=$(printf '{"alg":"RS256","kid":"demo","typ":"JWT"}' | base64url)
    payload=$(printf '{"iss":"https://demo.example","aud":"prometheus","sub":"%s","iat":%d,"exp":%d,"tenants":%s}' \
        "$1" "$now" $((now + 12 * 3600)) "$2" | base64url)
    printf '%s.%s.%s' "$head" "$payload" "$(printf '%s.%s' "$head" "$payload" | openssl dgst -sha256 -sign "$key" -binary | base64url)" \
        >"$folder/$1.jwt"
}

token fruit '"team-fruit"'
token veggie '["team-veggie"]'
token tomato '["team-fruit","team-veggie"]'
token admin '["sre"]'
