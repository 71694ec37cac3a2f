"""Kafka's protocol by hand: bodies put together, answers taken apart, connections on which they travel.

For clients of our own that ask what no library would. Uses nothing but Python itself.
"""

import socket
import struct
import time


# ---- requests ----------------------------------------------------------------------------------------------------

def text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value.encode())) + value.encode()


def octets(value):
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def uvarint(n):
    out = bytearray()
    while n >= 0x80:
        out.append((n & 0x7F) | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def compact(value):
    return compact_octets(None if value is None else value.encode())


def compact_octets(value):
    return b"\0" if value is None else uvarint(len(value) + 1) + value


def compact_array(items):
    return uvarint(len(items) + 1) + b"".join(items)


class Out:
    """A request's body as it is put together, in a flexible version or another."""

    def __init__(self, flexible):
        self.flexible, self.data = flexible, bytearray()

    def put(self, form, *values):
        self.data += struct.pack(">" + form, *values)
        return self

    def uvarint(self, n):
        self.data += uvarint(n)

    def text(self, value):
        self.data += compact(value) if self.flexible else text(value)
        return self

    def octets(self, value):
        self.data += compact_octets(value) if self.flexible else octets(value)
        return self

    def array(self, items, write):
        if self.flexible:
            self.uvarint(0 if items is None else len(items) + 1)
        else:
            self.put("i", -1 if items is None else len(items))
        for item in items or []:
            write(item)
        return self

    def end(self):
        if self.flexible:
            self.data.append(0)
        return self


# ---- answers -----------------------------------------------------------------------------------------------------

class Reader:
    """An answer as it is taken apart, of a flexible version or another."""

    def __init__(self, data, flexible=False):
        self.data, self.flexible, self.at = data, flexible, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def uvarint(self):
        n = shift = 0
        while True:
            byte = self.take("B")
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    def raw(self, n):
        """So many bytes; None for fewer than none."""
        if n < 0:
            return None
        self.at += n
        return bytes(self.data[self.at - n:self.at])

    def text(self):
        found = self.raw(self.uvarint() - 1 if self.flexible else self.take("h"))
        return None if found is None else found.decode()

    def octets(self):
        return self.raw(self.uvarint() - 1 if self.flexible else self.take("i"))

    def array(self, item):
        return [item() for _ in range(max(self.uvarint() - 1 if self.flexible else self.take("i"), 0))]

    def tags(self):
        """What stands at the end of everything in a flexible version."""
        found = {}
        for _ in range(self.uvarint() if self.flexible else 0):
            tag = self.uvarint()
            found[tag] = self.raw(self.uvarint())
        return found


# ---- connections -------------------------------------------------------------------------------------------------

class Connection:
    """On it one request is under way at most. It is made when it is needed, again and again."""

    def __init__(self, address, client_id, limit):
        host, port = address.rsplit(":", 1)
        self.address, self.client_id, self.limit = (host, int(port)), client_id, limit
        self.socket, self.got = None, b""

    def send(self, api, version, body, flexible):
        """Raises a ConnectionError where the broker has closed it."""
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=self.limit)
        message = struct.pack(">hhi", api, version, 7) + text(self.client_id) + (b"\0" if flexible else b"") + body
        self.got = b""
        self.socket.settimeout(self.limit)
        self.socket.sendall(struct.pack(">i", len(message)) + message)

    def receive(self, wait, flexible):
        """The answer's body; None if it has not come in this time. Raises a ConnectionError where the broker closes it."""
        end = time.monotonic() + wait
        while len(self.got) < 4 or len(self.got) < 4 + struct.unpack(">i", self.got[:4])[0]:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 16)
            except TimeoutError:
                continue
            if not more:
                raise ConnectionError("closed")
            self.got += more
        data, self.got = self.got[4:], b""
        reader = Reader(data, flexible)
        assert reader.take("i") == 7
        reader.tags()
        return reader

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None
