# One room of the stranger's client (stranger.py): joining, the roster, sending one frame at a time, order and repair
# (docs/protocol.md, sections 6 to 8), the charter (16), and what is said there. The client gives it a connection.
import base64, collections, json, struct, sys, time

from stranger_wire import (
    BAD, BODY_MAX, BUCKETS, LATER, NO_EPOCH, NO_VIEW, U64_MAX, bucket, fingerprint, judge, label, member_id, moved_room, need,
    open_move, open_rules, read_charter, sha, short,
)

TEXT, CALL, NOTICE, MOVE = 1, 2, 3, 4
RANKS = ["member", "op", "owner"]

def tell(type, stream=sys.stdout, **fields):
    print(json.dumps({"type": type} | fields), file=stream, flush=True)

def warn(code, **fields):
    tell("warning", sys.stderr, code=code, **fields)

class Log:
    """The deliveries of one epoch: where we stand, and the chain by which members notice different logs (12.6)."""
    def __init__(self, epoch, seq, is_start=False):
        self.epoch, self.base, self.last, self.digests = epoch, seq, seq, {}
        self.chain = {seq: bytes(8)} if is_start or seq == 0 else {}

    def add(self, seq, frame):
        self.last, self.digests[seq] = seq, sha(frame)
        self.extend(seq)

    def extend(self, seq):
        if seq - 1 in self.chain:
            self.chain[seq] = sha(label("chain") + self.chain[seq - 1] + self.digests[seq])[:8]

    def view(self):
        known = self.last > self.base and self.last in self.chain
        return self.epoch + struct.pack(">Q", self.last) + self.chain[self.last] if known else NO_VIEW

    def agrees(self, view, before):
        epoch, seq, chain = struct.unpack(">8sQ8s", view)
        if epoch != self.epoch or view == NO_VIEW:
            return True
        if seq not in self.chain and self.base <= seq < before:
            self.chain[seq] = chain
            for later in range(seq + 1, self.last + 1):
                self.extend(later)
        return self.chain.get(seq, chain) == chain

class Seat:
    """peer: whom a private conversation is with, (name, public key); None for the room itself."""
    def __init__(self, client, room, me, name, peer=None):
        self.client, self.room, self.me, self.name, self.peer = client, room, me, name, peer
        self.profile = base64.urlsafe_b64encode(room.seal_profile(me, name)).decode().rstrip("=")
        self.ready, self.leaving = False, False
        self.roster, self.pks, self.counters, self.early, self.waiting = {}, {}, {}, [], []
        self.queue, self.flight, self.counter = collections.deque(), None, 0
        self.kept, self.log = collections.deque(maxlen=256), None
        self.catching_up, self.left, self.more, self.live = False, 0, False, []
        self.gone, self.nobodies, self.asked = {}, set(), (None, None)
        self.trusted, self.trusted_at = None, 0

    # Sending
    def request(self, t, **fields):
        return self.client.request(self, t, room=self.room.id.hex(), **fields)

    def join(self):
        key = {"public": self.me.pk.hex(), "proof": self.me.proof(self.room.id).hex()}
        self.request("join", session=self.me.id.hex(), secret=self.me.secret.hex(), tag=self.room.tag(self.name).hex(),
                     profile=self.profile, **({} if self.peer else {"key": key}))

    def push(self, kind, body):
        self.queue.append((kind, body))
        self.pump()

    def is_heard(self):
        """In a private conversation: the other one is there."""
        return not self.peer or any(s != self.me.id and p.pk == self.peer[1] for s, p in self.roster.items())

    def pump(self):
        """Seals and sends the next frame when nothing is on its way."""
        if self.ready and not self.flight and self.queue and self.is_heard():
            kind, body = self.queue.popleft()
            if len(body) > BODY_MAX or 58 + bucket(len(body) + 99) > self.client.frame_max:
                self.client.fail("too-long")
            self.counter += 1
            now = int(time.time() * 1000)
            self.flight = self.room.seal_frame(self.me, self.counter, kind, body, self.log.view(), now)
            self.client.ws.send_binary(self.flight)
        self.client.settle()

    def is_done(self):
        return self.ready and not self.flight and not self.queue and not self.leaving

    # Members
    def identify(self, member):
        """Session and person of a profile that is true, else None."""
        session, tag, sealed = bytes.fromhex(member["session"]), bytes.fromhex(member["tag"]), member["profile"]
        try:
            profile = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            need(base64.urlsafe_b64encode(profile).decode().rstrip("=") == sealed, "spare bits")
            person = self.room.open_profile(session, tag, profile)
        except BAD as error:
            return warn("bad-profile", why=repr(error))
        if self.pks.setdefault(tag, person.pk) != person.pk:
            warn("other-key", user=person.name)
        return session, person

    def admit(self, member):
        known = self.identify(member)
        if not known:
            return
        session, person = known
        before, self.roster[session] = self.roster.get(session), person
        if not self.ready:
            return
        if self.peer:
            if before is None and person.pk == self.peer[1]:
                self.met()
        elif before is None:
            tell("joined", user=person.name)
        elif before.name != person.name:
            tell("renamed", user=person.name, was=before.name)
        elif before.away != person.away:
            tell("away", user=person.name, text=person.away)

    def met(self):
        tell("private-ready", user=self.peer[0])
        self.pump()

    def on_members(self, message):
        for member in message["members"]:
            self.admit(member)
        if "next" in message and not message.get("quiet"):
            return self.request("members", after=message["next"])
        self.ready = True
        if self.peer:
            self.client.seated(self)
            if self.is_heard():
                self.met()
        else:
            users = [person.name for person in self.roster.values()]
            tell("ready", room=short(self.room.id), users=users, fingerprint=fingerprint(self.me.pk))
        for handle, argument in self.early:
            handle(argument)
        self.pump()

    def on_arrived(self, message):
        if message["member"]["session"] != self.me.id.hex():
            self.admit(message["member"])

    def on_departed(self, message):
        session = bytes.fromhex(message["session"])
        if session == self.me.id or session not in self.roster:
            return
        person = self.gone[session] = self.roster.pop(session)
        if not self.peer:
            tell("left", user=person.name, why=message["why"])
        elif person.pk == self.peer[1]:
            tell("private-left", user=self.peer[0])

    def ask(self, session):
        """Who spoke and is not in the roster (7.1); frames wait in their order until we know."""
        self.asked = self.request("member", session=session.hex()), session

    def on_member(self, message):
        need(message["id"] == self.asked[0], "member that was not asked for")
        session = self.asked[1]
        known = self.identify(message["member"])
        if known and known[0] == session:
            self.gone[session] = known[1]
        self.go_on(session)

    def go_on(self, session):
        if session not in self.gone and session not in self.roster:
            self.nobodies.add(session)
        self.asked = None, None
        waiting, self.waiting = self.waiting, []
        for seq, frame in waiting:
            self.show(seq, frame)

    # Charter (section 16)
    def on_charter(self, message):
        if self.peer:
            return warn("charter-invalid", why="a private room has none")
        try:
            new = read_charter(message, self.room.id)
            need(new["charter"]["root"] == self.room.id.hex(), "root")
        except BAD as error:
            return warn("charter-invalid", why=repr(error))
        verdict = judge(self.trusted, new)
        if verdict in ("old", "foreign"):
            return warn("charter-" + verdict)
        if verdict == "same":
            return
        self.trusted, self.trusted_at = new, time.time()
        charter, rules = new["charter"], new["rules"]
        try:
            text = open_rules(self.room, self.room.id, rules["sealed"])
        except BAD:
            text = {"motd": None, "people": {}}
        key = lambda text: fingerprint(bytes.fromhex(text))
        tell("charter", owner=key(charter["owner"]), ops=[key(op) for op in charter["ops"]], rank=self.rank(self.me.pk),
             lock=rules["lock"], limit=rules["limit"], version=[charter["version"], rules["version"]], motd=text["motd"],
             bans=list(new["bans"]), muted=rules["muted"], people=text["people"])

    def rank(self, pk):
        charter = self.trusted["charter"] if self.trusted else {"owner": "", "ops": []}
        return "owner" if charter["owner"] == pk.hex() else "op" if pk.hex() in charter["ops"] else "member"

    def rank_of_id(self, member):
        charter = self.trusted["charter"] if self.trusted else {"owner": "", "ops": []}
        for key in [charter["owner"]] + charter["ops"]:
            if key and member_id(bytes.fromhex(key)) == member:
                return self.rank(bytes.fromhex(key))
        return "member"

    def is_hidden(self, pk):
        """Banned or muted for so long that the relay should not have delivered it."""
        if not self.trusted or time.time() - self.trusted_at < 5:
            return False
        id, until = member_id(pk), self.trusted["bans"].get(member_id(pk))
        is_banned = until is not None and (until == 0 or time.time() * 1000 < until)
        return is_banned or id in self.trusted["rules"]["muted"]

    # Other control messages
    def on_joined(self, message):
        self.log = Log(bytes.fromhex(message["epoch"]), message["seq"])
        if "charter" in message:
            self.on_charter(message["charter"])
        rules = self.trusted and self.trusted["rules"]
        if rules and (rules["history"] or member_id(self.me.pk) in self.trusted["admitted"]) and message["seq"]:
            self.log = Log(NO_EPOCH, 0)
            self.catch_up()
        self.on_members(message)

    def on_expelled(self, message):
        self.client.put_out(self, message["why"])

    def on_left(self, _):
        self.client.unseat(self)

    def on_refused(self, message):
        number, session = self.asked
        if number is None or message.get("id") != number:
            return self.client.put_out(self, message["code"])
        if message["code"] not in LATER:
            return self.go_on(session)
        time.sleep(message.get("retryMs", 1000) / 1000)
        self.ask(session)

    def on_ack(self, message):
        self.acknowledge(bytes.fromhex(message["session"]), message["counter"])

    def on_nack(self, message):
        if message["code"] not in LATER:
            return self.client.put_out(self, message["code"])
        if message["code"] != "gap":
            time.sleep(message.get("retryMs", 1000) / 1000)
        self.send_after(message["last"] if message["code"] == "gap" else message["counter"] - 1)

    def send_after(self, last):
        """Everything behind this counter again, the same bytes (6.2)."""
        for counter, frame, _ in self.kept:
            if counter > last:
                self.client.ws.send_binary(frame)
        if self.flight:
            self.client.ws.send_binary(self.flight)

    def on_count(self, _):
        pass

    on_pong = on_profiled = on_chartered = on_kicked = on_count

    # Catching up (section 7)
    def catch_up(self):
        if not self.catching_up:
            self.catching_up = True
            self.request("log", epoch=self.log.epoch.hex(), seq=self.log.last)

    def on_log(self, message):
        need(self.catching_up and not self.left, "log that was not asked for")
        epoch, seq = bytes.fromhex(message["epoch"]), message["seq"]
        # What was said before a newcomer came is no gap.
        if message.get("missed") != 0 and self.log.epoch != NO_EPOCH:
            warn("gap", size=message.get("missed"))
        if epoch == self.log.epoch and seq < self.log.last:
            warn("rewound", size=self.log.last - seq)
        if (epoch, seq) != (self.log.epoch, self.log.last):
            self.log = Log(epoch, seq)
        self.left, self.more = message["count"], message["more"]
        self.page_done()

    def page_done(self):
        if not self.left:
            self.catching_up = False
            if self.more:
                return self.catch_up()
            live, self.live = self.live, []
            for data in live:
                self.on_delivery(data)

    def on_position(self, message):
        """After the deliveries that came before it: these waited, if something is missing."""
        epoch, seq = bytes.fromhex(message["epoch"]), message["seq"]
        if epoch != self.log.epoch or seq > self.log.last:
            self.catch_up()

    def on_reset(self, message):
        was, epoch = message["was"], bytes.fromhex(message["epoch"])
        if bytes.fromhex(was["epoch"]) == self.log.epoch and self.log.last >= was["seq"] and not self.catching_up:
            if self.log.last > was["seq"]:
                warn("rewound", size=self.log.last - was["seq"])
            self.log = Log(epoch, message["seq"], is_start=True)
        elif epoch != self.log.epoch:
            self.catch_up()
        if self.kept and time.time() - self.kept[-1][2] < 30:
            self.send_after(self.kept[-1][0] - 1)

    # Deliveries
    def on_delivery(self, data):
        version, type, room, epoch, seq, _ = struct.unpack(">BB16s8sQQ", data[:42])
        frame = data[42:]
        need((version, type, room) == (1, 129, self.room.id) and 1 <= seq <= U64_MAX, "delivery")
        need(frame[:2] == b"\1\1" and len(frame) - 58 in BUCKETS, "frame")
        is_next = (epoch, seq) == (self.log.epoch, self.log.last + 1)
        if is_next and (self.left or not self.catching_up):
            self.log.add(seq, frame)
            self.show(seq, frame)
            if self.left:
                self.left -= 1
                self.page_done()
        elif self.catching_up:
            self.live.append(data)
        elif epoch != self.log.epoch or seq > self.log.last:
            self.live.append(data)
            self.catch_up()

    def show(self, seq, frame):
        session, counter = struct.unpack(">16sQ", frame[2:26])
        person = self.roster.get(session) or self.gone.get(session)
        if self.asked[0] or not person and session not in self.nobodies:
            self.waiting.append((seq, frame))
            if not self.asked[0]:
                self.ask(session)
            return
        if not person:
            return warn("bad-frame", seq=seq, why="its sender is unknown")
        last, epoch = self.counters.get(session, (0, self.log.epoch))
        if counter <= last and epoch != self.log.epoch:
            return  # Its sender repairs a loss of the relay (7.4).
        try:
            need(last < counter <= U64_MAX, "replay")
            kind, body, view = self.room.open_frame(person.pk, frame)
        except BAD as error:
            return warn("bad-frame", seq=seq, why=repr(error))
        self.counters[session] = counter, self.log.epoch
        if not self.log.agrees(view, seq):
            warn("fork", seq=seq, user=person.name)
        if self.is_hidden(person.pk):
            warn("not-enforced", seq=seq, user=person.name)
        else:
            self.hear(session, person, kind, body, seq)
        if not self.client.ack_replicas:
            self.acknowledge(session, counter)

    def hear(self, session, person, kind, body, seq):
        if self.peer and session != self.me.id and person.pk != self.peer[1]:
            return warn("bad-frame", seq=seq, why="not whom this is with")
        if kind == TEXT:
            tell("private" if self.peer else "message", **{"from": person.name}, text=body.decode(), seq=seq)
        elif self.peer or session == self.me.id:
            return
        elif kind == CALL:
            self.client.called(session, person, body)
        elif kind == NOTICE:
            self.on_notice(person, body, seq)
        elif kind == MOVE and self.rank(person.pk) != "member":
            try:
                secret = open_move(self.room, self.me, body)
            except BAD as error:
                return warn("bad-move", seq=seq, why=repr(error))
            if secret:
                tell("moved", by=person.name, room=short(moved_room(secret).id))

    def on_notice(self, person, body, seq):
        try:
            need(len(body) <= 1024, "length")
            notice = json.loads(body.decode())
            t, rank = notice["t"], RANKS.index(self.rank(person.pk))
            if t == "act":
                need(set(notice) == {"t", "what", "id", "name", "reason", "until"}, "fields")
                need(rank > RANKS.index(self.rank_of_id(notice["id"])), "rank")
            elif t == "channel":
                need(set(notice) == {"t", "name"}, "fields")
            elif t == "offer":
                need(set(notice) == {"t", "handover"} and RANKS[rank] == "owner", "offer")
            else:
                return
        except BAD as error:
            return warn("bad-notice", seq=seq, why=repr(error))
        tell("notice", **{"from": person.name}, notice=notice)

    def acknowledge(self, session, counter):
        if self.flight and session == self.me.id and counter >= self.counter:
            self.kept.append((self.counter, self.flight, time.time()))
            self.flight = None
            self.pump()

    def receive(self, t, argument):
        if t in ("delivery", "arrived", "departed", "position", "reset") and not self.ready:
            self.early.append((getattr(self, "on_" + t), argument))
        else:
            getattr(self, "on_" + t)(argument)
