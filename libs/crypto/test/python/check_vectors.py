"""Opens what the TypeScript implementation sealed. Usage: check_vectors.py FILE; exits 1 at the first difference."""
import json
import sys

import pychat_v1 as p


def same(what, ours, theirs):
    if ours != theirs:
        sys.exit(f"{what}: Python has {ours!r}, TypeScript has {theirs!r}")


def main(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    room = p.Room.of(data["room"]["serverName"], data["room"]["pin"])
    same("room id", room.rid.hex(), data["room"]["id"])
    sid, pk = bytes.fromhex(data["session"]["id"]), bytes.fromhex(data["session"]["publicKey"])
    same("fingerprint", p.fingerprint(pk), data["session"]["fingerprint"])
    chain = bytes(8)
    for number, row in enumerate(data["frames"]):
        frame = bytes.fromhex(row["frame"])
        opened = p.open_frame(room, sid, pk, frame)
        same(f"frame {number} counter", opened["counter"], row["counter"])
        same(f"frame {number} kind", opened["kind"], row["kind"])
        same(f"frame {number} body", opened["body"].hex(), row["body"])
        same(f"frame {number} time", opened["sentAt"], row["sentAt"])
        view = opened["view"]
        seen = None if view is None else {"epoch": view[0].hex(), "seq": view[1], "chain": view[2].hex()}
        same(f"frame {number} view", seen, row["view"])
        chain = p.next_chain(chain, frame)
        same(f"frame {number} chain", chain.hex(), row["chain"])
    for number, row in enumerate(data["profiles"]):
        same(f"profile {number} tag", room.tag(row["username"]).hex(), row["tag"])
        opened = p.open_profile(room, sid, bytes.fromhex(row["tag"]), bytes.fromhex(row["sealed"]))
        same(f"profile {number} name", opened["name"], row["name"])
        same(f"profile {number} version", opened["version"], row["version"])
        same(f"profile {number} key", opened["pk"].hex(), pk.hex())
    print(f"{len(data['frames'])} frames, {len(data['profiles'])} profiles")


if __name__ == "__main__":
    main(sys.argv[1])
