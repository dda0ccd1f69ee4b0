"""PyChat crypto v1 (suite 1, KDF profile 1) a second time, written from the specification alone.

It exists to disagree with libs/crypto/src when one of the two is wrong, so nothing here is translated from there.
Only for tests: it takes no care to run in constant time.
"""
import base64
import hashlib
import hmac
import re
import struct
import unicodedata

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mnemonic import Mnemonic

BUCKETS = (256, 512, 1024, 2048, 4096, 8192, 15360)
WORDS = set(Mnemonic("english").wordlist)
NO_VIEW = bytes(24)

# Unicode property White_Space (PropList.txt); Python's str.isspace is a different set.
WHITE = "\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
WHITE_RUN = re.compile(f"[{WHITE}]+")
CODE_GAP = re.compile(f"[{WHITE}-]+")


class Refused(Exception):
    """Input or bytes that the specification refuses; the text is the code or the reason."""


def L(purpose):
    return b"PyChat/1.1 " + purpose.encode("ascii") + b"\x00"


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def sha256(data):
    return hashlib.sha256(data).digest()


def extract(salt, ikm):
    return hmac.new(salt, ikm, hashlib.sha256).digest()


def expand(key, info, length):
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=info).derive(key)


def short_code(data):
    text = base64.b32encode(data[:5]).decode("ascii").lower()
    return text[:4] + "-" + text[4:]


# Names and PINs


def _check(text, kind, forbidden, limit):
    if text == "":
        raise Refused(kind + "-empty")
    if any(unicodedata.category(c) in forbidden for c in text):
        raise Refused(kind + "-character")
    if len(text.encode("utf-8")) > limit:
        raise Refused(kind + "-too-long")
    return text


def _name(text):
    return _check(WHITE_RUN.sub(" ", text).strip(" "), "name", ("Cc", "Cf", "Cs", "Co", "Cn"), 64)


def normalize_name(text):
    return _name(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower()))


def display_name(text):
    return _name(unicodedata.normalize("NFC", text))


def canonical_pin(text):
    words = CODE_GAP.split(re.sub(f"^[{WHITE}]+|[{WHITE}]+$", "", text).lower())
    if len(words) >= 5 and all(word in WORDS for word in words):
        pin = "-".join(words)
    else:
        pin = "".join(" " if unicodedata.category(c) == "Zs" else c for c in unicodedata.normalize("NFC", text))
    return _check(pin, "pin", ("Cc", "Cs", "Co", "Cn"), 128)


# Key schedule


class Room:
    def __init__(self, prk):
        self.rid = expand(prk, L("rid"), 16)
        self.room_key = expand(prk, L("room"), 32)
        self.name_tag_key = expand(prk, L("nametag"), 32)
        self.seal_key = expand(prk, L("seal"), 32)
        self.derive_key = expand(prk, L("derive"), 32)

    @classmethod
    def of(cls, server_name, pin):
        name = normalize_name(server_name).encode("utf-8")
        salt = sha256(L("salt") + u16(len(name)) + name)[:16]
        mk = hash_secret_raw(
            canonical_pin(pin).encode("utf-8"), salt, time_cost=3, memory_cost=65536, parallelism=4, hash_len=32,
            type=Type.ID, version=0x13,
        )
        return cls(extract(L("extract"), mk))

    def tag(self, username):
        name = normalize_name(username).encode("utf-8")
        return hmac.new(self.name_tag_key, L("nametag") + name, hashlib.sha256).digest()[:16]


class Session:
    def __init__(self, sid, secret, seed):
        self.sid = sid
        self.secret = secret
        self.seed = seed
        self.signing_key = Ed25519PrivateKey.from_private_bytes(seed)
        self.pk = self.signing_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint(pk):
    return short_code(sha256(L("fingerprint") + pk))


def _verify(pk, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(pk).verify(signature, message)
    except InvalidSignature:
        raise Refused("signature") from None


def _decrypt(key, nonce, sealed, aad):
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise Refused("tag") from None


# Frames


def frame_keys(room, sid, pk):
    block = expand(room.room_key, L("sender") + sid + pk, 44)
    return block[:16], block[16:28], block[28:]


def frame_nonce(base, counter):
    return bytes(a ^ b for a, b in zip(base, bytes(4) + u64(counter)))


def view_bytes(view):
    return NO_VIEW if view is None else view[0] + u64(view[1]) + view[2]


def seal_frame(room, session, counter, kind, body, sent_at, view, *, bucket=None, pad=b"\x00", spoil=b"", sid=None,
               commitment=None):
    """The keyword arguments make frames that are sealed well and yet have to be refused."""
    key, base, own_commitment = frame_keys(room, session.sid, session.pk)
    header = bytes([1, 1]) + (sid or session.sid) + u64(counter) + (commitment or own_commitment)
    content = bytes([kind]) + u16(len(body)) + body + u64(sent_at) + view_bytes(view)
    signature = session.signing_key.sign(L("frame sign") + room.rid + header + sha256(content) + spoil)
    size = bucket or next(b for b in BUCKETS if b >= len(content) + 64)
    plaintext = (content + signature).ljust(size, pad)
    return header + AESGCM(key).encrypt(frame_nonce(base, counter), plaintext, L("frame") + room.rid + header)


def open_frame(room, sid, pk, frame):
    header, sealed = frame[:42], frame[42:]
    if len(header) < 42 or header[:2] != b"\x01\x01" or header[2:18] != sid:
        raise Refused("header")
    if len(sealed) - 16 not in BUCKETS:
        raise Refused("length")
    counter = struct.unpack(">Q", header[18:26])[0]
    if not 1 <= counter <= 2**24:
        raise Refused("counter")
    key, base, commitment = frame_keys(room, sid, pk)
    if header[26:42] != commitment:
        raise Refused("commitment")
    plaintext = _decrypt(key, frame_nonce(base, counter), sealed, L("frame") + room.rid + header)
    kind, length = struct.unpack(">BH", plaintext[:3])
    end = 3 + length + 8 + 24
    if min([b for b in BUCKETS if b >= end + 64], default=0) != len(plaintext):
        raise Refused("bucket")
    if any(plaintext[end + 64:]):
        raise Refused("padding")
    _verify(pk, plaintext[end:end + 64], L("frame sign") + room.rid + header + sha256(plaintext[:end]))
    body = plaintext[3:3 + length]
    if kind == 1:
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("utf-8") from None
    sent_at = struct.unpack(">Q", plaintext[3 + length:11 + length])[0]
    raw = plaintext[11 + length:end]
    view = None if raw == NO_VIEW else (raw[:8], struct.unpack(">Q", raw[8:16])[0], raw[16:])
    if sent_at > 2**53 - 1 or (view is not None and view[1] > 2**53 - 1):
        raise Refused("integer")
    return {"counter": counter, "kind": kind, "body": body, "sentAt": sent_at, "view": view}


def next_chain(chain, frame):
    return sha256(L("chain") + chain + sha256(frame))[:8]


# Profiles


def profile_keys(room, sid, version):
    block = expand(room.seal_key, L("profile") + sid + u32(version), 44)
    return block[:16], block[16:28], block[28:]


def seal_profile(room, session, username, version, *, extensions=b"", layout=1, name=None, pad=b"\x00", spoil=b"",
                 commitment=None):
    """The keyword arguments make profiles of later versions, and ones that have to be refused."""
    shown = (display_name(username) if name is None else name).encode("utf-8", "surrogatepass")
    tag = room.tag(username)
    content = bytes([layout, len(shown)]) + shown + session.pk + bytes([len(extensions)]) + extensions
    bound = room.rid + session.sid + tag + u32(version)
    signature = session.signing_key.sign(L("profile sign") + bound + sha256(content) + spoil)
    key, nonce, own_commitment = profile_keys(room, session.sid, version)
    commitment = commitment or own_commitment
    plaintext = (content + signature).ljust(256, pad)
    sealed = AESGCM(key).encrypt(nonce, plaintext, L("profile") + bound + commitment)
    return u32(version) + commitment + sealed


def read_extensions(data):
    found = {}
    while data:
        if len(data) < 2 or len(data) < 2 + data[1]:
            raise Refused("extensions")
        kind, value, data = data[0], data[2:2 + data[1]], data[2 + data[1]:]
        if kind in (1, 2) and kind in found:
            raise Refused("extension twice")
        found[kind] = value
    if len(found.get(1, bytes(32))) != 32 or len(found.get(2, b"")) > 57:
        raise Refused("extension length")
    try:
        return {"box_pk": found.get(1), "away": found[2].decode("utf-8") if 2 in found else None}
    except UnicodeDecodeError:
        raise Refused("utf-8") from None


def open_profile(room, sid, tag, profile):
    if len(profile) != 292:
        raise Refused("length")
    version = struct.unpack(">I", profile[:4])[0]
    if version == 0:
        raise Refused("version")
    key, nonce, commitment = profile_keys(room, sid, version)
    if profile[4:20] != commitment:
        raise Refused("commitment")
    bound = room.rid + sid + tag + u32(version)
    plaintext = _decrypt(key, nonce, profile[20:], L("profile") + bound + commitment)
    if plaintext[0] != 1:
        raise Refused("layout")
    name_end = 2 + plaintext[1]
    pk = plaintext[name_end:name_end + 32]
    if name_end + 32 >= 256:
        raise Refused("shape")
    end = name_end + 33 + plaintext[name_end + 32]
    if end + 64 > 256 or any(plaintext[end + 64:]):
        raise Refused("shape")
    known = read_extensions(plaintext[name_end + 33:end])
    _verify(pk, plaintext[end:end + 64], L("profile sign") + bound + sha256(plaintext[:end]))
    try:
        name = plaintext[2:name_end].decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("utf-8") from None
    if display_name(name) != name or room.tag(name) != tag:
        raise Refused("name")
    return {"name": name, "pk": pk, "version": version, "fingerprint": fingerprint(pk), **known}
