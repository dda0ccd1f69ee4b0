"""Writes ../vectors/pychat-v1.json: what any implementation of crypto v1 has to derive, seal, open and refuse.

The same file comes out at every run. Characters newer than Unicode 14 are left out on purpose.
"""
import hashlib
import json
import pathlib

import pychat_v1 as p
from pychat_v1 import Refused


def fixed(what, length):
    """Stands in for random bytes."""
    return hashlib.shake_128(b"pychat vectors " + what.encode()).digest(length)


def verdict(fn, text):
    try:
        return {"value": fn(text)}
    except Refused as refused:
        return {"refused": str(refused)}


NAMES = [
    "lobby", "  The   Lobby ", "LOBBY", "Ｌｏｂｂｙ", "ﬁsh", "STRASSE", "straße", "İstanbul", "ΟΔΟΣ", "ὈΔΥΣΣΕΎΣ",
    "Å", "A\u030a", "\u212b", "\u1e9b\u0323", "x\u00a0\u3000y", "tab\there", "two\nlines", "a\u2028b", "\u00a8", "①②", "한글",
    "\u1112\u1161\u11ab", "日本", "👩", "👩\u200d💻", "", "   ", "\u3000", "a\u200bb", "a\u202eb", "a\u0000b", "a\u007fb", "\ufeffbom", "\ue000",
    "\u0378", "\ud800", "a" * 64, "a" * 65, "é" * 32, "é" * 33, "  " + "a" * 64 + "  ", "ﷺ", "ﷺ" * 3, "\u01c5", "\u0345a", "ſ", "K\u0307\u0323",
    "Ǆ", "\u2126", "\u1fbc", "\u03a3", "a\u03a3", "a\u03a3 b", "J\u030c", "H\u0331", "\u0386\u0345", "\u10a0", "\u13a0", "\uab70", "\u2160",
]
PINS = [
    "482133", " 482133 ", "hunter2", "Hunter2", "e\u0301t\u00e9", "a\u00a0b", "a\u3000b", "👩\u200d💻", "",
    " ", "tab\tbed", "\ue000", "\u0378", "\ud800", "x" * 128, "x" * 129, "é" * 64, "é" * 65,
    "abandon-ability-able-about-above-absent", "  Abandon ABILITY  able--about - above\u00a0absent\t", "abandon ability able about above",
    "abandon ability able about", "abandon-ability-able-about-above-", "-abandon-ability-able-about-above", "abandon ability able about abovee",
    "zoo " * 32, "zoo " * 33, "Ｚoo zoo zoo zoo zoo",
]


def room_json(server_name, pin, room):
    return {
        "serverName": server_name, "pin": pin, "id": room.rid.hex(), "roomKey": room.room_key.hex(),
        "nameTagKey": room.name_tag_key.hex(), "sealKey": room.seal_key.hex(), "shortId": p.short_code(room.rid),
    }


def session_json(s):
    return {
        "id": s.sid.hex(), "secret": s.secret.hex(), "seed": s.seed.hex(), "publicKey": s.pk.hex(),
        "fingerprint": p.fingerprint(s.pk),
    }


def view_json(view):
    return None if view is None else {"epoch": view[0].hex(), "seq": view[1], "chain": view[2].hex()}


def main():
    rooms_in = [("Lobby", "482133"), (" ｌｏｂｂｙ ", "482134"), ("Straße 9", "Abandon ability ABLE about above absent"), ("日本", "pass phrase é")]
    rooms = [p.Room.of(*pair) for pair in rooms_in]
    sessions = [p.Session(fixed(f"sid {i}", 16), fixed(f"secret {i}", 16), fixed(f"seed {i}", 32)) for i in range(3)]
    usernames = ["ana", "Ana  B", "ＡＮＡ", "straße", "👩", "n" * 64]

    epoch = fixed("epoch", 8)
    bodies = [b"", "hi".encode(), "grüße 👋".encode(), b"x" * (256 - 99), b"x" * (257 - 99), b"y" * (15360 - 99)]
    views = [None, (epoch, 0, bytes(8)), (epoch, 7, fixed("chain", 8)), (epoch, 2**53 - 1, b"\xff" * 8)]
    frames = []
    for i, body in enumerate(bodies):
        s = i % len(sessions)
        counter = [1, 2, 255, 65536, 2**24, 3][i]
        kind = 200 if i == 3 else 1
        sent_at = [0, 1767225600123, 2**53 - 1][i % 3]
        view = views[i % len(views)]
        frame = p.seal_frame(rooms[i % 2], sessions[s], counter, kind, body, sent_at, view)
        assert p.open_frame(rooms[i % 2], sessions[s].sid, sessions[s].pk, frame)["body"] == body
        frames.append({
            "room": i % 2, "session": s, "counter": counter, "kind": kind, "body": body.hex(), "sentAt": sent_at,
            "view": view_json(view), "frame": frame.hex(),
        })

    def bad_frame(why, counter=9, kind=1, body=b"hi", sent_at=1, view=None, room=rooms[0], **how):
        frame = p.seal_frame(room, sessions[0], counter, kind, body, sent_at, view, **how)
        try:
            p.open_frame(rooms[0], sessions[0].sid, sessions[0].pk, frame)
        except Refused:
            return {"why": why, "frame": frame.hex()}
        raise AssertionError(why)

    bad_frames = [
        bad_frame("padding is not zero", pad=b"\x01"),
        bad_frame("bucket is not the smallest", bucket=512),
        bad_frame("signature is over something else", spoil=b"x"),
        bad_frame("text is not UTF-8", body=b"\xc3\x28"),
        bad_frame("text holds an encoded surrogate", body=b"\xed\xa0\x80"),
        bad_frame("counter is zero", counter=0),
        bad_frame("counter is above the session's limit", counter=2**24 + 1),
        bad_frame("time is above 2^53-1", sent_at=2**53),
        bad_frame("view's seq is above 2^53-1", view=(epoch, 2**53, bytes(8))),
        bad_frame("commitment is another key's", commitment=fixed("commitment", 16)),
        bad_frame("header names another session", sid=sessions[1].sid),
        bad_frame("sealing was for another room", room=rooms[1]),
    ]

    profiles = []
    for i, username in enumerate(usernames):
        for version, extensions in [(1, b""), (2**32 - 1, bytes([9, 3]) + b"new" + bytes([10, 0]))]:
            s = sessions[i % len(sessions)]
            sealed = p.seal_profile(rooms[0], s, username, version, extensions=extensions)
            opened = p.open_profile(rooms[0], s.sid, rooms[0].tag(username), sealed)
            profiles.append({
                "room": 0, "session": i % len(sessions), "username": username, "name": opened["name"],
                "tag": rooms[0].tag(username).hex(), "version": version, "extensions": extensions.hex(),
                "sealed": sealed.hex(),
            })

    def bad_profile(why, username="Ana", version=1, **how):
        sealed = p.seal_profile(rooms[0], sessions[0], username, version, **how)
        try:
            p.open_profile(rooms[0], sessions[0].sid, rooms[0].tag(username), sealed)
        except Refused:
            return {"why": why, "tag": rooms[0].tag(username).hex(), "sealed": sealed.hex()}
        raise AssertionError(why)

    bad_profiles = [
        bad_profile("commitment is another key's", commitment=fixed("commitment", 16)),
        bad_profile("layout is unknown", layout=2),
        bad_profile("version is zero", version=0),
        bad_profile("name is another one than the tag's", name="Bob"),
        bad_profile("name is not in display form", name="Ana "),
        bad_profile("name hides a direction mark", name="Ana\u202e"),
        bad_profile("name begins with a byte order mark", name="\ufeffAna"),
        bad_profile("name is empty", name=""),
        bad_profile("name is not UTF-8", name="\ud800"),
        bad_profile("extension is cut off", extensions=b"\x09\x05new"),
        bad_profile("extension has no length", extensions=b"\x09"),
        bad_profile("padding is not zero", pad=b"\x01"),
        bad_profile("signature is over something else", spoil=b"x"),
    ]

    chain, chains = bytes(8), []
    for row in frames:
        chain = p.next_chain(chain, bytes.fromhex(row["frame"]))
        chains.append(chain.hex())

    out = {
        "about": "PyChat crypto v1; written by test/python/make_vectors.py, not by hand",
        "names": [{"text": t, "normalized": verdict(p.normalize_name, t), "display": verdict(p.display_name, t)} for t in NAMES],
        "pins": [{"text": t, "canonical": verdict(p.canonical_pin, t)} for t in PINS],
        "rooms": [room_json(*pair, room) for pair, room in zip(rooms_in, rooms)],
        "tags": [{"room": i, "username": u, "tag": r.tag(u).hex()} for i, r in enumerate(rooms) for u in usernames],
        "sessions": [session_json(s) for s in sessions],
        "frames": frames, "refusedFrames": bad_frames, "profiles": profiles, "refusedProfiles": bad_profiles,
        "chain": chains,
    }
    target = pathlib.Path(__file__).parent.parent / "vectors" / "pychat-v1.json"
    # ASCII only: lone surrogates and look-alikes stay visible as escapes.
    target.write_text(json.dumps(out, indent=1, ensure_ascii=True) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
