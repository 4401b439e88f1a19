"""Verifies bundles as docs/verification.md specifies it, without any code of Longhaul's.

    verify.py --key KEY [--held FILE]... BUNDLE...

A BUNDLE that is a folder stands for all files in it. For each bundle one line of JSON is written: `file`, `code` (0 intact,
2 no bundle, 4 not as recorded), `first` (the first entry of the run to look at, or null) and `findings`. The exit code is
the highest of all codes. Needs the package `cryptography` for Ed25519, and nothing else beside the standard library.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_HEADER = 65_536
MAX_LINE = 134_221_824
MAX_NOTE = 262_144
MAX_SIGNATURES = 64
MAX_SIZE = 2**62
MAX_NUMBER = 2**64 - 1
KINDS = ["log-entry", "log-head", "head", "entry", "end"]
STATES = "running applying paused completed failed escalated exhausted cancelled".split()
OVER = ("completed", "failed", "cancelled")


class Malformed(Exception):
    """Something is not written as it has to be."""


class NoBundle(Exception):
    """The file is no bundle, or one of another version."""


def need(condition, what):
    if not condition:
        raise Malformed(what)


def is_number(value):
    return type(value) is int and 0 <= value <= MAX_NUMBER


def decode_base64(text):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Malformed("Base64") from error
    need(base64.b64encode(data).decode() == text, "Base64")
    return data


def has_controls(text):
    return any(ord(c) < 0x20 for c in text)


# Hashes.


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    def __init__(self):
        self.size = 0
        self.stack = []

    def add(self, entry):
        height, top = 0, hashlib.sha256(b"\x00" + entry).digest()
        while self.stack and self.stack[-1][0] == height:
            top = node(self.stack.pop()[1], top)
            height += 1
        self.stack.append((height, top))
        self.size += 1

    def root(self):
        if not self.stack:
            return hashlib.sha256(b"").digest()
        root = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            root = node(left, root)
        return root


# Keys and heads.


def is_name(text):
    return text != "" and not has_controls(text) and not any(c.isspace() or c == "+" for c in text)


class Key:
    def __init__(self, text):
        parts = text.split("+", 2)
        need(len(parts) == 3 and is_name(parts[0]), "key")
        self.name = parts[0]
        data = decode_base64(parts[2])
        need(len(data) == 33 and data[0] == 1, "key")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        need(self.id.hex() == parts[1], "the id of the key")
        self.public = Ed25519PublicKey.from_public_bytes(data[1:])

    def signed(self, text, signature):
        try:
            self.public.verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Note:
    """A signed note that is well-formed, and the checkpoint in it."""

    def __init__(self, data):
        need(len(data) <= MAX_NOTE, "length of a note")
        try:
            note = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("note is not UTF-8") from error
        need(not has_controls(note.replace("\n", "")), "control characters in a note")
        end = note.rfind("\n\n")
        need(end >= 0, "no empty line")
        self.text, lines = note[: end + 1], note[end + 2 :]
        need(lines.endswith("\n"), "signatures")
        lines = lines[:-1].split("\n")
        need(len(lines) <= MAX_SIGNATURES, "signatures")
        self.signatures = [self.signature(line) for line in lines]
        checkpoint = self.text[:-1].split("\n")
        need(len(checkpoint) >= 3 and all(checkpoint), "lines of a checkpoint")
        self.origin = checkpoint[0]
        need(re.fullmatch(r"0|[1-9][0-9]{0,19}", checkpoint[1], re.ASCII), "size")
        self.size = int(checkpoint[1])
        need(self.size <= MAX_SIZE, "size")
        self.root = decode_base64(checkpoint[2])
        need(len(self.root) == 32, "root")

    @staticmethod
    def signature(line):
        need(line.startswith("\u2014 "), "signature")
        name, space, text = line[2:].partition(" ")
        need(space and is_name(name), "signature")
        data = decode_base64(text)
        need(len(data) >= 5, "signature")
        return name, data[:4], data[4:]

    def signed_by(self, key):
        theirs = [s for name, id, s in self.signatures if name == key.name and id == key.id]
        if not all(key.signed(self.text, signature) for signature in theirs):
            raise Malformed("a signature does not hold")
        return bool(theirs)


# Bundles.


def text_of(data):
    """Bytes as a line has them: the name of the member for text, and its value."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None, base64.b64encode(data).decode()
    if has_controls(text.replace("\n", "")):
        return None, base64.b64encode(data).decode()
    return text, None


def write(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def parse(line):
    try:
        return json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed("JSON") from error


def read_header(line):
    """The header of a bundle. `line` is without its newline."""
    try:
        header = parse(line)
    except Malformed as error:
        raise NoBundle("no header") from error
    if type(header) is not dict or header.get("format") != "longhaul-bundle":
        raise NoBundle("no header")
    if header.get("version") != 1 or type(header["version"]) is not int:
        raise NoBundle("another version")
    try:
        need(list(header) == ["format", "version", "run", "origin", "log"], "members")
        need(type(header["run"]) is str and re.fullmatch(r"[a-z0-9-]{1,64}", header["run"]), "run")
        for origin in (header["origin"], header["log"] if header["log"] is not None else "none"):
            need(type(origin) is str and origin != "" and not has_controls(origin), "origin")
        need(write(header) == line, "form")
    except Malformed as error:
        raise NoBundle("no header") from error
    return header


def read_line(line):
    """(kind, position or counts, bytes); None as kind for one that is unknown."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("UTF-8") from error
    found = re.match(r'\{"([^"]*)":', text)
    need(found, "line")
    kind = found.group(1)
    if kind not in KINDS:
        need(re.fullmatch(r"[a-z-]+", kind) and text.endswith("}"), "line")
        return None, kind, None
    value = parse(line)
    need(type(value) is dict and list(value) == [kind], "line")
    value = value[kind]
    need(type(value) is dict, "line")
    need(write({kind: value}) == line, "line")
    if kind == "end":
        need(list(value) == ["lines", "of"] and type(value["of"]) is dict, "end")
        need(list(value["of"]) == ["log-entries", "log-heads", "heads", "entries"], "end")
        need(is_number(value["lines"]) and all(is_number(n) for n in value["of"].values()), "end")
        return kind, value, None
    number, name = ("at", "body") if kind.endswith("entry") else ("size", "note")
    members = list(value)
    need(members in ([number, name], [number, "base64"]), "members")
    need(is_number(value[number]) and type(value[members[1]]) is str, "members")
    if members[1] == "base64":
        data = decode_base64(value["base64"])
    else:
        data = value[name].encode("utf-8")
    text, encoded = text_of(data)
    need(value[members[1]] == (text if members[1] == name else encoded), "form")
    return kind, value[number], data


class Bundle:
    def __init__(self, path):
        self.findings = []
        self.rows = {kind: [] for kind in KINDS[:-1]}
        with open(path, "rb") as file:
            line = file.readline(MAX_HEADER + 1)
            if not line.endswith(b"\n"):
                raise NoBundle("no header")
            self.header = read_header(line[:-1])
            self.read(file)

    def read(self, file):
        lines, reached, end = 1, 0, None
        while True:
            line = file.readline(MAX_LINE + 1)
            if not line:
                break
            if end is not None:
                self.findings.append("the bundle goes on behind its last line")
                break
            if not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE)
                self.findings.append(f"line {lines + 1} is too long, or cut off")
                lines += 1
                continue
            try:
                kind, number, data = read_line(line[:-1])
            except Malformed as error:
                self.findings.append(f"line {lines + 1} is damaged: {error}")
                lines += 1
                continue
            if kind is None:
                lines += 1
                continue
            rank = KINDS.index(kind)
            if rank < reached:
                self.findings.append(f"line {lines + 1} is misplaced")
                lines += 1
                continue
            reached = rank
            if kind == "end":
                end = number
                continue
            self.rows[kind].append((number, data))
            lines += 1
        if end is None:
            self.findings.append("the last line is missing")
            return
        names = {"log-entry": "log-entries", "log-head": "log-heads", "head": "heads", "entry": "entries"}
        for kind, name in names.items():
            if end["of"][name] != len(self.rows[kind]):
                self.findings.append(f"the last line counts other {name}")
        if end["lines"] != lines:
            self.findings.append("the last line counts other lines")

    def is_over(self):
        state = None
        for _, body in self.rows["entry"]:
            if b'"kind":"run-changed"' not in body:
                continue
            try:
                value = parse(body)
            except Malformed:
                continue
            if type(value) is dict and value.get("kind") == "run-changed" and value.get("to") in STATES:
                state = value["to"]
        return state in OVER


def unique(pairs):
    listed = [name for name, _ in pairs if name in ("at", "run", "size", "root", "state")]
    need(len(listed) == len(set(listed)), "a member is there twice")
    return dict(pairs)


def log_entry(body):
    """Run, size and root of an entry of the log."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Malformed("JSON") from error
    need(type(value) is dict and is_number(value.get("at")) and is_number(value.get("size")), "log entry")
    need(type(value.get("run")) is str and re.fullmatch(r"[a-z0-9-]{1,64}", value["run"]), "log entry")
    need(type(value.get("root")) is str and re.fullmatch(r"[0-9a-f]{64}", value["root"]), "log entry")
    need(value.get("state") is None or type(value["state"]) is str, "log entry")
    return value["run"], min(value["size"], MAX_SIZE), bytes.fromhex(value["root"])


# Records.


class Record:
    """The verification of one record. Findings are pairs of a position, or None, and a text."""

    def __init__(self, origin, keys, held, must_end_with_head):
        self.origin, self.keys, self.must_end_with_head = origin, keys, must_end_with_head
        # Of equal sizes the later one comes first.
        self.held = sorted(reversed(held), key=lambda head: head[0])
        self.next, self.tree, self.broken, self.largest = 0, Tree(), False, 0
        self.proven = (0, self.tree.root())
        self.compared = None
        self.findings = []

    def find(self, position, text):
        self.findings.append((position, text))

    def verify(self, entries, heads):
        self.key = self.choose_key(heads)
        after, waiting = 0, list(reversed(heads))
        for position, body in entries:
            while waiting and min(waiting[-1][0], MAX_SIZE) <= self.next:
                after = self.head(*waiting.pop(), after)
            self.entry(position, body)
        while waiting:
            after = self.head(*waiting.pop(), after)
        self.compare_held()
        if self.held:
            self.largest = max(self.largest, self.held[-1][0])
        if self.largest > self.next:
            self.find(self.next, "the record was cut off")
        if self.must_end_with_head and not self.broken and self.proven[0] < self.next:
            self.find(self.proven[0], "entries are not sealed")
        if entries and not heads:
            self.find(None, "it has no head at all")
        return self.findings

    def choose_key(self, heads):
        if heads:
            try:
                note = Note(heads[0][1])
                signers = [key for key in self.keys if note.signed_by(key)]
                if signers:
                    return signers[0]
            except Malformed:
                pass
        return self.keys[0]

    def entry(self, position, body):
        self.compare_held()
        if position < self.next:
            self.broken = True
            return self.find(self.next, "an entry is out of order")
        if position > self.next:
            self.broken = True
            self.find(self.next, "an entry is missing")
        self.next = min(position + 1, MAX_NUMBER)
        self.tree.add(body)

    def head(self, size, data, after):
        size = min(size, MAX_SIZE)
        if size < after:
            self.find(None, "a head is out of order")
        after = max(after, size)
        try:
            note = Note(data)
            need(note.signed_by(self.key), "it is not signed by the key of the record")
        except Malformed as error:
            self.find(None, f"the head at {size} cannot be believed: {error}")
            return after
        if note.origin != self.origin:
            self.find(None, f"the head at {size} is that of another record")
            return after
        if note.size != size:
            self.find(None, f"the head at {size} was moved")
        else:
            self.compare(note.size, note.root)
        self.largest = max(self.largest, note.size)
        return after

    def compare_held(self):
        while self.held and self.held[0][0] <= self.next:
            size, root = self.held.pop(0)
            self.compare(size, root)
            self.largest = max(self.largest, size)

    def compare(self, size, root):
        for known in (self.proven, self.compared):
            if known is not None and known[0] == size and known[1] != root:
                return self.find(None, f"heads of {size} entries contradict each other")
        self.compared = (size, root)
        if self.broken or self.tree.size != size:
            return None
        if self.tree.root() == root:
            self.proven = (size, root)
        else:
            self.broken = True
            self.find(self.proven[0], f"entries {self.proven[0]} to {size - 1} are not those that were signed")
        return None


def verify(path, keys, elsewhere):
    """The code, the first entry of the run to look at, and what was found."""
    try:
        bundle = Bundle(path)
    except NoBundle as error:
        return 2, None, [str(error)]
    run, findings = bundle.header["run"], list(bundle.findings)
    held = lambda origin: [(note.size, note.root) for note in elsewhere if note.origin == origin]
    first, known = None, []
    for position, body in bundle.rows["log-entry"]:
        try:
            of, size, root = log_entry(body)
        except Malformed:
            findings.append(f"entry {position} of the log cannot be read")
            continue
        first = first or of
        if of == run:
            known.append((size, root))
    origin = None
    if first is None:
        findings.append("there is no log")
    else:
        origin = f"longhaul/log/{first}"
        log = Record(origin, keys, held(origin), True)
        found = log.verify(bundle.rows["log-entry"], bundle.rows["log-head"])
        findings += [f"the log: {text}" for _, text in found]
    if bundle.header["log"] != origin:
        findings.append("the header names another log")
    origin = f"longhaul/run/{run}"
    if bundle.header["origin"] != origin:
        findings.append("the header names another origin")
    record = Record(origin, keys, held(origin) + known, bundle.is_over())
    found = record.verify(bundle.rows["entry"], bundle.rows["head"])
    findings += [text if at is None else f"entry {at}: {text}" for at, text in found]
    if first is not None and bundle.rows["log-entry"] and not known and bundle.rows["head"]:
        findings.append("the log does not know the run")
    positions = [at for at, _ in found if at is not None]
    return (4 if findings else 0), min(positions, default=None), findings


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", action="append", required=True, help="a public key, or a file with one")
    parser.add_argument("--held", action="append", default=[], help="a file with a head that was kept elsewhere")
    parser.add_argument("bundle", nargs="+", help="a bundle, or a folder of them")
    args = parser.parse_args()
    keys = []
    for given in args.key:
        if os.path.exists(given):
            with open(given, encoding="utf-8") as file:
                given = file.read().strip()
        keys.append(Key(given))
    elsewhere = []
    for path in args.held:
        with open(path, "rb") as file:
            note = Note(file.read())
        need(any(note.signed_by(key) for key in keys), "a head held elsewhere is not signed by a trusted key")
        elsewhere.append(note)
    files = []
    for path in args.bundle:
        files += sorted(os.path.join(path, name) for name in os.listdir(path)) if os.path.isdir(path) else [path]
    worst = 0
    for path in files:
        code, first, findings = verify(path, keys, elsewhere)
        worst = max(worst, code)
        print(json.dumps({"file": os.path.basename(path), "code": code, "first": first, "findings": findings[:20]}))
    return worst


if __name__ == "__main__":
    sys.exit(main())
