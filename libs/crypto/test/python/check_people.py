"""Opens and judges what the TypeScript implementation made. Usage: check_people.py FILE; exits 1 at the first difference."""
import json
import sys

import pychat_people as q
import pychat_v1 as p
from check_vectors import same


def main(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    raw = bytes.fromhex
    room, root = p.Room(raw(data["prk"])), raw(data["root"])
    members = []
    for row in data["members"]:
        signer = q.member_signer(q.entropy_of(row["words"]))
        same("member id", signer.id.hex(), row["id"])
        member = q.Member(raw(row["session"]), raw(row["secret"]), signer, raw(row["boxSeed"]))
        q._verify(signer.pk, raw(row["proof"]), q.L("join") + room.rid + member.sid + p.sha256(member.secret))
        opened = p.open_profile(room, member.sid, room.tag(row["name"]), raw(row["profile"]))
        same("away", opened["away"], row["away"])
        same("keys", (opened["pk"], opened["box_pk"]), (signer.pk, member.box_pk))
        members.append(member)
    alice, bob = members
    pair = q.pair_room(room, bob, alice.sid, alice.pk, alice.box_pk)
    same("pair room", pair.rid.hex(), data["pair"])
    same("call", q.call_body(room, pair, alice.sid, bob.sid).hex(), data["call"])
    same("channel", q.channel_room(room, data["channel"]["name"]).rid.hex(), data["channel"]["id"])
    secret = q.open_move(room, bob, raw(data["move"]))
    same("moved", q.moved_room(secret).rid.hex(), data["moved"])
    same("words", q.verify_words(alice.pk, bob.pk), data["verifyWords"])
    charters = [q.read_charter(each) for each in data["charters"]]
    for now, then in zip(charters, charters[1:]):
        same("succeeds", q.succeeds(now, then), "ok")
        same("back", q.succeeds(then, now), "old")
    same("rules", q.open_rules(room, root, charters[-1]["rules"]["sealed"]), data["rules"])
    same("invite", q.read_invite(data["invite"]), {"v": 1, "relays": [], "name": "Lobby", "pin": "482133"})
    print(f"{len(charters)} charters, {len(members)} members")


if __name__ == "__main__":
    main(sys.argv[1])
