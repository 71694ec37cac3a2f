"""An issuer of tokens (OAuth 2, client credentials): one endpoint for each kind of token, and a file with its keys."""

import base64
import collections
import http.server
import json
import pathlib
import subprocess
import threading
import time

# How long the tokens of an endpoint are good for, in seconds.
LIFETIMES = {"valid": 600, "short": 20, "expired": -60, "foreign": 600}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Serves `url`/valid, /short, /expired, /foreign (signed by somebody else) and /broken, until it is closed; `asked`
    counts the requests of each."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for key in ("own", "else"):
            self.openssl("genrsa", "-out", f"{key}.key", "2048")
        modulus = self.openssl("rsa", "-in", "own.key", "-noout", "-modulus").decode().strip().split("=")[1]
        key = {"kty": "RSA", "kid": "own", "use": "sig", "alg": "RS256", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        self.keys = self.folder / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [key]}))
        self.asked = collections.Counter()
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                issuer.answer(self, self.path.strip("/"))

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *words, said=None):
        return subprocess.run(["openssl", *words], cwd=self.folder, input=said, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=True).stdout

    def token(self, kind):
        now = int(time.time())
        claims = {"iss": "tests", "aud": "broker", "sub": "alice", "scope": "all", "iat": now - 120, "exp": now + LIFETIMES[kind]}
        signed = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "own", "typ": "JWT"}, claims))
        key = "else.key" if kind == "foreign" else "own.key"
        return f"{signed}.{b64(self.openssl('dgst', '-sha256', '-sign', key, said=signed.encode()))}"

    def answer(self, request, kind):
        self.asked[kind] += 1
        body = {"error": "invalid_client"}
        if kind in LIFETIMES:
            body = {"access_token": self.token(kind), "token_type": "Bearer", "expires_in": LIFETIMES[kind], "scope": "all"}
        content = json.dumps(body).encode()
        request.send_response(200 if kind in LIFETIMES else 401)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
