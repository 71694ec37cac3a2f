"""Reads a worker's /metrics with Prometheus' own parser, in both formats, and says what is on the page.

    metrics.py URL    prints each sample as NAME{LABELS} VALUE, sorted, once both formats have been read and agree
"""

import sys
import urllib.request

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
    from prometheus_client.parser import text_string_to_metric_families as plain
except ImportError:
    print("prometheus-client is not installed", file=sys.stderr)
    sys.exit(77)


def page(url, accept):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def samples(families):
    found = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def main(url):
    kind, text = page(url, "text/plain;version=0.0.4")
    assert kind == "text/plain; version=0.0.4; charset=utf-8", kind
    in_plain = samples(plain(text))
    kind, text = page(url, "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8", kind
    in_open = samples(openmetrics(text))
    # A client that has gone between the two pages takes its series with it; nothing else may differ.
    differ = {name for name, _ in set(in_plain) ^ set(in_open)}
    assert all("client_id" in dict(labels) for _, labels in set(in_plain) ^ set(in_open)), differ
    for (name, labels), value in sorted(in_open.items()):
        print(name + "{" + ",".join(f"{key}={text}" for key, text in labels) + "}", value)


main(sys.argv[1])
