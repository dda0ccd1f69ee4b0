"""Writes ../vectors/pychat-v1-people.json: member keys, charters, channels, private rooms, moves, invites.

The same file comes out at every run.
"""
import json
import pathlib

import pychat_people as q
import pychat_v1 as p
from make_vectors import fixed
from pychat_v1 import Refused


def refused(fn, *args):
    try:
        fn(*args)
    except Refused:
        return True
    return False


def room_json(room):
    return {
        "id": room.rid.hex(), "roomKey": room.room_key.hex(), "nameTagKey": room.name_tag_key.hex(),
        "sealKey": room.seal_key.hex(), "deriveKey": room.derive_key.hex(),
    }


ROOM = p.Room(fixed("people prk", 32))
ROOT = ROOM.rid
ELSEWHERE = p.Room(fixed("elsewhere prk", 32))
IDENTITIES = [fixed(f"identity {i}", 32) for i in range(4)]
ENTROPIES = [q.member_entropy(identity, ROOT) for identity in IDENTITIES]
SIGNERS = [q.member_signer(entropy) for entropy in ENTROPIES]
ALICE, BOB, CAROL, MALLORY = SIGNERS
SESSIONS = [
    q.Member(fixed(f"people sid {i}", 16), fixed(f"people secret {i}", 16), signer, fixed(f"box {i}", 32))
    for i, signer in enumerate(SIGNERS)
]
# RFC 7748 section 6.1: a point of low order, with which every key agrees on zero.
LOW_ORDER = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")


def keys():
    return [{
        "identity": identity.hex(), "root": ROOT.hex(), "entropy": entropy.hex(), "words": q.recovery_words(entropy),
        "seed": signer.seed.hex(), "publicKey": signer.pk.hex(), "id": signer.id.hex(), "fingerprint": p.fingerprint(signer.pk),
    } for identity, entropy, signer in zip(IDENTITIES, ENTROPIES, SIGNERS)]


def words():
    good = q.recovery_words(ENTROPIES[0])
    parts = good.split(" ")
    rows = []
    for text in (good, "  " + good.upper() + "\n", good.replace(" ", "-"), good.replace(" ", "\t\n")):
        assert q.entropy_of(text) == ENTROPIES[0]
        rows.append({"text": text, "entropy": ENTROPIES[0].hex()})
    for text in ("", "abandon " * 12, " ".join(parts[:11]), good + " abandon", " ".join(parts[1:] + parts[:1]), good + "x"):
        assert refused(q.entropy_of, text), text
        rows.append({"text": text, "entropy": None})
    return rows


def sessions():
    return [{
        "key": i, "id": s.sid.hex(), "secret": s.secret.hex(), "boxSeed": seed.hex(), "boxPublicKey": s.box_pk.hex(),
        "proof": q.join_proof(ROOM, s.sid, s.secret, s.signing_key).hex(),
    } for i, s in enumerate(SESSIONS) for seed in [fixed(f"box {i}", 32)]]


def profiles():
    rows = []
    for i, (name, away) in enumerate([("Alice", None), ("Bob", ""), ("n" * 64, "x" * 57), ("Mallory", "zurück um 14 Uhr ☕")]):
        s = SESSIONS[i]
        data = q.extensions(s.box_pk, None if away is None else away.encode())
        sealed = p.seal_profile(ROOM, s, name, i + 1, extensions=data)
        opened = p.open_profile(ROOM, s.sid, ROOM.tag(name), sealed)
        assert (opened["away"], opened["box_pk"]) == (away, s.box_pk)
        rows.append({
            "session": i, "name": name, "away": away, "version": i + 1, "tag": ROOM.tag(name).hex(), "sealed": sealed.hex(),
        })
    return rows


def bad_profiles():
    s, rows = SESSIONS[0], []
    for why, data in [
        ("X25519 key is a byte short", b"\x01\x1f" + bytes(31)),
        ("X25519 key is a byte long", b"\x01\x21" + bytes(33)),
        ("X25519 key is empty", b"\x01\x00"),
        ("X25519 key is there twice", q.extensions(s.box_pk) + b"\x01\x20" + s.box_pk),
        ("away text is there twice", b"\x02\x00\x02\x00"),
        ("away text is too long", b"\x02\x3a" + b"x" * 58),
        ("away text is not UTF-8", b"\x02\x02\xc3\x28"),
    ]:
        sealed = p.seal_profile(ROOM, s, "Alice", 9, extensions=data)
        assert refused(p.open_profile, ROOM, s.sid, ROOM.tag("Alice"), sealed), why
        rows.append({"why": why, "tag": ROOM.tag("Alice").hex(), "sealed": sealed.hex()})
    return rows


def rooms():
    secret = fixed("move secret", 32)
    channels = [{"name": name, **room_json(q.channel_room(ROOM, name))} for name in ("dev", "DEV", "Ｓtraße", "日本", "c" * 32)]
    bad = ["", " ", "two words", "a#b", "#", "a/b", "a,b", "c" * 33, "tab\there"]
    assert all(refused(q.channel_room, ROOM, name) for name in bad)
    nested = q.channel_room(q.moved_room(secret), "dev")
    pairs, calls = [], []
    for a, b in [(0, 1), (1, 0), (0, 2), (2, 1)]:
        own, other = SESSIONS[a], SESSIONS[b]
        pair = q.pair_room(ROOM, own, other.sid, other.pk, other.box_pk)
        pairs.append({"own": a, "other": b, **room_json(pair)})
        calls.append({"caller": a, "callee": b, "body": q.call_body(ROOM, pair, own.sid, other.sid).hex()})
    assert refused(q.pair_room, ROOM, SESSIONS[0], SESSIONS[1].sid, SESSIONS[1].pk, LOW_ORDER)
    return {
        "room": room_json(ROOM), "prk": fixed("people prk", 32).hex(), "channels": channels, "refusedChannels": bad,
        "moved": {"secret": secret.hex(), **room_json(q.moved_room(secret))}, "movedDev": room_json(nested),
        "pairs": pairs, "calls": calls, "lowOrder": LOW_ORDER.hex(),
    }


def moves():
    secret, move_id, seed = fixed("move secret", 32), fixed("move id", 16), fixed("ephemeral", 32)
    to = [0, 2, 3]
    body = q.seal_move(ROOM, secret, [(SESSIONS[i].sid, SESSIONS[i].box_pk) for i in to], move_id, seed)
    for i in to:
        assert q.open_move(ROOM, SESSIONS[i], body) == secret
    alone = q.seal_move(ROOM, secret, [(SESSIONS[0].sid, SESSIONS[0].box_pk)], move_id, seed)
    other = q.seal_move(ROOM, secret, [(SESSIONS[0].sid, SESSIONS[1].box_pk)], move_id, seed)
    bad = [
        ("is empty", b""), ("is a byte short", alone[:-1]), ("is a byte long", alone + b"\0"), ("has no head", alone[:47]),
        ("is for nobody", alone[:48]), ("is for others", q.seal_move(ROOM, secret, [(SESSIONS[1].sid, SESSIONS[1].box_pk)], move_id, seed)),
        ("was wrapped for another key", other), ("is of another room", q.seal_move(ELSEWHERE, secret, [(SESSIONS[0].sid, SESSIONS[0].box_pk)], move_id, seed)),
        ("names another move", bytes(16) + alone[16:]), ("has an ephemeral key of low order", alone[:16] + LOW_ORDER + alone[48:]),
        ("has 231 members", alone[:48] + alone[48:] * 231),
    ]
    for why, data in bad:
        assert refused(q.open_move, ROOM, SESSIONS[0], data), why
    return {
        "secret": secret.hex(), "moveId": move_id.hex(), "ephemeralSeed": seed.hex(), "to": to, "body": body.hex(),
        "refused": [{"why": why, "body": data.hex()} for why, data in bad],
    }


def rules_text(**fields):
    return {"motd": "", "people": {}, "channels": []} | fields


def sealed_rules():
    texts = [
        rules_text(),
        rules_text(motd="Welcome.\nBe kind ☕", people={
            MALLORY.id.hex(): {"name": "Mallory", "reason": "spam", "by": "Bob"}, CAROL.id.hex(): {"name": "Carol", "by": "Alice"},
        }, channels=["dev", "日本"]),
        rules_text(motd="m" * 218), rules_text(motd="m" * 219), rules_text(motd="é" * 1000, channels=["c" * 31 + chr(97 + i) for i in range(26)]),
    ]
    rows = []
    for i, text in enumerate(texts):
        salt = fixed(f"rules salt {i}", 16)
        sealed = q.seal_rules(ROOM, ROOT, q.compact(text), salt)
        assert q.open_rules(ROOM, ROOT, sealed) == text
        rows.append({"text": text, "salt": salt.hex(), "sealed": sealed})
    salt, plain = fixed("rules salt", 16), q.compact(rules_text())
    bad = [
        ("commitment is another key's", q.seal_rules(ROOM, ROOT, plain, salt, commitment=bytes(16))),
        ("bucket is not the smallest", q.seal_rules(ROOM, ROOT, plain, salt, bucket=512)),
        ("size is no bucket", q.seal_rules(ROOM, ROOT, plain, salt, bucket=300)),
        ("padding is not zero", q.seal_rules(ROOM, ROOT, plain + "\0x", salt)),
        ("text is no JSON", q.seal_rules(ROOM, ROOT, "{", salt)),
        ("text has one field more", q.seal_rules(ROOM, ROOT, q.compact(rules_text(more=1)), salt)),
        ("text has one field less", q.seal_rules(ROOM, ROOT, '{"motd":"","people":{}}', salt)),
        ("greeting is too long", q.seal_rules(ROOM, ROOT, q.compact(rules_text(motd="m" * 2001)), salt)),
        ("people have no ids", q.seal_rules(ROOM, ROOT, q.compact(rules_text(people={"bob": {"name": "Bob", "by": "Alice"}})), salt)),
        ("channels are too many", q.seal_rules(ROOM, ROOT, q.compact(rules_text(channels=["c"] * 65)), salt)),
        ("root is another one", q.seal_rules(ROOM, ELSEWHERE.rid, plain, salt)),
        ("room is another one", q.seal_rules(ELSEWHERE, ROOT, plain, salt)),
        ("text is empty", ""),
    ]
    for why, sealed in bad:
        try:
            q.open_rules(ROOM, ROOT, sealed)
        except (Refused, ValueError, KeyError):
            continue
        raise AssertionError(why)
    return {"rows": rows, "refused": [{"why": why, "sealed": sealed} for why, sealed in bad]}


# Charters


def charter_doc(**fields):
    return {"schema": 1, "root": ROOT.hex(), "version": 1, "owner": ALICE.pk.hex(), "ops": [], "handovers": []} | fields


def rules_doc(**fields):
    return {
        "schema": 1, "root": ROOT.hex(), "room": ROOM.rid.hex(), "version": 1, "lock": False, "limit": 0, "history": False,
        "moved": False, "bans": [], "muted": [], "admitted": "", "sealed": "",
    } | fields


def pair(charter=None, rules=None, owner=ALICE, signer=None):
    """charter, rules: documents, or texts to be signed as they are."""
    text = lambda doc: doc if isinstance(doc, str) else q.compact(doc)
    return {
        "charter": q.sign_doc("charter", text(charter or charter_doc()), owner),
        "rules": q.sign_doc("rules", text(rules or rules_doc()), signer or owner),
    }


def ids(*signers):
    return q.b64(b"".join(signer.id for signer in signers))


def given(version, giver, to):
    return q.handover(ROOT, version, giver, to.pk)


def many(what, count, length=16):
    return [fixed(f"{what} {i}", length) for i in range(count)]


FULL = rules_doc(
    version=2**53 - 1, lock=True, limit=100000, history=True, moved=True,
    bans=[{"id": id.hex(), "until": 2**53 - 1} for id in many("ban", 128)],
    muted=[id.hex() for id in many("mute", 128)], admitted=q.b64(b"".join(many("admit", 256))), sealed=q.b64(bytes(48 + 6144)),
)
CHAIN = [q.member_signer(fixed(f"chain {i}", 16)) for i in range(9)]


def charters():
    bob_op = charter_doc(version=2, ops=[BOB.pk.hex()])
    good = {
        "founded": pair(),
        "bob is op and wrote the rules": pair(bob_op, rules_doc(version=2, lock=True, bans=[{"id": MALLORY.id.hex(), "until": 0}]), signer=BOB),
        "alice wrote newer rules": pair(bob_op, rules_doc(version=3, muted=[MALLORY.id.hex()], admitted=ids(CAROL, MALLORY))),
        "bob wrote rules of that number too": pair(bob_op, rules_doc(version=3, limit=5), signer=BOB),
        "the same rules signed by bob": pair(bob_op, rules_doc(version=3, muted=[MALLORY.id.hex()], admitted=ids(CAROL, MALLORY)), signer=BOB),
        "bob is owner": pair(charter_doc(version=5, owner=BOB.pk.hex(), ops=[ALICE.pk.hex()], handovers=[given(3, ALICE, BOB)]), rules_doc(version=4), BOB),
        "bob took an offer that was withdrawn": pair(charter_doc(version=5, owner=BOB.pk.hex(), handovers=[given(2, ALICE, BOB)]), rules_doc(version=4), BOB),
        "carol is owner after bob": pair(charter_doc(version=9, owner=CAROL.pk.hex(), handovers=[given(3, ALICE, BOB), given(7, BOB, CAROL)]), rules_doc(version=6), CAROL),
        "alice goes on after she gave it away": pair(charter_doc(version=6), rules_doc(version=9)),
        "mallory claims it": pair(charter_doc(version=100, owner=MALLORY.pk.hex()), rules_doc(version=100), MALLORY),
        "another root": pair(charter_doc(root=ELSEWHERE.rid.hex(), version=100), rules_doc(root=ELSEWHERE.rid.hex(), version=100)),
        "a channel": pair(bob_op, rules_doc(room=q.channel_room(ROOM, "dev").rid.hex())),
        "all that fits": pair(charter_doc(
            version=2**53 - 1, owner=CHAIN[8].pk.hex(), ops=[pk.hex() for pk in many("op", 32, 32)],
            handovers=[given(10 + i, CHAIN[i], CHAIN[i + 1]) for i in range(8)]), FULL, CHAIN[8]),
    }
    read = {name: q.read_charter(each) for name, each in good.items()}
    forged = pair()
    stolen = pair(bob_op, rules_doc(version=2))
    bad = {
        "charter is signed by a member": pair(owner=ALICE) | {"charter": q.sign_doc("charter", q.compact(charter_doc()), MALLORY)},
        "rules are signed by a member": pair(signer=MALLORY),
        "rules are signed by somebody who is op no more": pair(charter_doc(version=3), rules_doc(version=2), signer=BOB),
        "charter has a signature for rules": {**forged, "charter": q.sign_doc("rules", q.compact(charter_doc()), ALICE)},
        "relay rewrote the ops": {**forged, "charter": {**forged["charter"], "doc": q.compact(charter_doc(ops=[MALLORY.pk.hex()]))}},
        "relay rewrote the bans": {**stolen, "rules": {**stolen["rules"], "doc": q.compact(rules_doc(version=2, bans=[{"id": CAROL.id.hex(), "until": 0}]))}},
        "relay put its key beside the signature": {**forged, "charter": {**forged["charter"], "key": MALLORY.pk.hex()}},
        "rules are of another root": pair(rules=rules_doc(root=ELSEWHERE.rid.hex())),
        "owner is op too": pair(charter_doc(ops=[ALICE.pk.hex()])),
        "an op is there twice": pair(charter_doc(ops=[BOB.pk.hex(), BOB.pk.hex()])),
        "a ban is there twice": pair(rules=rules_doc(bans=[{"id": CAROL.id.hex(), "until": 0}, {"id": CAROL.id.hex(), "until": 5}])),
        "a muted member is there twice": pair(rules=rules_doc(muted=[CAROL.id.hex()] * 2)),
        "an admitted member is there twice": pair(rules=rules_doc(admitted=ids(CAROL, CAROL))),
        "owner is banned": pair(bob_op, rules_doc(bans=[{"id": ALICE.id.hex(), "until": 0}]), signer=BOB),
        "an op is banned": pair(bob_op, rules_doc(bans=[{"id": BOB.id.hex(), "until": 0}])),
        "owner is muted": pair(bob_op, rules_doc(muted=[ALICE.id.hex()]), signer=BOB),
        "an op is muted": pair(bob_op, rules_doc(muted=[BOB.id.hex()])),
        "there are two owners": pair(q.compact(charter_doc()).replace('"ops"', f'"owner":"{MALLORY.pk.hex()}","ops"')),
        "handover is signed by somebody else": pair(charter_doc(version=5, owner=BOB.pk.hex(), handovers=[given(3, ALICE, BOB) | {"signature": given(3, BOB, BOB)["signature"]}]), owner=BOB),
        "handover is of another root": pair(charter_doc(version=5, owner=BOB.pk.hex(), handovers=[q.handover(ELSEWHERE.rid, 3, ALICE, BOB.pk)]), owner=BOB),
        "handover is of another version": pair(charter_doc(version=5, owner=BOB.pk.hex(), handovers=[given(3, ALICE, BOB) | {"version": 4}]), owner=BOB),
        "handover leads to somebody else": pair(charter_doc(version=5, handovers=[given(3, ALICE, BOB)])),
        "handover comes after the charter": pair(charter_doc(version=2, owner=BOB.pk.hex(), handovers=[given(3, ALICE, BOB)]), owner=BOB),
        "handover to oneself": pair(charter_doc(version=5, handovers=[given(3, ALICE, ALICE)])),
        "handovers do not meet": pair(charter_doc(version=9, owner=CAROL.pk.hex(), handovers=[given(3, ALICE, BOB), given(7, MALLORY, CAROL)]), owner=CAROL),
        "handovers are not in order": pair(charter_doc(version=9, owner=CAROL.pk.hex(), handovers=[given(7, ALICE, BOB), given(3, BOB, CAROL)]), owner=CAROL),
        "ops are too many": pair(charter_doc(ops=[pk.hex() for pk in many("op", 33, 32)])),
        "handovers are too many": pair(charter_doc(version=99, owner=CHAIN[0].pk.hex(), handovers=[given(10 + i, CHAIN[i], CHAIN[(i + 1) % 9]) for i in range(9)]), owner=CHAIN[0]),
        "bans are too many": pair(rules=rules_doc(bans=[{"id": id.hex(), "until": 0} for id in many("ban", 129)])),
        "muted are too many": pair(rules=rules_doc(muted=[id.hex() for id in many("mute", 129)])),
        "admitted are too many": pair(rules=rules_doc(admitted=q.b64(b"".join(many("admit", 257))))),
        "admitted ends within an id": pair(rules=rules_doc(admitted=q.b64(bytes(17)))),
        "admitted has spare bits": pair(rules=rules_doc(admitted=ids(CAROL)[:-1] + "_")),
        "sealed is too long": pair(rules=rules_doc(sealed=q.b64(bytes(48 + 6145)))),
        "sealed is padded": pair(rules=rules_doc(sealed="AA==")),
        "limit is too high": pair(rules=rules_doc(limit=100001)),
        "limit is negative": pair(rules=rules_doc(limit=-1)),
        "lock is a number": pair(rules=rules_doc(lock=1)),
        "version is zero": pair(charter_doc(version=0)),
        "version is above 2^53-1": pair(rules=rules_doc(version=2**53)),
        "version is written with a fraction": pair(q.compact(charter_doc()).replace('"version":1', '"version":1.0')),
        "a field is there twice": pair(rules=q.compact(rules_doc()).replace('"lock":false', '"lock":true,"lock":false')),
        "fields are in another order": pair(q.compact(dict(reversed(charter_doc().items())))),
        "there is white space": pair(q.compact(charter_doc()).replace(",", ", ")),
        "there is an escape": pair(q.compact(charter_doc()).replace("schema", "sc\\u0068ema")),
        "a field is unknown": pair(charter_doc(more=1)),
        "a field is missing": pair(rules=q.compact(rules_doc()).replace('"moved":false,', "")),
        "schema is 2": pair(charter_doc(schema=2)),
        "a key is in capitals": pair(charter_doc(ops=[BOB.pk.hex().upper()])),
        "it is no JSON": pair("{"),
        "it is a list": pair("[]"),
        "it is a number": pair("7"),
    }
    for why, each in bad.items():
        assert refused(q.read_charter, each), why
    names = list(good)
    verdicts = [[q.succeeds(read[now], read[then]) for then in names] for now in names]
    return {
        "good": [{"name": name, "pair": each} for name, each in good.items()],
        "succeeds": verdicts, "refused": [{"why": why, "pair": each} for why, each in bad.items()],
    }


def invites():
    relays = ["wss://chat.example/", "ws://127.0.0.1:8765"]
    rows = [
        {"v": 1, "relays": relays[:1], "name": "Lobby"},
        {"v": 1, "relays": relays, "name": "Straße 9", "pin": "Abandon ability ABLE about above absent"},
        {"v": 1, "relays": [], "name": "日本", "secret": fixed("move secret", 32).hex(), "root": ROOT.hex()},
    ]
    line = q.invite(q.compact(rows[1]))
    assert q.read_invite(line) == rows[1]
    bad = [
        "", "pychat:", line[:-1], line + "a", line[1:], line[:20] + line[21:], line.replace(".", ""), line[:10] + "A" + line[11:],
        line.replace("pychat:", "http:"), q.invite("{}"), q.invite("[]"), q.invite("{"),
    ] + [q.invite(q.compact(rows[0] | change)) for change in (
        {"v": 2}, {"more": 1}, {"name": ""}, {"name": "a\u0000"}, {"pin": ""}, {"relays": ["http://chat.example/"]}, {"relays": relays[:1] * 5},
        {"secret": "00" * 32}, {"secret": "00" * 31, "root": ROOT.hex()}, {"pin": "1", "secret": "00" * 32, "root": ROOT.hex()},
        {"relays": ["ws://" + "a" * 252]}, {"name": "n" * 65},
    )]
    return {
        "rows": [{"invite": row, "text": q.invite(q.compact(row))} for row in rows], "refused": bad,
        "wrapped": {"text": " \n" + "\n  ".join([line[:30], line[30:61], line[61:]]).replace("pychat:", "PyChat:") + "\n", "row": 1},
    }


def main():
    out = {
        "about": "PyChat crypto v1, members and private rooms; written by test/python/make_people_vectors.py, not by hand",
        "keys": keys(), "words": words(), "sessions": sessions(), "profiles": profiles(), "refusedProfiles": bad_profiles(),
        "verifyWords": [{"a": a, "b": b, "words": q.verify_words(SIGNERS[a].pk, SIGNERS[b].pk)} for a, b in [(0, 1), (1, 0), (2, 3)]],
        **rooms(), "move": moves(), "rules": sealed_rules(), "charters": charters(), "invites": invites(),
    }
    target = pathlib.Path(__file__).parent.parent / "vectors" / "pychat-v1-people.json"
    target.write_text(json.dumps(out, indent=1, ensure_ascii=True) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
