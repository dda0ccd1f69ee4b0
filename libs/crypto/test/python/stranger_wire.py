# The wire and the crypto of the stranger's client (stranger.py): docs/protocol.md, sections 2, 4, 5, 12, 16 and 17, read by
# somebody who had seen nothing else. Everything that is wrong with what came raises one of BAD.
import base64, collections, hashlib, hmac, json, os, re, struct, unicodedata

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mnemonic import Mnemonic

BUCKETS = (256, 512, 1024, 2048, 4096, 8192, 15360)
BODY_MAX, U64_MAX, NO_VIEW, NO_EPOCH = 15261, 2**53 - 1, bytes(24), bytes(8)
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

def read_control(data):
    need(len(data) <= 131072, "too long")
    message = json.loads(data.decode("ascii"))
    t = message.pop("t")
    check_fields(t, message)
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

def extract(salt, ikm):
    return mac(salt, ikm)

class Room:
    def __init__(self, prk):
        self.id, self.key = expand(prk, label("rid"), 16), expand(prk, label("room"), 32)
        self.tag_key, self.seal_key = expand(prk, label("nametag"), 32), expand(prk, label("seal"), 32)
        self.derive_key = expand(prk, label("derive"), 32)

    @classmethod
    def of(cls, server, pin):
        name = normal_name(server)
        salt = sha(label("salt") + struct.pack(">H", len(name)) + name)[:16]
        return cls(extract(label("extract"), hash_secret_raw(pin_of(pin), salt, 3, 65536, 4, 32, Type.ID, 19)))

    def tag(self, name):
        return mac(self.tag_key, label("nametag") + normal_name(name))[:16]

    def profile_keys(self, session, version, tag):
        keys = sender_keys(expand(self.seal_key, label("profile") + session + version, 44))
        return keys, label("profile") + self.id + session + tag + version + keys[2]

    def seal_profile(self, me, name, version=1):
        version, tag = struct.pack(">I", version), self.tag(name)
        (key, nonce, commitment), aad = self.profile_keys(me.id, version, tag)
        shown = display_name(name).encode()
        text = bytes([1, len(shown)]) + shown + me.pk + b"\x22\x01\x20" + me.box_pk
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
        found = {}
        while at < end:
            need(at + 2 <= end and at + 2 + text[at + 1] <= end, "extensions")
            need(text[at] not in (1, 2) or text[at] not in found, "extension twice")
            found[text[at]], at = text[at + 2:at + 2 + text[at + 1]], at + 2 + text[at + 1]
        need(len(found.get(1, bytes(32))) == 32 and len(found.get(2, b"")) <= 57, "extension length")
        verify(pk, text[end:end + 64], label("profile sign") + self.id + session + tag + version + sha(text[:end]))
        name = text[2:name_end].decode()
        need(display_name(name) == name and self.tag(name) == tag, "name")
        return Person(name, pk, found.get(1), found[2].decode() if 2 in found else None)

    def frame_keys(self, pk, session, counter):
        key, base, commitment = sender_keys(expand(self.key, label("sender") + session + pk, 44))
        return key, bytes(a ^ b for a, b in zip(base, struct.pack(">IQ", 0, counter))), commitment

    def seal_frame(self, me, counter, kind, body, view, now):
        key, nonce, commitment = self.frame_keys(me.pk, me.id, counter)
        header = struct.pack(">BB16sQ16s", 1, 1, me.id, counter, commitment)
        text = struct.pack(">BH", kind, len(body)) + body + struct.pack(">Q", now) + view
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
        body = text[3:3 + length]
        need(kind != 1 or body.decode() is not None, "text")
        return kind, body, text[end - 24:end]

Person = collections.namedtuple("Person", "name pk box away")

class Session:
    """One session in one room; several rooms of one client share the signer (12.5)."""
    def __init__(self, signer, id=None, secret=None, box_seed=None):
        self.id, self.secret, self.signer = id or os.urandom(16), secret or os.urandom(16), signer
        self.pk = self.signer.public_key().public_bytes_raw()
        self.box = X25519PrivateKey.from_private_bytes(box_seed or os.urandom(32))
        self.box_pk = self.box.public_key().public_bytes_raw()

    def proof(self, room_id):
        return self.signer.sign(label("join") + room_id + self.id + sha(self.secret))

# ---- Members and charters (section 16)
def member_signer(identity, root):
    entropy = expand(identity, label("member") + root, 16)
    return Ed25519PrivateKey.from_private_bytes(expand(extract(label("member key"), entropy), label("member key"), 32))

def member_id(pk):
    return sha(label("member id") + pk)[:16].hex()

def fingerprint(pk):
    return short(sha(label("fingerprint") + pk))

CHARTER = ["schema", "root", "version", "owner", "ops", "handovers"]
RULES = ["schema", "root", "room", "version", "lock", "limit", "history", "moved", "bans", "muted", "admitted", "sealed"]
KEY, ID, SIGNATURE = "[0-9a-f]{64}", "[0-9a-f]{32}", "[0-9a-f]{128}"

def is_like(pattern, *values):
    return all(isinstance(value, str) and re.fullmatch(pattern, value) for value in values)

def is_number(value, low, high=U64_MAX):
    return type(value) is int and low <= value <= high

def unbase(text):
    need(is_like("[A-Za-z0-9_-]*", text), "base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(data).decode().rstrip("=") == text, "spare bits")
    return data

def read_document(signed, kind, fields, most):
    need(len(signed["doc"]) <= most and is_like("[ -~]+", signed["doc"]) and is_like(KEY, signed["key"]), "document")
    verify(bytes.fromhex(signed["key"]), bytes.fromhex(signed["signature"]), label(kind + " sign") + signed["doc"].encode())
    value = json.loads(signed["doc"])
    need(list(value) == fields and json.dumps(value, separators=(",", ":")) == signed["doc"], "spelling")
    need(value["schema"] == 1 and is_like(ID, value["root"]) and is_number(value["version"], 1), kind)
    return value

def differ(values):
    need(len(set(values)) == len(values), "something twice")
    return values

def read_charter(pair, room_id):
    """Charter and rules that are true in themselves (16.5), as one dictionary; else ValueError and its like."""
    charter = read_document(pair["charter"], "charter", CHARTER, 8192)
    rules = read_document(pair["rules"], "rules", RULES, 28672)
    owner, ops, chain = charter["owner"], charter["ops"], charter["handovers"]
    need(is_like(KEY, owner, *ops) and len(ops) <= 32 and len(chain) <= 8 and rules["root"] == charter["root"], "charter")
    need(rules["room"] == room_id.hex() and is_number(rules["limit"], 0, 100000), "room")
    need(all(type(rules[flag]) is bool for flag in ("lock", "history", "moved")), "flags")
    need(all(list(ban) == ["id", "until"] and is_number(ban["until"], 0) for ban in rules["bans"]), "bans")
    bans = differ([ban["id"] for ban in rules["bans"]])
    need(len(bans) <= 128 and len(differ(rules["muted"])) <= 128 and is_like(ID, *bans, *rules["muted"]), "lists")
    admitted = unbase(rules["admitted"])
    need(len(admitted) % 16 == 0 and len(admitted) <= 4096 and len(unbase(rules["sealed"])) <= 6192, "lists")
    admitted = differ([admitted[at:at + 16].hex() for at in range(0, len(admitted), 16)])
    above = {member_id(bytes.fromhex(key)) for key in differ([owner] + ops)}
    need(not above & set(bans + rules["muted"]), "rank")
    need(pair["charter"]["key"] == owner and pair["rules"]["key"] in [owner] + ops, "signers")
    for number, each in enumerate(chain):
        need(list(each) == ["version", "from", "to", "signature"] and is_like(KEY, each["from"], each["to"]), "handover")
        need(is_number(each["version"], 1) and is_like(SIGNATURE, each["signature"]), "handover")
        need(each["from"] != each["to"], "handover to oneself")
        follows = number == 0 or (chain[number - 1]["to"] == each["from"] and chain[number - 1]["version"] < each["version"])
        need(follows, "handover")
        verify(bytes.fromhex(each["from"]), bytes.fromhex(each["signature"]), label("handover")
               + bytes.fromhex(charter["root"]) + struct.pack(">Q", each["version"]) + bytes.fromhex(each["to"]))
    need(not chain or (chain[-1]["to"] == owner and chain[-1]["version"] <= charter["version"]), "handovers")
    return {"charter": charter, "rules": rules, "docs": [pair["charter"]["doc"], pair["rules"]["doc"]],
            "bans": {ban["id"]: ban["until"] for ban in rules["bans"]}, "admitted": admitted}

def judge(trusted, new):
    """ok, same, old or foreign (16.5)."""
    if trusted is None:
        return "ok"
    now, then = trusted["charter"], new["charter"]
    if now["root"] != then["root"]:
        return "foreign"
    if now["owner"] != then["owner"]:
        if any(each["from"] == then["owner"] and each["version"] > then["version"] for each in now["handovers"]):
            return "old"
        if all(each["from"] != now["owner"] or each["version"] <= now["version"] for each in then["handovers"]):
            return "foreign"
    parts = [0] if trusted["rules"]["room"] != new["rules"]["room"] else [0, 1]
    versions = [[each["charter"]["version"], each["rules"]["version"]] for each in (trusted, new)]
    for part in parts:
        if versions[1][part] < versions[0][part]:
            return "old"
        if versions[1][part] == versions[0][part] and trusted["docs"][part] != new["docs"][part]:
            return "old"
    is_same = len(parts) == 2 and versions[0] == versions[1]
    return "same" if is_same else "ok"

def open_rules(room, root, sealed):
    data = unbase(sealed)
    size = len(data) - 48
    need(size in (256, 512, 1024, 2048, 4096, 6144), "size")
    key, nonce, commitment = sender_keys(expand(room.seal_key, label("rules") + data[:16], 44))
    need(hmac.compare_digest(commitment, data[16:32]), "commitment")
    padded = AESGCM(key).decrypt(nonce, data[32:], label("rules") + root + data[:32])
    text = padded.rstrip(b"\0")
    need(min(n for n in (256, 512, 1024, 2048, 4096, 6144) if n >= len(text)) == size, "padding")
    value = json.loads(text.decode())
    need(set(value) == {"motd", "people", "channels"} and len(value["motd"].encode()) <= 2000, "text")
    need(len(value["channels"]) <= 64 and is_like(ID, *value["people"]), "text")
    return value

# ---- Rooms out of rooms (section 17)
def agree(own, public):
    return own.exchange(X25519PublicKey.from_public_bytes(public))  # ValueError when it would be all zero

def pair_room(room, me, session, person):
    need(session != me.id, "oneself")
    (low, low_pk), (high, high_pk) = sorted([(me.id, me.pk), (session, person.pk)])
    return Room(extract(label("pair"), agree(me.box, person.box) + room.id + low + high + low_pk + high_pk))

def call_of(room, pair, caller, callee):
    return mac(pair.seal_key, label("call") + room.id + caller + callee)[:16]

def channel_room(parent, name):
    name = normal_name(name)
    need(len(name) <= 32 and not re.search(rb"[#/, ]", name), "channel name")
    return Room(extract(label("extract"), expand(parent.derive_key, label("channel") + struct.pack(">H", len(name)) + name, 32)))

def moved_room(secret):
    return Room(extract(label("move"), secret))

def open_move(room, me, body):
    need(len(body) >= 48 and len(body) % 64 == 48 and len(body) <= 48 + 230 * 64, "move")
    move, e = body[:16], body[16:48]
    for at in range(48, len(body), 64):
        if body[at:at + 16] == me.id:
            keys = expand(extract(label("move wrap"), agree(me.box, e)), label("move wrap") + room.id + move + e + me.id, 28)
            return AESGCM(keys[:16]).decrypt(keys[16:], body[at + 16:at + 64], label("move wrap") + room.id + move + me.id)
    return None
