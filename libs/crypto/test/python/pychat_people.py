"""PyChat crypto v1, members and private rooms (docs/protocol.md, sections 12.7, 16 and 17), a second time.

As pychat_v1.py: from the specification alone, to disagree with libs/crypto/src when one of the two is wrong.
"""
import base64
import json
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mnemonic import Mnemonic

from pychat_v1 import (
    AESGCM, L, Refused, Room, _decrypt, _verify, expand, extract, hmac, hashlib, normalize_name, sha256,
    short_code, u16, u64,
)

BIP39 = Mnemonic("english")
RULES_BUCKETS = (256, 512, 1024, 2048, 4096, 6144)
SAFE = 2**53 - 1


def b64(data):
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def unb64(text):
    if not re.fullmatch("[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Refused("base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise Refused("base64url")
    return data


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# Keys (16.1)


def raw_public(private):
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Signer:
    def __init__(self, seed):
        self.seed = seed
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.pk = raw_public(self.private)
        self.id = member_id(self.pk)

    def sign(self, message):
        return self.private.sign(message)


def member_id(pk):
    return sha256(L("member id") + pk)[:16]


def member_entropy(identity, root):
    return expand(identity, L("member") + root, 16)


def member_signer(entropy):
    return Signer(expand(extract(L("member key"), entropy), L("member key"), 32))


def recovery_words(entropy):
    return BIP39.to_mnemonic(entropy)


def entropy_of(words):
    words = re.split(r"[\s-]+", words.strip().lower())
    if len(words) != 12 or not BIP39.check(" ".join(words)):
        raise Refused("words")
    return bytes(BIP39.to_entropy(words))


def verify_words(a, b):
    number = int.from_bytes(sha256(L("verify") + min(a, b) + max(a, b)), "big")
    return " ".join(BIP39.wordlist[number >> (256 - 11 * (i + 1)) & 2047] for i in range(6))


class Member:
    """A session with its member key and its key for private rooms."""

    def __init__(self, sid, secret, signer, box_seed):
        self.sid, self.secret, self.signing_key, self.pk = sid, secret, signer, signer.pk
        self.box = X25519PrivateKey.from_private_bytes(box_seed)
        self.box_pk = raw_public(self.box)


def agree(private, public):
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("all zero") from None


def extensions(box_pk, away=None):
    data = b"\x01\x20" + box_pk
    return data if away is None else data + bytes([2, len(away)]) + away


# Rooms out of rooms (17)


def channel_room(parent, name):
    name = normalize_name(name)
    if re.search("[#/, ]", name) or len(name.encode()) > 32:
        raise Refused("channel-name")
    name = name.encode()
    return Room(extract(L("extract"), expand(parent.derive_key, L("channel") + u16(len(name)) + name, 32)))


def moved_room(secret):
    return Room(extract(L("move"), secret))


def pair_room(room, own, sid, pk, box_pk):
    if sid == own.sid:
        raise Refused("oneself")
    (low, low_pk), (high, high_pk) = sorted([(own.sid, own.pk), (sid, pk)])
    return Room(extract(L("pair"), agree(own.box, box_pk) + room.rid + low + high + low_pk + high_pk))


def call_body(room, pair, caller, callee):
    return hmac.new(pair.seal_key, L("call") + room.rid + caller + callee, hashlib.sha256).digest()[:16]


def _wrap(room, move_id, ephemeral, sid, shared):
    info = L("move wrap") + room.rid + move_id + ephemeral + sid
    block = expand(extract(L("move wrap"), shared), info, 28)
    return block[:16], block[16:], L("move wrap") + room.rid + move_id + sid


def seal_move(room, secret, members, move_id, seed):
    """members: (session id, box key), not more than fit one frame."""
    own = X25519PrivateKey.from_private_bytes(seed)
    body = move_id + raw_public(own)
    for sid, box_pk in members:
        key, nonce, aad = _wrap(room, move_id, raw_public(own), sid, agree(own, box_pk))
        body += sid + AESGCM(key).encrypt(nonce, secret, aad)
    return body


def open_move(room, member, body):
    if len(body) < 48 or (len(body) - 48) % 64 or len(body) > 48 + 230 * 64:
        raise Refused("length")
    move_id, ephemeral = body[:16], body[16:48]
    for at in range(48, len(body), 64):
        if body[at:at + 16] == member.sid:
            key, nonce, aad = _wrap(room, move_id, ephemeral, member.sid, agree(member.box, ephemeral))
            return _decrypt(key, nonce, body[at + 16:at + 64], aad)
    raise Refused("nothing for this session")


# Charter and rules (16)


def _rules_keys(room, root, salt):
    block = expand(room.seal_key, L("rules") + salt, 44)
    return block[:16], block[16:28], block[28:], L("rules") + root + salt + block[28:]


def seal_rules(room, root, text, salt, *, bucket=None, commitment=None):
    """The keyword arguments make what has to be refused. text: JSON."""
    data = text.encode()
    size = bucket or next(size for size in RULES_BUCKETS if size >= len(data))
    key, nonce, own_commitment, aad = _rules_keys(room, root, salt)
    return b64(salt + (commitment or own_commitment) + AESGCM(key).encrypt(nonce, data.ljust(size, b"\0"), aad))


def open_rules(room, root, sealed):
    data = unb64(sealed)
    if len(data) - 48 not in RULES_BUCKETS:
        raise Refused("length")
    key, nonce, commitment, aad = _rules_keys(room, root, data[:16])
    if data[16:32] != commitment:
        raise Refused("commitment")
    plaintext = _decrypt(key, nonce, data[32:], aad)
    text = plaintext.rstrip(b"\0")
    if b"\0" in text or next(size for size in RULES_BUCKETS if size >= len(text)) != len(plaintext):
        raise Refused("padding")
    value = json.loads(text.decode())
    need = lambda ok: ok or _raise("rules text")
    need(value.keys() == {"motd", "people", "channels"} and len(value["motd"].encode()) <= 2000)
    need(isinstance(value["channels"], list) and len(value["channels"]) <= 64)
    for who, note in value["people"].items():
        need(re.fullmatch("[0-9a-f]{32}", who) and {"name", "by"} <= note.keys() <= {"name", "by", "reason"})
    return value


def _raise(why):
    raise Refused(why)


def sign_doc(kind, doc, signer):
    signature = signer.sign(L(kind + " sign") + doc.encode("ascii"))
    return {"doc": doc, "key": signer.pk.hex(), "signature": signature.hex()}


def handover(root, version, giver, to):
    signature = giver.sign(L("handover") + root + u64(version) + to)
    return {"version": version, "from": giver.pk.hex(), "to": to.hex(), "signature": signature.hex()}


def join_proof(room, sid, secret, signer):
    return signer.sign(L("join") + room.rid + sid + sha256(secret))


HEX = {16: re.compile("[0-9a-f]{32}"), 32: re.compile("[0-9a-f]{64}"), 64: re.compile("[0-9a-f]{128}")}


def is_hex(value, size):
    return isinstance(value, str) and HEX[size].fullmatch(value)


def is_number(value, low=0, high=SAFE):
    return type(value) is int and low <= value <= high


def is_list(value, most, is_item):
    return isinstance(value, list) and len(value) <= most and all(is_item(item) for item in value)


def read_doc(signed, kind, most, fields):
    doc = signed["doc"]
    if len(doc) > most or not re.fullmatch("[ -~]*", doc):
        raise Refused("doc")
    try:
        value = json.loads(doc)
    except ValueError:
        raise Refused("JSON") from None
    if not isinstance(value, dict) or list(value) != fields or value["schema"] != 1 or compact(value) != doc:
        raise Refused("spelling")
    if not is_hex(signed["key"], 32) or not is_hex(signed["signature"], 64) or not is_hex(value["root"], 16):
        raise Refused("hex")
    _verify(bytes.fromhex(signed["key"]), bytes.fromhex(signed["signature"]), L(kind + " sign") + doc.encode())
    if not is_number(value["version"], 1):
        raise Refused("version")
    return value


def read_charter(pair):
    charter = read_doc(pair["charter"], "charter", 8192, ["schema", "root", "version", "owner", "ops", "handovers"])
    rules = read_doc(pair["rules"], "rules", 28672, [
        "schema", "root", "room", "version", "lock", "limit", "history", "moved", "bans", "muted", "admitted", "sealed"])
    need = lambda ok, why: ok or _raise(why)
    key = lambda value: is_hex(value, 32)
    member = lambda value: is_hex(value, 16)
    need(key(charter["owner"]) and is_list(charter["ops"], 32, key), "ops")
    need(is_list(charter["handovers"], 8, lambda each: isinstance(each, dict)), "handovers")
    need(rules["root"] == charter["root"] and member(rules["room"]), "room")
    need(all(type(rules[flag]) is bool for flag in ("lock", "history", "moved")), "flags")
    need(is_number(rules["limit"], 0, 100000), "limit")
    need(is_list(rules["bans"], 128, lambda ban: list(ban) == ["id", "until"] and member(ban["id"])
                 and is_number(ban["until"])), "bans")
    need(is_list(rules["muted"], 128, member), "muted")
    admitted = unb64(rules["admitted"])
    need(len(admitted) % 16 == 0 and len(admitted) <= 256 * 16, "admitted")
    need(len(unb64(rules["sealed"])) <= 48 + 6144, "sealed")

    owner, ops = charter["owner"], charter["ops"]
    banned = [ban["id"] for ban in rules["bans"]]
    let_in = [admitted[at:at + 16] for at in range(0, len(admitted), 16)]
    for values in ([owner] + ops, banned, rules["muted"], let_in):
        need(len(set(values)) == len(values), "twice")
    for each in [owner] + ops:
        need(member_id(bytes.fromhex(each)).hex() not in banned + rules["muted"], "rank")
    need(pair["charter"]["key"] == owner and pair["rules"]["key"] in [owner] + ops, "signer")
    last = None
    for each in charter["handovers"]:
        need(list(each) == ["version", "from", "to", "signature"] and is_number(each["version"], 1), "handover")
        need(key(each["from"]) and key(each["to"]) and is_hex(each["signature"], 64), "handover")
        need(each["from"] != each["to"], "handover")
        need(last is None or (each["from"] == last["to"] and each["version"] > last["version"]), "chain")
        message = L("handover") + bytes.fromhex(charter["root"]) + u64(each["version"]) + bytes.fromhex(each["to"])
        _verify(bytes.fromhex(each["from"]), bytes.fromhex(each["signature"]), message)
        last = each
    need(last is None or (last["to"] == owner and last["version"] <= charter["version"]), "chain")
    return {"charter": charter, "rules": rules, "docs": (pair["charter"]["doc"], pair["rules"]["doc"])}


def _newer(current, next_):
    """Versions with their documents: -1 old, 0 same, 1 newer."""
    if current[0] != next_[0]:
        return 1 if next_[0] > current[0] else -1
    return 0 if current[1] == next_[1] else -1


def succeeds(current, next_):
    now, then = current["charter"], next_["charter"]
    if now["root"] != then["root"]:
        return "foreign"
    if now["owner"] != then["owner"]:
        if any(each["from"] == then["owner"] and then["version"] < each["version"] for each in now["handovers"]):
            return "old"
        if not any(each["from"] == now["owner"] and each["version"] > now["version"] for each in then["handovers"]):
            return "foreign"
    charters = _newer((now["version"], current["docs"][0]), (then["version"], next_["docs"][0]))
    if current["rules"]["room"] != next_["rules"]["room"]:
        return "old" if charters < 0 else "ok"
    rules = _newer((current["rules"]["version"], current["docs"][1]), (next_["rules"]["version"], next_["docs"][1]))
    if min(charters, rules) < 0:
        return "old"
    return "ok" if max(charters, rules) > 0 else "same"


# Invites (17.6)


def _check(data):
    return short_code(sha256(L("invite") + data)).replace("-", "")[:6]


def invite(text):
    data = text.encode()
    return f"pychat:{b64(data)}.{_check(data)}"


def read_invite(line):
    line = re.sub(r"\s+", "", line)
    match = re.fullmatch("(?i:pychat:)([A-Za-z0-9_-]+)\\.([a-z2-7]{6})", line)
    if not match:
        raise Refused("invite")
    data = unb64(match[1])
    if _check(data) != match[2]:
        raise Refused("invite")
    return json.loads(data)
