# A small PyChat client, written from docs/protocol.md alone by somebody who had not seen the rest of the repository:
# a check that the page suffices. It shares no code with the product on purpose. Tests run it against the real client.
#
#   PYCHAT_PIN=... python stranger.py --relay ws://127.0.0.1:8765 --server NAME --user NAME
#
# PYCHAT_IDENTITY (64 hex digits) makes it the same member at each start (section 16.1); without it, it is a new one.
# Standard input: each line is a text for the room; "/msg NAME TEXT" is a private one for that member (section 17.2),
# who is called first; names with spaces as "/msg Ana_B ...". At the end of input it sends what waits, and leaves.
# Standard output, a JSON object per line, by "type":
#   ready (room, users, fingerprint)   message (from, text, seq)   joined, left (user)   error (code; then it ends)
#   renamed (user, was)   away (user, text)
#   charter (owner, ops, rank, lock, limit, version, motd, bans, muted, people: what is said of each member id)
#   notice (from, notice)   moved (by, room: where to; it does not follow)
#   called (user: who called)   private-ready, private-left (user)   private (from, text, seq; own ones too)
#   not-sent (user, texts: private texts that nobody came for)
# Standard error: warnings, by "code", also charter-invalid, charter-foreign, charter-old. Nothing there: all is well.
import argparse, hmac, json, os, re, struct, sys, threading

import websocket

from stranger_room import CALL, TEXT, Seat, tell, warn
from stranger_wire import BAD, Room, Session, call_of, member_signer, need, normal_name, pair_room, read_control

NOBODY_CAME_S = 20

def fail(code):
    tell("error", code=code)
    os._exit(3 if code == "name-taken" else 4)  # the thread that reads stdin may still wait for a line

class Client:
    """One connection: the room, and one more for each private conversation."""
    fail = staticmethod(fail)

    def __init__(self, url, room, name, identity):
        self.lock, self.requests, self.askers, self.ended = threading.RLock(), 0, {}, False
        self.home = Seat(self, room, Session(member_signer(identity, room.id)), name)
        self.seats, self.frame_max, self.ack_replicas = {room.id: self.home}, 0, 0
        self.callees = {}
        self.ws = websocket.create_connection(url, timeout=50, suppress_origin=True)

    def request(self, seat, t, **fields):
        self.requests += 1
        self.askers[self.requests] = seat
        self.ws.send(json.dumps({"t": t, "id": self.requests} | fields))
        return self.requests

    # Standard input
    def read_stdin(self):
        for line in sys.stdin:
            self.take(line.rstrip("\n"))
        with self.lock:
            self.ended = True
            self.settle()

    def take(self, line):
        private = re.fullmatch("/msg (\\S+) (.+)", line)
        with self.lock:
            if private:
                self.write_to(private[1].replace("_", " "), private[2])
            else:
                self.home.push(TEXT, line.encode())

    # Private conversations (sections 17.2 and 17.3)
    def write_to(self, name, text):
        # Before the roster is known there is nobody to write to.
        if not self.home.ready:
            self.home.early.append((lambda _: self.write_to(name, text), None))
            return
        found = [(session, person) for session, person in self.home.roster.items()
                 if session != self.home.me.id and normal_name(person.name) == normal_name(name) and person.box]
        try:
            need(found, "nobody")
            seat, session = self.pair_with(*found[0]), found[0][0]
        except BAD:
            return tell("not-sent", user=name, texts=[text])
        if not seat.is_heard() and not seat.queue:
            if seat.ready:
                self.call(seat, session)
            else:
                self.callees[seat.room.id] = session
            timer = threading.Timer(NOBODY_CAME_S, self.nobody_came, [seat])
            timer.daemon = True
            timer.start()
        seat.push(TEXT, text.encode())

    def pair_with(self, session, person):
        room = pair_room(self.home.room, self.home.me, session, person)
        if room.id not in self.seats:
            me = Session(self.home.me.signer)
            seat = self.seats[room.id] = Seat(self, room, me, self.home.name, (person.name, person.pk))
            seat.join()
        return self.seats[room.id]

    def seated(self, seat):
        """In a private room: now the other one can be called."""
        session = self.callees.pop(seat.room.id, None)
        if session and not seat.is_heard():
            self.call(seat, session)

    def call(self, seat, session):
        self.home.push(CALL, call_of(self.home.room, seat.room, self.home.me.id, session))

    def called(self, session, person, body):
        """Somebody called somebody: is it us?"""
        if not person.box:
            return
        room = pair_room(self.home.room, self.home.me, session, person)
        if hmac.compare_digest(body, call_of(self.home.room, room, session, self.home.me.id)):
            tell("called", user=person.name)
            self.pair_with(session, person)

    def nobody_came(self, seat):
        with self.lock:
            if seat.queue and not seat.is_heard():
                tell("not-sent", user=seat.peer[0], texts=[body.decode() for _, body in seat.queue])
                seat.queue.clear()
                self.settle()

    # The end
    def settle(self):
        """After the end of input: leaves each room where nothing waits, the common one last."""
        for seat in list(self.seats.values()) if self.ended else []:
            if seat.is_done() and (seat is not self.home or len(self.seats) == 1):
                seat.leaving = True
                seat.request("leave")

    def unseat(self, seat):
        del self.seats[seat.room.id]
        if not self.seats:
            self.ws.send_close(1000)
            os._exit(0)
        self.settle()

    def put_out(self, seat, code):
        """Refused, kicked or banned."""
        if seat is self.home:
            fail(code)
        if seat.queue:
            tell("not-sent", user=seat.peer[0], texts=[body.decode() for _, body in seat.queue])
        self.unseat(seat)

    # Connection
    def on_welcome(self, message):
        need(message["version"] == 1, "version")
        self.ws.settimeout(2 * message["pingIntervalMs"] / 1000)
        self.frame_max, self.ack_replicas = message["frameBytesMax"], message["ackReplicas"]
        self.home.join()

    def on_relay(self, message):
        warn("relay", **message)

    on_goaway = on_relay

    def seat_of(self, t, argument):
        if t == "delivery":
            return self.seats.get(argument[2:18])
        if t == "nack":
            return next((seat for seat in self.seats.values() if seat.me.id.hex() == argument["session"]), None)
        if "room" in argument:
            return self.seats.get(bytes.fromhex(argument["room"]))
        return self.askers.get(argument.get("id"), self.home)

    def receive(self):
        opcode, data = self.ws.recv_data()
        with self.lock:
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                fail("closed-%d" % struct.unpack(">H", data[:2] or b"\x03\xed"))
            try:
                t, argument = ("delivery", data) if opcode == 2 else read_control(data)
                if t in ("welcome", "relay", "goaway"):
                    return getattr(self, "on_" + t)(argument)
                seat = self.seat_of(t, argument)
                need(seat or t in ("departed", "delivery", "position"), "room")
                if seat:
                    seat.receive(t, argument)
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
        identity = bytes.fromhex(os.environ.get("PYCHAT_IDENTITY") or os.urandom(32).hex())
        Client(options.relay, Room.of(options.server, os.environ["PYCHAT_PIN"]), options.user, identity).run()
    except ValueError:
        fail("bad-name-or-pin")
    except (OSError, websocket.WebSocketException):
        fail("connection-lost")

if __name__ == "__main__":
    main()
