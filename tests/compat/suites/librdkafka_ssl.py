"""That of librdkafka's own tests that wants TLS, at a broker that asks its clients for a certificate and at one that demands it,
and the most telling others once more at the latter."""

from . import Certificates, librdkafka
from .librdkafka import VERSION

OWN = "0097_ssl_verify"
# The same, where no certificate will not do.
DEMANDING = f"{OWN}_required"
# A client whose broker has answered by the time that it looks names the reason wrongly (a failure of the transport, not of TLS),
# which the test takes ill. That happens on a busy machine.
ATTEMPTS = 5

certificates = None


def prepare(home):
    global certificates
    librdkafka.prepare(home)
    certificates = Certificates(home)


def tests(short):
    return [OWN] if short else [OWN, DEMANDING, *librdkafka.SHORT]


def brokers(tests, short):
    own = {"listeners": "SSL://127.0.0.1:@PORT@", "super.users": "User:CN=client"}
    if OWN in tests:
        yield {**librdkafka.SETTINGS, **own, **certificates.settings("requested")}, [OWN]
    if DEMANDING in tests:
        yield {**librdkafka.SETTINGS, **own, **certificates.settings("required")}, [DEMANDING]
    for settings, group in librdkafka.brokers(tests, short):
        group = [test for test in group if test != OWN]
        if group:
            yield {**settings, **own, **certificates.settings("required")}, group


def run(address, tests, short):
    file = certificates.folder
    client = (f"security.protocol=ssl\nssl.ca.location={file}/ca.pem\nssl.certificate.location={file}/client.pem\n"
              f"ssl.key.location={file}/client.key\nssl.key.password={certificates.PASSWORD}\n")
    # Where the tests look for the same in other forms, and what they expect of the broker.
    forms = {"SSL_pkcs": "client.p12", "SSL_pub_der": "client.der", "SSL_pub_pem": "client.pem", "SSL_priv_der": "client.key.der",
             "SSL_priv_pem": "client.key", "SSL_ca_der": "ca.der", "SSL_all_cas_pem": "all-cas.pem"}
    more = {"SSL_password": certificates.PASSWORD, "SSL_client_auth": "requested" if tests == [OWN] else "required",
            **{name: file / form for name, form in forms.items()}}
    if tests == [DEMANDING]:
        return {DEMANDING: librdkafka.run(address, [OWN], short, client=client, **more)[OWN]}
    results = librdkafka.run(address, tests, short, client=client, **more)
    for _ in range(ATTEMPTS - 1):
        if OWN in results and results[OWN][0] == "failed":
            results.update(librdkafka.run(address, [OWN], short, client=client, **more))
    return results
