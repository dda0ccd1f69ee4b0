"""Holds the stranger's client (stranger_wire.py) to the golden vectors. Usage: check_stranger.py; exits 1 at the first difference."""
import json
import pathlib
import sys

import stranger_wire as s

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"
raw = bytes.fromhex
checks = 0


def same(what, ours, theirs):
    global checks
    checks += 1
    if ours != theirs:
        sys.exit(f"{what}: the stranger has {ours!r}, the vectors {theirs!r}")


def refuses(what, fn, *args):
    try:
        fn(*args)
    except s.BAD:
        return same(what, True, True)
    sys.exit(f"{what}: the stranger takes it")


def main():
    old = json.loads((VECTORS / "pychat-v1.json").read_text())
    v = json.loads((VECTORS / "pychat-v1-people.json").read_text())
    first = s.Room.of(old["rooms"][0]["serverName"], old["rooms"][0]["pin"])
    same("room", first.id.hex(), old["rooms"][0]["id"])
    room = s.Room(raw(v["prk"]))
    same("room", [room.id.hex(), room.derive_key.hex()], [v["room"]["id"], v["room"]["deriveKey"]])

    signers = []
    for row in v["keys"]:
        signers.append(s.member_signer(raw(row["identity"]), raw(row["root"])))
        pk = signers[-1].public_key().public_bytes_raw()
        same("key", [pk.hex(), s.member_id(pk), s.fingerprint(pk)], [row["publicKey"], row["id"], row["fingerprint"]])
    sessions = []
    for row in v["sessions"]:
        sessions.append(s.Session(signers[row["key"]], raw(row["id"]), raw(row["secret"]), raw(row["boxSeed"])))
        same("proof", sessions[-1].proof(room.id).hex(), row["proof"])
        same("box", sessions[-1].box_pk.hex(), row["boxPublicKey"])
    people = []
    for row in v["profiles"]:
        me = sessions[row["session"]]
        person = room.open_profile(me.id, raw(row["tag"]), raw(row["sealed"]))
        same("profile", list(person), [row["name"], me.pk, me.box_pk, row["away"]])
        people.append(person)
        if row["away"] is None:
            same("own profile", room.seal_profile(me, row["name"], row["version"]).hex(), row["sealed"])
    for row in v["refusedProfiles"]:
        refuses(row["why"], room.open_profile, sessions[0].id, raw(row["tag"]), raw(row["sealed"]))

    for row in v["channels"]:
        same("channel", s.channel_room(room, row["name"]).id.hex(), row["id"])
    for name in v["refusedChannels"]:
        refuses(repr(name), s.channel_room, room, name)
    same("moved", s.moved_room(raw(v["moved"]["secret"])).id.hex(), v["moved"]["id"])
    for row, call in zip(v["pairs"], v["calls"]):
        own, other = sessions[row["own"]], sessions[row["other"]]
        pair = s.pair_room(room, own, other.id, people[row["other"]])
        same("pair", [pair.id.hex(), pair.seal_key.hex()], [row["id"], row["sealKey"]])
        same("call", s.call_of(room, pair, own.id, other.id).hex(), call["body"])
    refuses("low order", s.pair_room, room, sessions[0], sessions[1].id, people[1]._replace(box=raw(v["lowOrder"])))
    for i, me in enumerate(sessions):
        secret = s.open_move(room, me, raw(v["move"]["body"]))
        same("move", secret and secret.hex(), v["move"]["secret"] if i in v["move"]["to"] else None)
    for row in v["move"]["refused"]:
        try:
            same(row["why"], s.open_move(room, sessions[0], raw(row["body"])), None)
        except s.BAD:
            pass

    for row in v["rules"]["rows"]:
        same("rules", s.open_rules(room, room.id, row["sealed"]), row["text"])
    for row in v["rules"]["refused"]:
        refuses(row["why"], s.open_rules, room, room.id, row["sealed"])
    read = lambda pair: s.read_charter(pair, raw(json.loads(pair["rules"]["doc"])["room"]))
    charters = [read(row["pair"]) for row in v["charters"]["good"]]
    for now, verdicts in zip(charters, v["charters"]["succeeds"]):
        same("succeeds", [s.judge(now, then) for then in charters], verdicts)
    for row in v["charters"]["refused"]:
        refuses(row["why"], s.read_charter, row["pair"], room.id)
    refuses("another room", s.read_charter, v["charters"]["good"][0]["pair"], first.id)

    for row in old["frames"]:
        pk = raw(old["sessions"][row["session"]]["publicKey"])
        if row["room"] == 0:
            kind, body, _ = first.open_frame(pk, raw(row["frame"]))
            same("frame", [kind, body.hex()], [row["kind"], row["body"]])
    print(f"{checks} checks")


if __name__ == "__main__":
    main()
