# A small PyChat client, written from docs/protocol.md alone by somebody who had not seen the rest of the repository:
# a check that the page suffices. It shares no code with the product on purpose. Tests run it against the real client.
# PYCHAT_PIN=... python stranger.py --relay ws://127.0.0.1:8765 --server NAME --user NAME
import argparse, base64, collections, hashlib, hmac, json, os, re, struct, sys, threading, time, unicodedata

import websocket
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mnemonic import Mnemonic

BUCKETS = (256, 512, 1024, 2048, 4096, 8192, 15360)
BODY_MAX, U64_MAX, NO_VIEW = 15261, 2**53 - 1, bytes(24)
SPACES = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
BAD = (ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error, InvalidTag, InvalidSignature)
LATER = ("gap", "too-fast", "unavailable")

# ---- Control messages of the relay (section 4.2): the fields of each ("?": may be missing), and how values look
FIELDS = {t: fields.split() for t, fields in {
    "welcome": "version software pingIntervalMs frameBytesMax ackReplicas", "members": "id room members next?",
    "left": "id room", "log": "id room epoch seq count missed? more", "position": "room epoch seq", "was": "epoch seq",
    "reset": "room epoch seq was",
    "joined": "id room epoch seq counter count members next? charter? quiet?", "count": "room count quiet",
    "charter": "room charter rules", "pair": "charter rules", "signed": "doc key signature", "expelled": "room why",
    "profiled": "id room", "chartered": "id room", "kicked": "id room", "pong": "id", "refused": "id? code message retryMs?", "relay": "state",
    "arrived": "room member", "departed": "room session why", "ack": "room session counter seq", "goaway": "afterMs",
    "nack": "room session counter code last? retryMs?", "member": "id room member",
    "seat": "session tag profile counter since"}.items()}
HEX = {"room": 32, "session": 32, "tag": 32, "epoch": 16, "key": 64, "signature": 128}
WORDS = {"why": "left|lost|kicked|banned", "doc": "[ -~]{1,28672}", "state": "ready|degraded", "code": "[a-z-]+", "software": "[!-~]{1,64}", "next": "[ -~]+",
         "message": "[ -~]{0,256}", "profile": "[A-Za-z0-9_-]{43,683}"}
WORDS |= {field: "[0-9a-f]{%d}" % digits for field, digits in HEX.items()}

def need(condition, what):
    if not condition:
        raise ValueError(what)

def check_fields(t, message):
    need({f for f in FIELDS[t] if f[-1] != "?"} <= message.keys() <= {f.rstrip("?") for f in FIELDS[t]}, "other fields")
    for name, value in message.items():
        if name in ("member", "members"):
            for member in value if name == "members" else [value]:
                check_fields("seat", member)
        elif name == "was":
            check_fields("was", value)
        elif name in ("charter", "rules"):
            check_fields("pair" if "charter" in value else "signed", value)
        elif name in ("more", "quiet"):
            need(type(value) is bool, name)
        elif name in WORDS:
            need(isinstance(value, str) and re.fullmatch(WORDS[name], value), name)
        else:
            need(type(value) is int and 0 <= value <= U64_MAX, name)

def read_control(data, room):
    need(len(data) <= 131072, "too long")
    message = json.loads(data.decode("ascii"))
    t = message.pop("t")
    check_fields(t, message)
    need(message.get("room", room) == room or t == "nack", "room")
    return t, message

# ---- Crypto, suite 1 (section 12)
def label(text):
    return b"PyChat/1.1 " + text.encode() + b"\0"

def sha(data):
    return hashlib.sha256(data).digest()

def mac(key, data):
    return hmac.digest(key, data, "sha256")

def expand(key, info, length):
    out, block = b"", b""
    while len(out) < length:
        block = mac(key, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]

def short(data):
    text = base64.b32encode(data[:5]).decode().lower()
    return text[:4] + "-" + text[4:]

def clean(text, limit, refused):
    need(0 < len(text.encode("utf-8", "surrogatepass")) <= limit, "length")
    need(all(unicodedata.category(c) not in refused for c in text), "character")
    return text

def display_name(text, form=lambda text: unicodedata.normalize("NFC", text)):
    return clean(SPACES.sub(" ", form(text)).strip(" "), 64, ("Cc", "Cf", "Cs", "Co", "Cn"))

def normal_name(text):
    nfkc = lambda text: unicodedata.normalize("NFKC", text)
    return display_name(text, lambda text: nfkc(nfkc(text).lower())).encode()

def normal_pin(text):
    text = "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", text))
    return clean(text, 128, ("Cc", "Cs", "Co", "Cn")).encode()

def pin_of(typed):
    words = re.split("[-" + SPACES.pattern[1:], SPACES.sub(" ", typed).strip(" ").lower())
    is_code = len(words) >= 5 and set(words) <= set(Mnemonic("english").wordlist)
    return normal_pin("-".join(words) if is_code else typed)

def sender_keys(keys):
    return keys[:16], keys[16:28], keys[28:]

def verify(pk, signature, data):
    Ed25519PublicKey.from_public_bytes(pk).verify(signature, data)

def bucket(length):
    return next((size for size in BUCKETS if size >= length), None)

class Room:
    def __init__(self, server, pin):
        name = normal_name(server)
        salt = sha(label("salt") + struct.pack(">H", len(name)) + name)[:16]
        prk = mac(label("extract"), hash_secret_raw(pin_of(pin), salt, 3, 65536, 4, 32, Type.ID, 19))
        self.id, self.key = expand(prk, label("rid"), 16), expand(prk, label("room"), 32)
        self.tag_key, self.seal_key = expand(prk, label("nametag"), 32), expand(prk, label("seal"), 32)

    def tag(self, name):
        return mac(self.tag_key, label("nametag") + normal_name(name))[:16]

    def profile_keys(self, session, version, tag):
        keys = sender_keys(expand(self.seal_key, label("profile") + session + version, 44))
        return keys, label("profile") + self.id + session + tag + version + keys[2]

    def seal_profile(self, me, name):
        version, tag = struct.pack(">I", 1), self.tag(name)
        (key, nonce, commitment), aad = self.profile_keys(me.id, version, tag)
        shown = display_name(name).encode()
        text = bytes([1, len(shown)]) + shown + me.pk + b"\0"
        text += me.signer.sign(label("profile sign") + self.id + me.id + tag + version + sha(text))
        return version + commitment + AESGCM(key).encrypt(nonce, text.ljust(256, b"\0"), aad)

    def open_profile(self, session, tag, sealed):
        version = sealed[:4]
        need(len(sealed) == 292 and any(version), "profile length or version")
        (key, nonce, commitment), aad = self.profile_keys(session, version, tag)
        need(hmac.compare_digest(commitment, sealed[4:20]), "commitment")
        text = AESGCM(key).decrypt(nonce, sealed[20:], aad)
        name_end = 2 + text[1]
        pk, at = text[name_end:name_end + 32], name_end + 32
        end = at + 1 + text[at] if at < 256 else 256
        need(text[0] == 1 and end + 64 <= 256 and not any(text[end + 64:]), "profile layout")
        at += 1
        while at < end:
            need(at + 2 <= end and at + 2 + text[at + 1] <= end, "extensions")
            at += 2 + text[at + 1]
        verify(pk, text[end:end + 64], label("profile sign") + self.id + session + tag + version + sha(text[:end]))
        name = text[2:name_end].decode()
        need(display_name(name) == name and self.tag(name) == tag, "name")
        return name, pk

    def frame_keys(self, pk, session, counter):
        key, base, commitment = sender_keys(expand(self.key, label("sender") + session + pk, 44))
        return key, bytes(a ^ b for a, b in zip(base, struct.pack(">IQ", 0, counter))), commitment

    def seal_frame(self, me, counter, body, view, now):
        key, nonce, commitment = self.frame_keys(me.pk, me.id, counter)
        header = struct.pack(">BB16sQ16s", 1, 1, me.id, counter, commitment)
        text = struct.pack(">BH", 1, len(body)) + body + struct.pack(">Q", now) + view
        text += me.signer.sign(label("frame sign") + self.id + header + sha(text))
        text = text.ljust(bucket(len(text)), b"\0")
        return header + AESGCM(key).encrypt(nonce, text, label("frame") + self.id + header)

    def open_frame(self, pk, frame):
        header = frame[:42]
        _, _, session, counter, claimed = struct.unpack(">BB16sQ16s", header)
        key, nonce, commitment = self.frame_keys(pk, session, counter)
        need(hmac.compare_digest(commitment, claimed), "commitment")
        text = AESGCM(key).decrypt(nonce, frame[42:], label("frame") + self.id + header)
        kind, length = struct.unpack(">BH", text[:3])
        end = 3 + length + 8 + 24
        need(bucket(end + 64) == len(text) and not any(text[end + 64:]), "padding")
        verify(pk, text[end:end + 64], label("frame sign") + self.id + header + sha(text[:end]))
        need(max(struct.unpack(">Q8xQ", text[end - 32:end - 8])) <= U64_MAX, "time or view")
        return (text[3:3 + length].decode() if kind == 1 else None), text[end - 24:end]

class Session:
    def __init__(self):
        self.id, self.secret, self.signer = os.urandom(16), os.urandom(16), Ed25519PrivateKey.generate()
        self.pk = self.signer.public_key().public_bytes_raw()

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

# ---- The client: one room, one connection, one frame on its way at a time
def tell(type, stream=sys.stdout, **fields):
    print(json.dumps({"type": type} | fields), file=stream, flush=True)

def warn(code, **fields):
    tell("warning", sys.stderr, code=code, **fields)

def fail(code):
    tell("error", code=code)
    os._exit(3 if code == "name-taken" else 4)  # the thread that reads stdin may still wait for a line

class Client:
    def __init__(self, url, room, name):
        self.room, self.name, self.me = room, name, Session()
        self.profile = base64.urlsafe_b64encode(room.seal_profile(self.me, name)).decode().rstrip("=")
        self.lock, self.requests, self.ready, self.ended = threading.RLock(), 0, False, False
        self.roster, self.pks, self.counters, self.early, self.waiting = {}, {}, {}, [], []
        self.texts, self.flight, self.counter = collections.deque(), None, 0
        self.kept, self.log = collections.deque(maxlen=256), None
        self.catching_up, self.left, self.more, self.live = False, 0, False, []
        self.gone, self.nobodies, self.asked = {}, set(), (None, None)
        self.ws = websocket.create_connection(url, timeout=50, suppress_origin=True)

    # Sending
    def request(self, t, **fields):
        self.requests += 1
        self.ws.send(json.dumps({"t": t, "id": self.requests, "room": self.room.id.hex()} | fields))

    def join(self):
        tag = self.room.tag(self.name)
        self.request("join", session=self.me.id.hex(), secret=self.me.secret.hex(), tag=tag.hex(), profile=self.profile)

    def read_stdin(self):
        for line in sys.stdin:
            self.push(line.rstrip("\n").encode())
        self.push(None)

    def push(self, body):
        with self.lock:
            self.ended = body is None
            self.texts.extend([] if self.ended else [body])
            self.pump()

    def pump(self):
        """Seals and sends the next text when nothing is on its way; leaves after the last one."""
        if self.ready and not self.flight and self.texts:
            body = self.texts.popleft()
            if len(body) > BODY_MAX or 58 + bucket(len(body) + 99) > self.frame_max:
                fail("too-long")
            self.counter += 1
            self.flight = self.room.seal_frame(self.me, self.counter, body, self.log.view(), int(time.time() * 1000))
            self.ws.send_binary(self.flight)
        elif self.ready and not self.flight and self.ended:
            self.request("leave")

    # Members
    def identify(self, member):
        """Session, name and key of somebody whose profile is true, else None."""
        session, tag, sealed = bytes.fromhex(member["session"]), bytes.fromhex(member["tag"]), member["profile"]
        try:
            profile = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            need(base64.urlsafe_b64encode(profile).decode().rstrip("=") == sealed, "spare bits")
            name, pk = self.room.open_profile(session, tag, profile)
        except BAD as error:
            return warn("bad-profile", why=repr(error))
        if self.pks.setdefault(tag, pk) != pk:
            warn("other-key", user=name)
        return session, name, pk

    def admit(self, member):
        known = self.identify(member)
        if known:
            session, name, pk = known
            if self.ready and session not in self.roster:
                tell("joined", user=name)
            self.roster[session] = name, pk

    def on_members(self, message):
        for member in message["members"]:
            self.admit(member)
        if "next" in message:
            return self.request("members", after=message["next"])
        self.ready = True
        tell("ready", room=short(self.room.id), users=[name for name, _ in self.roster.values()])
        for handle, argument in self.early:
            handle(argument)
        self.pump()

    def on_arrived(self, message):
        if message["member"]["session"] != self.me.id.hex():
            self.admit(message["member"])

    def on_departed(self, message):
        session = bytes.fromhex(message["session"])
        if session != self.me.id and session in self.roster:
            tell("left", user=self.roster.pop(session)[0])

    def ask(self, session):
        """Who spoke and is not in the roster (7.1); frames wait in their order until we know."""
        self.request("member", session=session.hex())
        self.asked = self.requests, session

    def on_member(self, message):
        need(message["id"] == self.asked[0], "member that was not asked for")
        session = self.asked[1]
        known = self.identify(message["member"])
        if known and known[0] == session:
            self.gone[session] = known[1:]
        self.go_on(session)

    def go_on(self, session):
        if session not in self.gone and session not in self.roster:
            self.nobodies.add(session)
        self.asked = None, None
        waiting, self.waiting = self.waiting, []
        for seq, frame in waiting:
            self.show(seq, frame)

    # Other control messages
    def on_welcome(self, message):
        need(message["version"] == 1, "version")
        self.ws.settimeout(2 * message["pingIntervalMs"] / 1000)
        self.frame_max, self.ack_replicas = message["frameBytesMax"], message["ackReplicas"]
        self.join()

    def on_joined(self, message):
        self.log = Log(bytes.fromhex(message["epoch"]), message["seq"])
        self.on_members(message)

    def on_expelled(self, message):
        fail(message["why"])

    def on_left(self, _):
        self.ws.send_close(1000)
        os._exit(0)

    def on_refused(self, message):
        number, session = self.asked
        if number is None or message.get("id") != number:
            fail(message["code"])
        if message["code"] not in LATER:
            return self.go_on(session)
        time.sleep(message.get("retryMs", 1000) / 1000)
        self.ask(session)

    def on_ack(self, message):
        self.acknowledge(bytes.fromhex(message["session"]), message["counter"])

    def on_nack(self, message):
        if message["code"] not in LATER:
            fail(message["code"])
        if message["code"] != "gap":
            time.sleep(message.get("retryMs", 1000) / 1000)
        self.send_after(message["last"] if message["code"] == "gap" else message["counter"] - 1)

    def send_after(self, last):
        """Everything behind this counter again, the same bytes (6.2)."""
        for counter, frame, _ in self.kept:
            if counter > last:
                self.ws.send_binary(frame)
        if self.flight:
            self.ws.send_binary(self.flight)

    # Catching up (section 7)
    def catch_up(self):
        if not self.catching_up:
            self.catching_up = True
            self.request("log", epoch=self.log.epoch.hex(), seq=self.log.last)

    def on_log(self, message):
        need(self.catching_up and not self.left, "log that was not asked for")
        epoch, seq = bytes.fromhex(message["epoch"]), message["seq"]
        if message.get("missed") != 0:
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

    def on_relay(self, message):
        warn("relay", **message)

    on_goaway = on_relay

    def on_count(self, _):
        pass

    on_charter = on_count

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
        known = self.roster.get(session) or self.gone.get(session)
        if self.asked[0] or not known and session not in self.nobodies:
            self.waiting.append((seq, frame))
            if not self.asked[0]:
                self.ask(session)
            return
        if not known:
            return warn("bad-frame", seq=seq, why="its sender is unknown")
        name, pk = known
        last, epoch = self.counters.get(session, (0, self.log.epoch))
        if counter <= last and epoch != self.log.epoch:
            return  # Its sender repairs a loss of the relay (7.4).
        try:
            need(last < counter <= U64_MAX, "replay")
            text, view = self.room.open_frame(pk, frame)
        except BAD as error:
            return warn("bad-frame", seq=seq, why=repr(error))
        self.counters[session] = counter, self.log.epoch
        if not self.log.agrees(view, seq):
            warn("fork", seq=seq, user=name)
        if text is not None:
            tell("message", **{"from": name}, text=text, seq=seq)
        if not self.ack_replicas:
            self.acknowledge(session, counter)

    def acknowledge(self, session, counter):
        if self.flight and session == self.me.id and counter >= self.counter:
            self.kept.append((self.counter, self.flight, time.time()))
            self.flight = None
            self.pump()

    # Connection
    def receive(self):
        opcode, data = self.ws.recv_data()
        with self.lock:
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                fail("closed-%d" % struct.unpack(">H", data[:2] or b"\x03\xed"))
            try:
                t, argument = ("delivery", data) if opcode == 2 else read_control(data, self.room.id.hex())
                if t in ("delivery", "arrived", "departed", "position", "reset") and not self.ready:
                    self.early.append((getattr(self, "on_" + t), argument))
                else:
                    getattr(self, "on_" + t)(argument)
            except BAD as error:
                warn("bad-message", why=repr(error))

    def run(self):
        self.ws.send(json.dumps({"t": "hello", "version": 1, "software": "stranger/1"}))
        threading.Thread(target=self.read_stdin, daemon=True).start()
        while True:
            self.receive()

def main():
    parser = argparse.ArgumentParser()
    for option in ("--relay", "--server", "--user"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    sys.stdin.reconfigure(encoding="utf-8")
    try:
        Client(options.relay, Room(options.server, os.environ["PYCHAT_PIN"]), options.user).run()
    except ValueError:
        fail("bad-name-or-pin")
    except (OSError, websocket.WebSocketException):
        fail("connection-lost")

if __name__ == "__main__":
    main()
