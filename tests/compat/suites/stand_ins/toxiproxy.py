"""Toxiproxy as far as sarama's tests use it: proxies to one broker that can be shut, that wait before they pass bytes
on (latency), and that cut connections (reset_peer), ruled by Toxiproxy's HTTP interface."""

import http.server
import json
import socket
import struct
import threading
import time


class Proxy:
    """A port through which a broker is reached."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.latency_s, self.cuts, self.enabled = 0.0, False, True
        self.open, self.lock = set(), threading.Lock()
        self.listen()

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(128)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                broker = socket.create_connection(self.target)
            except OSError:
                return
            for end in (client, broker):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open |= {client, broker}
            for pair in ((client, broker), (broker, client)):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def pass_on(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.cuts:
                    # Ends with a reset instead of an orderly end.
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                time.sleep(self.latency_s)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            self.end(end)

    def end(self, connection):
        with self.lock:
            self.open.discard(connection)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def enable(self, wanted):
        if wanted == self.enabled:
            return
        self.enabled = wanted
        if wanted:
            self.listen()
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.open):
            self.end(connection)

    def reset(self):
        self.latency_s, self.cuts = 0.0, False
        self.enable(True)

    def add(self, toxic):
        if toxic["type"] == "latency":
            self.latency_s = toxic["attributes"]["latency"] / 1000
        elif toxic["type"] == "reset_peer":
            self.cuts = True
            for connection in list(self.open):
                self.end(connection)
        else:
            raise ValueError(f"there is no toxic {toxic['type']}")


class Server(http.server.ThreadingHTTPServer):
    """The HTTP interface; `proxies` by their names."""

    def __init__(self, proxies):
        self.proxies = proxies
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, code, value=None):
        self.send_response(code)
        self.end_headers()
        if value is not None:
            self.wfile.write(json.dumps(value).encode())

    def shown(self, name):
        proxy = self.server.proxies[name]
        return {"name": name, "listen": f"127.0.0.1:{proxy.port}", "upstream": "%s:%d" % proxy.target,
                "enabled": proxy.enabled}

    def do_GET(self):
        name = self.path.split("/")[2]
        self.answer(200, self.shown(name)) if name in self.server.proxies else self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = self.path.split("/")[1:]
        try:
            if parts == ["reset"]:
                for proxy in self.server.proxies.values():
                    proxy.reset()
                self.answer(204)
            elif len(parts) == 2:
                self.server.proxies[parts[1]].enable(json.loads(body)["enabled"])
                self.answer(200, self.shown(parts[1]))
            else:
                self.server.proxies[parts[1]].add(json.loads(body))
                self.answer(200, {})
        except (KeyError, ValueError, OSError) as error:
            self.answer(500, str(error))
