"""What a broker answers to members of classic groups, by scripts that chance has written.

    answers.py groups HOST:PORT FIRST..LAST     one script for each seed, those of all seeds at once

Each script has a group of its own, and four hands, each with a connection of its own, which join, sync, beat, leave, commit,
fetch and delete: mostly as they should, and often not, with ids, generations, instances, protocols and versions that are
wrong or another's. What was asked and answered is printed in the order of the script; an answer that has to wait for somebody
stands where it came. Member ids are named by whose they are, in the order in which they appear: `h1#2` is the second id of the
first hand, `i1#1` the first one of an instance. A script that is asked again is the same, whatever Python it is.

Where the leader of a group is gone, Kafka chooses the next one by the order of a hash of ids that differ each time: there a
script ends. Left out is what Kafka has no answer to: a subscription of a consumer that is none, an instance under an id that is
pending, a request of a member whose earlier one still waits; and how long a group is shown that was never written, or has lost
its last offset. Uses nothing but Python itself.
"""

import random
import re
import struct
import threading
import time

from protocol import Connection, Out

# How long answers may take that need not wait for anybody, and how long none has to come until all is taken for quiet.
LIMIT, QUIET = 20, 0.4
# How often in a row a group has to look the same, once the short time-outs are over, until all is taken to have expired.
STILL = 15
HANDS, STEPS, AT_ONCE = 4, 28, 24
JOIN, BEAT, LEAVE, SYNC, COMMIT, FETCH, DESCRIBE, LIST, DELETE, FORGET, FIND, CREATE = 11, 12, 13, 14, 8, 9, 15, 16, 42, 47, 10, 19
FLEXIBLE = {JOIN: 6, BEAT: 4, LEAVE: 4, SYNC: 4, COMMIT: 8, FETCH: 6, DESCRIBE: 5, LIST: 3, DELETE: 2, FORGET: 99, FIND: 3, CREATE: 5}
# From this version on commits and fetches name topics by their ids, and this is the id of none.
BY_ID, NO_TOPIC = 10, bytes(range(16))
LONG, SHORT = 120_000, 6_000


class Chance:
    """The same for a seed in every Python."""

    def __init__(self, seed):
        self.source = random.Random(seed)

    def below(self, n):
        return int(self.source.random() * n)

    def of(self, *choices):
        """One of these; one that is given as (times, choice) counts so often."""
        weighted = [it if isinstance(it, tuple) and isinstance(it[0], int) else (1, it) for it in choices]
        at = self.below(sum(times for times, _ in weighted))
        for times, choice in weighted:
            at -= times
            if at < 0:
                return choice


class Wire:
    """A connection on which one request is under way at most."""

    def __init__(self, address, client_id):
        self.connection, self.asked = Connection(address, client_id, LIMIT), None

    def send(self, api, version, out, read):
        self.connection.send(api, version, bytes(out.data), FLEXIBLE[api] <= version)
        self.asked = (FLEXIBLE[api] <= version, read)

    def answer(self, wait):
        """What came of the request; None if nothing did in this time."""
        flexible, read = self.asked
        try:
            reader = self.connection.receive(wait, flexible)
        except ConnectionError:
            self.close()
            return "closed"
        if reader is None:
            return None
        self.asked = None
        return read(reader)

    def close(self):
        self.connection.close()
        self.asked = None


class Hand:
    """One that may be a member, and what it knows of itself."""

    def __init__(self, name, address):
        self.name, self.wire = name, Wire(address, name)
        self.id, self.generation, self.instance, self.leads, self.protocol = "", -1, None, False, None
        self.members, self.kind, self.asks_as = [], "consumer", None
        self.session = self.rebalance = LONG
        self.protocols = ["range"]


class Script:
    def __init__(self, address, seed, stamp, id):
        self.chance, self.seed = Chance(seed), seed
        self.group, self.topics, self.topic_ids = f"g{seed}-{stamp}", (f"groups-{stamp}", f"nowhere-{stamp}"), (id, NO_TOPIC)
        self.hands = [Hand(f"h{n + 1}", address) for n in range(HANDS)]
        self.clerk = Wire(address, "clerk")
        self.ids, self.lines, self.number, self.over = {}, [], 0, False
        self.leader, self.pending = None, set()
        # One that expires would do so at any time while the script goes on; those that wait for it say so.
        self.group_is_there = False
        self.expires = self.chance.below(4) == 0

    # ---- names -------------------------------------------------------------------------------------------------

    def named(self, id):
        """An id as it is told."""
        if id is None:
            return "null"
        if id in self.ids:
            return self.ids[id]
        found = re.fullmatch(r"(\w+)-[0-9A-Za-z_-]{20,40}", id)
        if found is None:
            return repr(id)
        owner = found[1]
        self.ids[id] = f"{owner}#{1 + sum(1 for name in self.ids.values() if name.startswith(owner + '#'))}"
        return self.ids[id]

    def say(self, line):
        self.lines.append(f"{self.seed}.{self.number} {line}")

    # ---- requests ----------------------------------------------------------------------------------------------

    def ask(self, hand, api, version, out, what, read):
        hand.wire.send(api, version, out.end(), read)
        self.say(f"{hand.name} {what}")
        if api not in (JOIN, SYNC):
            answer = hand.wire.answer(LIMIT)
            self.say(f"  {hand.name} <- {answer if isinstance(answer, str) else answer(hand)}")
        else:
            # Whoever does not wait for others is answered before this is, or nearly so.
            barrier = Out(False)
            self.clerk.send(DESCRIBE, 0, barrier.array([self.group], barrier.text), lambda it: it.take("i"))
            self.clerk.answer(LIMIT)
        self.collect()

    def collect(self):
        """Answers that come until none does for a while."""
        waiting = [hand for hand in self.hands if hand.wire.asked]
        last = time.monotonic()
        found = {}
        while waiting and time.monotonic() < last + QUIET:
            for hand in list(waiting):
                answer = hand.wire.answer(0.01)
                if answer is not None:
                    found[hand] = answer
                    waiting.remove(hand)
                    last = time.monotonic()
        # Two that are answered at the same time are in no order.
        for hand in [hand for hand in self.hands if hand in found]:
            answer = found[hand]
            self.say(f"  {hand.name} <- {answer if isinstance(answer, str) else answer(hand)}")

    def join(self, hand):
        chance, version = self.chance, self.chance.of(0, 1, 2, 3, (2, 4), (3, 5), 6, 7, 8, (3, 9))
        # Kafka forgets the earlier request of whoever asks twice, and never answers it.
        others = [it.id for it in self.hands if not it.wire.asked and it.id not in self.waiting()]
        own = "" if hand.id in self.waiting() else hand.id
        id = chance.of((14, own), (2, ""), (1, chance.of(*(others or [""]))), (1, "nobody"))
        group = chance.of((30, self.group), "")
        instance = None
        if 5 <= version:
            instance = chance.of((8, hand.instance), None, "i1", "i2", (0, ""))
        if hand.instance is None and hand.id == "" and 5 <= version and chance.below(4) == 0:
            instance = chance.of("i1", "i2")
        if id in self.pending:
            # Kafka has no answer to an instance under an id that is pending.
            instance = None
        session = chance.of((12, LONG), (4 if self.expires else 0, SHORT), 100, 10_000_000)
        rebalance = chance.of((12, LONG), (3 if self.expires else 0, SHORT))
        if version == 0:
            rebalance = session
        kind = chance.of((20, "consumer"), "connect", "")
        protocols = chance.of((8, ["range"]), (4, ["range", "sticky"]), (3, ["sticky", "range"]), (2, ["a", "b", "c"]),
                              (2, ["c", "b", "range"]), ["b"], [])
        if chance.below(3):
            protocols, kind = hand.protocols, hand.kind
        # Kafka takes the subscription of a consumer apart, and stumbles over one that is none.
        wants = chance.of((6, [0]), (2, [0, 1]), [1], [])
        user = chance.of((3, None), b"u")
        out = Out(6 <= version).text(group).put("i", session)
        if 1 <= version:
            out.put("i", rebalance)
        out.text(id)
        if 5 <= version:
            out.text(instance)
        out.text(kind)
        out.array(protocols, lambda name: out.text(name).octets(self.subscription(wants, user)).end())
        if 8 <= version:
            out.text(chance.of(None, "why not"))
        what = (f"join v{version}{'' if group else ' of no group'} as {self.named(id)} instance {instance} {kind!r} "
                f"{','.join(protocols)} {''.join('tu'[it] for it in wants)}/{user} session {session} rebalance {rebalance}")

        def read(it):
            if 2 <= version:
                it.take("i")
            code, generation = it.take("hi")
            told = it.text() if 7 <= version else None
            protocol, leader = it.text(), it.text()
            skip = it.take("?") if 9 <= version else None
            own = it.text()

            def member():
                found = it.text(), it.text() if 5 <= version else None, it.octets()
                it.tags()
                return found
            members = it.array(member)

            def taken(hand):
                if code in (0, 79):
                    hand.id = own
                if code == 79:
                    self.pending.add(own)
                if code == 0:
                    self.pending.discard(own)
                    hand.generation, hand.leads, hand.protocol = generation, leader == own, protocol
                    hand.instance, hand.kind, hand.protocols = instance, kind, protocols
                    hand.members = sorted((id for id, _, _ in members), key=self.named) or hand.members
                    if self.by_chance(leader, members):
                        return f"{code} generation {generation} with a leader by chance"
                own_name, leader_name = self.named(own), self.named(leader)
                # Those that are heard of for the first time are in no order either.
                members.sort(key=lambda it: (it[0].split("-")[0], it[2]))
                listed = sorted(f"{self.named(id)}/{instance}/{self.wanted(data)}" for id, instance, data in members)
                return (f"{code} generation {generation} type {told} protocol {protocol!r} leader {leader_name} skip {skip} "
                        f"id {own_name} members {' '.join(listed)}")
            return taken
        hand.asks_as = id
        self.ask(hand, JOIN, version, out, what, read)

    def waiting(self):
        """Ids under which somebody waits."""
        return {it.asks_as for it in self.hands if it.wire.asked}

    def subscription(self, wants, user):
        names = b"".join(struct.pack(">h", len(self.topics[it])) + self.topics[it].encode() for it in wants)
        return struct.pack(">hi", 0, len(wants)) + names + (struct.pack(">i", -1) if user is None else struct.pack(">i", len(user)) + user)

    def wanted(self, data):
        for at, topic in enumerate(self.topics):
            data = data.replace(topic.encode(), b"tu"[at:at + 1])
        return data.hex()

    def by_chance(self, leader, members):
        """Whether the leader is another than before, and was not the only one who could be; then the script ends."""
        owner = self.named(leader)
        # A static member that comes back leads on under another id.
        owner = owner.split("#")[0] if owner.startswith("i") else owner
        changed = self.leader not in (None, owner)
        self.over = self.over or changed and len(members) != 1
        self.leader = owner
        return self.over

    def sync(self, hand):
        chance, version = self.chance, self.chance.below(6)
        id = chance.of((20, hand.id), "nobody", "", chance.of(*self.hands).id)
        generation = chance.of((20, hand.generation), hand.generation - 1, hand.generation + 1, -1)
        instance = chance.of((12, hand.instance), "i1", None) if 3 <= version else None
        kind = chance.of((8, hand.kind), None, "other") if 5 <= version else None
        protocol = chance.of((8, hand.protocol), None, "other") if 5 <= version else None
        group = chance.of((40, self.group), "")
        shares = []
        if hand.leads:
            known = chance.of((6, hand.members), hand.members[:1], [])
            shares = [(id, b"\0\1" + self.named(id).encode()) for id in known]
            if chance.below(12) == 0:
                shares.append(("nobody", b"x"))
        elif chance.below(10) == 0:
            shares = [(hand.id, b"mine")]
        out = Out(4 <= version).text(group).put("i", generation).text(id)
        if 3 <= version:
            out.text(instance)
        if 5 <= version:
            out.text(kind).text(protocol)
        out.array(shares, lambda share: out.text(share[0]).octets(share[1]).end())
        what = (f"sync v{version}{'' if group else ' of no group'} as {self.named(id)} generation {generation} instance "
                f"{instance} {kind} {protocol} shares {' '.join(sorted(self.named(id) for id, _ in shares))}")

        def read(it):
            if 1 <= version:
                it.take("i")
            code = it.take("h")
            told = (it.text(), it.text()) if 5 <= version else None
            share = it.octets()
            return lambda hand: f"{code} {told} share {share.decode('latin1')!r}"
        self.ask(hand, SYNC, version, out, what, read)

    def beat(self, hand):
        chance, version = self.chance, self.chance.below(5)
        id = chance.of((12, hand.id), "nobody", "", chance.of(*self.hands).id)
        generation = chance.of((12, hand.generation), hand.generation - 1, hand.generation + 1, -1)
        instance = chance.of((12, hand.instance), "i1", "i2", None) if 3 <= version else None
        group = chance.of((40, self.group), "", self.group + "-none")
        out = Out(4 <= version).text(group).put("i", generation).text(id)
        if 3 <= version:
            out.text(instance)

        def read(it):
            if 1 <= version:
                it.take("i")
            code = it.take("h")
            return lambda hand: f"{code}"
        which = "" if group == self.group else " of no group" if not group else " of an unknown group"
        what = f"beat v{version}{which} as {self.named(id)} generation {generation} instance {instance}"
        self.ask(hand, BEAT, version, out, what, read)

    def leave(self, hand):
        chance, version = self.chance, self.chance.below(6)
        group = chance.of((40, self.group), "", self.group + "-none")
        one = lambda: (chance.of((8, hand.id), "nobody", "", chance.of(*self.hands).id),
                       chance.of((6, hand.instance), "i1", "i2", None) if 3 <= version else None)
        who = [one() for _ in range(chance.of((6, 1), 2, 3, 0) if 3 <= version else 1)]
        out = Out(4 <= version).text(group)

        def each(it):
            out.text(it[0]).text(it[1])
            if 5 <= version:
                out.text(chance.of(None, "tired"))
            out.end()
        if version < 3:
            out.text(who[0][0])
        else:
            out.array(who, each)

        def read(it):
            if 1 <= version:
                it.take("i")
            code = it.take("h")

            def member():
                found = it.text(), it.text(), it.take("h")
                it.tags()
                return found
            members = it.array(member) if 3 <= version else []
            return lambda hand: f"{code} " + " ".join(f"{self.named(id)}/{instance}:{of}" for id, instance, of in members)
        which = "" if group == self.group else " of no group" if not group else " of an unknown group"
        what = f"leave v{version}{which} {' '.join(f'{self.named(id)}/{instance}' for id, instance in who)}"
        self.ask(hand, LEAVE, version, out, what, read)

    def places(self):
        """Topics with partitions, by their short names."""
        chance = self.chance
        return [(chance.of((6, 0), 1), [chance.of((3, 0), (2, 1), 2, 9) for _ in range(chance.of((4, 1), 2))])
                for _ in range(chance.of((5, 1), 2))]

    def begin(self, hand):
        """Offsets by nobody's member: Kafka shows a group once something of it has been written."""
        self.group_is_there = True
        out = Out(False).text(self.group).put("i", -1).text("").put("q", -1)
        out.array([0], lambda it: out.text(self.topics[0]).array([0], lambda it: out.put("iq", 0, 1).text("begin")))

        def read(it):
            found = self.read_topics(it, lambda: it.take("ih"))
            return lambda hand: str(found[0][1][0][1])
        self.ask(hand, COMMIT, 2, out, "begin", read)

    def commit(self, hand):
        chance, version = self.chance, chance_of_versions(self.chance, 2, 10)
        simple = chance.below(3) == 0
        id = "" if simple else chance.of((12, hand.id), "nobody", chance.of(*self.hands).id)
        generation = -1 if simple else chance.of((12, hand.generation), hand.generation - 1, hand.generation + 1, -1)
        if chance.below(20) == 0:
            id, generation = chance.of((id, -1), ("", 0), ("nobody", -1))
        instance = None if simple or version < 7 else chance.of((12, hand.instance), "i1", "i2")
        group = chance.of((30, self.group), self.group + "-other")
        offset, metadata = chance.of((9, chance.below(100)), -1, -7), chance.of((6, "note"), "", None, "x" * 4096, "x" * 4097)
        places = self.places()
        out = Out(8 <= version).text(group).put("i", generation).text(id)
        if 7 <= version:
            out.text(instance)
        if version <= 4:
            out.put("q", chance.of((3, -1), 100_000_000))

        def partition(index):
            out.put("iq", index, offset)
            if 6 <= version:
                out.put("i", 3)
            out.text(metadata).end()
        out.array(places, lambda it: self.topic(out, version, it[0]).array(it[1], partition).end())

        def read(it):
            if 3 <= version:
                it.take("i")
            found = self.read_topics(it, lambda: it.take("ih"), version)
            return lambda hand: " ".join(sorted(f"{topic}-{index}:{code}" for topic, parts in found for index, code in parts))
        short = metadata if metadata is None or len(metadata) < 9 else f"{len(metadata)} bytes"
        which = "" if group == self.group else " of no group" if not group else " of another group"
        what = (f"commit v{version}{which} as {self.named(id)} generation {generation} instance {instance} {offset} {short!r} "
                f"{self.told(places)}")
        self.ask(hand, COMMIT, version, out, what, read)

    def told(self, places):
        return " ".join(f"{'tu'[topic]}-{index}" for topic, parts in places for index in parts)

    def topic(self, out, version, at):
        """What a commit or fetch calls a topic."""
        if version < BY_ID:
            return out.text(self.topics[at])
        out.data += self.topic_ids[at]
        return out

    def read_topics(self, it, partition, version=0):
        def one():
            found = partition()
            it.tags()
            return found

        def topic():
            at = self.topics.index(it.text()) if version < BY_ID else self.topic_ids.index(it.raw(16))
            found = "tu"[at], it.array(one)
            it.tags()
            return found
        return sorted(it.array(topic))

    def fetch(self, hand):
        chance, version = self.chance, chance_of_versions(self.chance, 1, 10)
        group = chance.of((20, self.group), self.group + "-other", self.group + "-none")
        places = None if 2 <= version and chance.below(3) == 0 else self.places()
        id, epoch = chance.of((6, (None, -1)), (hand.id or None, hand.generation), ("nobody", 1), ("", 0))
        if version < 9:
            id, epoch = None, -1
        stable = bool(chance.below(2)) and 7 <= version
        out = Out(6 <= version)

        def topics():
            out.array(places, lambda it: self.topic(out, version, it[0]).array(it[1], lambda n: out.put("i", n)).end())
        if version < 8:
            out.text(group)
            topics()
        else:
            out.uvarint(2)
            out.text(group)
            if 9 <= version:
                out.text(id).put("i", epoch)
            topics()
            out.end()
        if 7 <= version:
            out.put("?", stable)

        def read(it):
            if 3 <= version:
                it.take("i")

            def partition():
                index, offset = it.take("iq")
                epoch = it.take("i") if 5 <= version else None
                note = it.text()
                return index, offset, epoch, note if note is None or len(note) < 9 else f"{len(note)} bytes", it.take("h")
            if version < 8:
                found = self.read_topics(it, partition)
                code = it.take("h") if 2 <= version else None
            else:
                def one():
                    name = it.text()
                    found = name == group, self.read_topics(it, partition, version), it.take("h")
                    it.tags()
                    return found
                [(same, found, code)] = it.array(one)
                assert same
            parts = [(topic, *part) for topic, parts in found for part in parts]
            if places is None:
                parts.sort()
            return lambda hand: f"{code} " + " ".join(f"{t}-{i}:{o}/{e}/{n!r}/{c}" for t, i, o, e, n, c in parts)
        which = {self.group: "", "": " of no group"}.get(group, " of " + group[len(self.group) + 1:])
        as_ = "" if version < 9 else f" as {self.named(id)}/{epoch}"
        what = f"fetch v{version}{which}{as_}{' stable' if stable else ''} {'all' if places is None else self.told(places)}"
        self.ask(hand, FETCH, version, out, what, read)

    def forget(self, hand):
        group = self.chance.of((12, self.group), self.group + "-none")
        # What a script begins with stays: Kafka shows a group that has lost its last offset for some minutes more.
        places = [(topic, [index or 1 for index in parts]) for topic, parts in self.places()]
        out = Out(False).text(group)
        out.array(places, lambda it: out.text(self.topics[it[0]]).array(it[1], lambda n: out.put("i", n)))

        def read(it):
            code, _ = it.take("hi")
            found = self.read_topics(it, lambda: it.take("ih"))
            told = sorted(f"{topic}-{index}:{of}" for topic, parts in found for index, of in parts)
            return lambda hand: f"{code} " + " ".join(told)
        which = {self.group: "", "": " of no group"}.get(group, " of none")
        self.ask(hand, FORGET, 0, out, f"forget{which} {self.told(places)}", read)

    def delete(self, hand):
        version = self.chance.below(3)
        groups = [self.chance.of((8, self.group), self.group + "-none", self.group + "-other")]
        out = Out(2 <= version)
        out.array(groups, out.text)

        def read(it):
            it.take("i")

            def one():
                found = it.text(), it.take("h")
                it.tags()
                return found
            found = it.array(one)

            def taken(hand):
                if groups == [self.group] and found[0][1] == 0:
                    self.group_is_there = False
                return " ".join(str(code) for _, code in found)
            return taken
        which = {self.group: "", "": " no group"}.get(groups[0], " " + groups[0][len(self.group) + 1:])
        self.ask(hand, DELETE, version, out, f"delete{which} v{version}", read)

    def describe(self, hand):
        version = self.chance.below(7)
        group = self.chance.of((9, self.group), self.group + "-none")
        out = Out(5 <= version)
        out.array([group], out.text)
        if 3 <= version:
            out.put("?", False)

        def read(it):
            if 1 <= version:
                it.take("i")

            def member():
                id, instance = it.text(), it.text() if 4 <= version else None
                client, _ = it.text(), it.text()
                found = id, instance, client, it.octets(), it.octets()
                it.tags()
                return found

            def one():
                code, words = it.take("h"), it.text() if 6 <= version else None
                it.text()
                found = code, words, it.text(), it.text(), it.text(), it.array(member)
                if 3 <= version:
                    it.take("i")
                it.tags()
                return found
            [(code, words, state, kind, protocol, members)] = it.array(one)
            words = words and words.replace(self.group, "G")

            def taken(hand):
                # Whose id was never answered yet has no name.
                name = lambda id: self.ids.get(id) or id.split("-")[0] + "#?"
                listed = sorted(f"{name(id)}/{instance}/{client}/{self.wanted(data)}/{share.decode('latin1')!r}"
                                for id, instance, client, data, share in members)
                return f"{code} {words!r} {state} {kind!r} {protocol!r} {' '.join(listed)}"
            return taken
        which = {self.group: "", "": " no group"}.get(group, " none")
        self.ask(hand, DESCRIBE, version, out, f"describe{which} v{version}", read)

    def list(self, hand):
        version = self.chance.below(6)
        states = self.chance.of([], ["Stable"], ["empty", "PreparingRebalance"], ["Nonsense"]) if 4 <= version else []
        kinds = self.chance.of([], ["classic"], ["Consumer"], ["nonsense"]) if 5 <= version else []
        out = Out(3 <= version)
        if 4 <= version:
            out.array(states, out.text)
        if 5 <= version:
            out.array(kinds, out.text)

        def read(it):
            if 1 <= version:
                it.take("i")
            code = it.take("h")

            def one():
                found = [it.text(), it.text()]
                if 4 <= version:
                    found.append(it.text())
                if 5 <= version:
                    found.append(it.text())
                it.tags()
                return found
            found = sorted(group for group in it.array(one) if group[0].startswith(self.group))
            return lambda hand: f"{code} " + " ".join("/".join(["G" + name[len(self.group):], *rest]) for name, *rest in found)
        self.ask(hand, LIST, version, out, f"list v{version} {','.join(states)} {','.join(kinds)}", read)

    # ---- the script --------------------------------------------------------------------------------------------

    def step(self):
        chance = self.chance
        free = [hand for hand in self.hands if not hand.wire.asked]
        hand = chance.of(*(free or self.hands))
        if not self.group_is_there and not hand.wire.asked:
            self.begin(hand)
            return
        do = chance.of((14, self.join), (10, self.sync), (5, self.beat), (3, self.leave), (5, self.commit), (3, self.fetch),
                       (1, self.forget), (1, self.delete), (2, self.describe), (1, self.list))
        if hand.generation < 0 and do in (self.sync, self.beat) and chance.below(4):
            do = self.join
        # Whoever has been told of its generation goes on, mostly.
        late = [it for it in free if it.generation >= 0 and it.leads]
        if do == self.sync and late and chance.below(2):
            hand = late[0]
        if hand.wire.asked:
            # All of them wait: one gives up.
            self.say(f"{hand.name} gives up")
            hand.wire.close()
            return
        do(hand)

    def until_expired(self):
        """Waits until what is about to expire has: a broker that is late with that is late with its answers, too."""
        over, end = time.monotonic() + SHORT / 1000, time.monotonic() + 60
        last, same = None, 0
        while time.monotonic() < over or same < STILL:
            if end < time.monotonic():
                raise TimeoutError("the group does not come to rest")
            asked = Out(False)
            self.clerk.send(DESCRIBE, 0, asked.array([self.group], asked.text), lambda it: it.data)
            found = self.clerk.answer(LIMIT)
            same = same + 1 if found == last and time.monotonic() > over else 0
            last = found
            time.sleep(0.1)

    def run(self):
        try:
            for self.number in range(1, STEPS + 1):
                self.step()
                if self.over:
                    break
                if self.expires and self.number == STEPS * 2 // 3:
                    self.say("all wait")
                    self.until_expired()
                    self.collect()
            else:
                for do in (self.describe, self.fetch):
                    free = [hand for hand in self.hands if not hand.wire.asked]
                    if free:
                        do(free[0])
        except Exception as error:
            self.say(f"broke off: {error!r}")
        finally:
            for wire in [self.clerk, *(hand.wire for hand in self.hands)]:
                wire.close()


def chance_of_versions(chance, lowest, highest):
    return lowest + chance.below(highest - lowest + 1)


def find(address, groups):
    """Waits until the groups have a coordinator that is ready."""
    wire = Wire(address, "clerk")
    for group in groups:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            def found(it):
                it.take("i")
                return it.take("h")
            wire.send(FIND, 1, Out(False).text(group).put("b", 0), found)
            code = wire.answer(LIMIT)
            if code == 0:
                wire.send(BEAT, 0, Out(False).text(group).put("i", 1).text("nobody"), lambda it: it.take("h"))
                code = wire.answer(LIMIT)
                if code not in (14, 15, 16):
                    break
            time.sleep(0.1)
    wire.close()


def scripts(client, seeds):
    first, _, last = seeds.partition("..")
    address, id = f"{client.address[0]}:{client.address[1]}", None
    while id is None:
        stamp = int(time.time())
        id = create(address, f"groups-{stamp}")
    all_ = [Script(address, seed, stamp, id) for seed in range(int(first), int(last or first) + 1)]
    find(address, [script.group for script in all_])
    left, lock = list(all_), threading.Lock()

    def work():
        while True:
            with lock:
                if not left:
                    return
                script = left.pop(0)
            script.run()
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for script in all_:
        print("\n".join(script.lines), flush=True)


def create(address, topic):
    """Three partitions; gives the id of the topic, or nothing if there is one already: another's of the same second."""
    wire, end = Wire(address, "clerk"), time.monotonic() + 60
    while time.monotonic() < end:
        out = Out(True)
        out.array([topic], lambda name: out.text(name).put("ih", 3, 1).array([], None).array([], None).end())
        out.put("i?", 30000, False).end()

        def read(it):
            it.take("i")
            assert it.uvarint() == 2 and it.text() == topic
            return it.raw(16), it.take("h")
        wire.send(CREATE, 7, out, read)
        id, code = wire.answer(LIMIT)
        if code in (0, 36):
            wire.close()
            return id if code == 0 else None
        time.sleep(0.1)
    raise TimeoutError(f"the topic could not be made: {code}")
