"""Collect the text, divide it by file, and cut it into tokens.

The text is what a Debian machine with Python already holds: the sources of the
standard library, pydoc's topics, and the documents and manual pages of Debian's
base packages. A file is held out when the hash of its name says so, so that
the trace is recorded on text the model has not seen.

To see what this machine would give, by kind: python text.py
"""

import collections
import functools
import gzip
import hashlib
import heapq
import pathlib
import re
import subprocess
import sysconfig

import numpy

# Tables of character sets, tests and installed packages would crowd out prose and code.
SKIPPED_FOLDERS = {"test", "tests", "encodings", "pydoc_data", "site-packages", "dist-packages"}
DOCUMENT_NAME = re.compile(r"^(NEWS|README|FAQ|00FAQ|TODO|CHANGES|HISTORY|.*\.(txt|md|rst))", re.IGNORECASE)
SHORTEST = 400          # bytes; shorter files are stubs that point at another file
LONGEST = 400_000       # bytes; one long list of changes must not outweigh the rest
HELD_OUT_SHARE = 0.08   # of the file names

# A word is a run of letters with the space before it, one digit, a run of signs, or white space.
WORD = re.compile(rb" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def read_text(path):
    """The file's bytes, unpacked where its name ends in .gz."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def python_modules():
    """(name, text) of the standard library's source files, by dotted module name."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        inside = path.relative_to(library)
        if not SKIPPED_FOLDERS.intersection(inside.parts):
            yield ".".join(inside.with_suffix("").parts), path.read_bytes()


def pydoc_topics():
    """(name, text) of the language reference's sections that pydoc carries."""
    from pydoc_data.topics import topics
    for name in sorted(topics):
        yield name, topics[name].encode()


@functools.cache
def base_package_files():
    """The files of Debian's base packages (priority above optional) and of Python's packages."""
    listing = subprocess.run(["dpkg-query", "-W", "-f", "${Priority} ${binary:Package}\n"],
                             capture_output=True, text=True, check=True).stdout
    packages = [package for priority, package in map(str.split, listing.splitlines())
                if priority not in ("optional", "extra") or re.match(r"(lib)?python3", package)]
    owned = subprocess.run(["dpkg-query", "-L", *packages], capture_output=True, text=True, check=True).stdout
    paths = [pathlib.Path(line) for line in sorted(set(owned.splitlines())) if line.startswith("/usr/share/")]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def package_documents():
    """(name, text) of the packages' news, readme and plain text files."""
    for path in base_package_files():
        if path.parts[3] == "doc" and DOCUMENT_NAME.match(path.name.removesuffix(".gz")):
            yield "-".join([path.parts[4], path.name.removesuffix(".gz")]), read_text(path)


def manual_pages():
    """(name, text) of the packages' English manual pages, without the typesetting."""
    for path in base_package_files():
        if path.parts[3] == "man" and re.fullmatch(r"man[1-8]", path.parts[4]):
            yield path.name.removesuffix(".gz"), without_typesetting(read_text(path))


def without_typesetting(page):
    """The words of a roff page: requests go, except those whose arguments are printed."""
    lines = []
    for line in page.decode(errors="replace").splitlines():
        request = re.match(r"[.'] *(\w*) *(.*)", line)
        if request and request[1] in ("SH", "SS", "Sh", "Ss"):
            lines += ["", request[2].strip('"')]
        elif request and request[1] in ("B", "I", "BR", "BI", "IB", "IR", "RB", "RI", "IP", "Nm", "It"):
            lines.append(request[2].replace('"', ""))
        elif request and request[1] in ("PP", "P", "Pp", "sp", "TP"):
            lines.append("")
        elif not line.startswith((".", "'")):
            lines.append(line)
    text = re.sub(r"\\f(\(..|\[\w*\]|.)|\\s[-+]?\d|\\[&/,|^:]|\\\".*", "", "\n".join(lines))
    text = re.sub(r"\\\((lq|rq)", '"', re.sub(r"\\\((oq|cq|aq)", "'", text))
    text = text.replace("\\-", "-").replace("\\e", "\\").replace("\\ ", " ").replace("\\(bu", "*")
    return re.sub(r"\n{3,}", "\n\n", text).encode()


KINDS = {"python-module": python_modules, "pydoc-topic": pydoc_topics,
         "package-document": package_documents, "manual-page": manual_pages}


def collect():
    """[(name, text)] of every file once, the name being kind/file, in a fixed order."""
    seen, files = set(), []
    for kind, read in KINDS.items():
        for name, text in read():
            text = text[:LONGEST]
            digest = hashlib.sha256(text).digest()
            if len(text) >= SHORTEST and digest not in seen:
                seen.add(digest)
                files.append((f"{kind}/{name}", text))
    return files


def is_held_out(name):
    """Whether the file is kept from training; its name alone decides."""
    return hashlib.sha256(name.encode()).digest()[0] < HELD_OUT_SHARE * 256


def describe(files):
    """Files and bytes by kind, and a digest of the whole text, for the record."""
    whole = hashlib.sha256()
    kinds = {kind: {"files": 0, "bytes": 0, "held_out_files": 0, "held_out_bytes": 0} for kind in KINDS}
    for name, text in files:
        whole.update(text)
        row = kinds[name.split("/")[0]]
        row["files"] += 1
        row["bytes"] += len(text)
        row["held_out_files"] += is_held_out(name)
        row["held_out_bytes"] += len(text) * is_held_out(name)
    return {"kinds": kinds, "sha256": whole.hexdigest()}


class Vocabulary:
    """Byte pairs: 256 bytes, the merges learned from the text, and one mark between files."""

    def __init__(self, merges):
        self.rank = {pair: rank for rank, pair in enumerate(merges)}
        self.boundary = 256 + len(merges)
        self.size = self.boundary + 1
        self.encode_word = functools.cache(self.encode_word)

    def encode_word(self, word):
        """The word's tokens: the earliest learned merge is applied first, until none is left."""
        tokens = list(word)
        while len(tokens) > 1:
            rank, place = min((self.rank.get(pair, self.size), place)
                              for place, pair in enumerate(zip(tokens, tokens[1:])))
            if rank == self.size:
                break
            tokens = merged(tokens, (tokens[place], tokens[place + 1]), 256 + rank)
        return tokens

    def encode(self, text):
        """The text's tokens as 16-bit numbers."""
        return numpy.array([token for word in WORD.findall(text) for token in self.encode_word(word)], numpy.uint16)


def merged(tokens, pair, token):
    """The tokens with each occurrence of the pair replaced, from the left."""
    result, place = [], 0
    while place < len(tokens):
        if tuple(tokens[place:place + 2]) == pair:
            result.append(token)
            place += 2
        else:
            result.append(tokens[place])
            place += 1
    return result


def learn_vocabulary(texts, size):
    """The vocabulary of that many tokens: again and again the most frequent pair becomes a token.

    A heap holds counts that may be out of date; an entry is used only if it still agrees
    with the table, which spares a search of every pair for each of the merges.
    """
    counts = collections.Counter(word for text in texts for word in WORD.findall(text))
    words = [(list(word), count) for word, count in sorted(counts.items()) if count >= 3 and len(word) <= 32]
    pairs, places = collections.Counter(), collections.defaultdict(set)
    for index, (tokens, count) in enumerate(words):
        for pair in zip(tokens, tokens[1:]):
            pairs[pair] += count
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges = []
    while len(merges) < size - 257:
        count, best = heapq.heappop(heap)
        if pairs[best] != -count:
            continue
        token = 256 + len(merges)
        merges.append(best)
        changed = set()
        for index in places[best]:
            tokens, count = words[index]
            after = merged(tokens, best, token)
            for pair in zip(tokens, tokens[1:]):
                pairs[pair] -= count
                changed.add(pair)
            for pair in zip(after, after[1:]):
                pairs[pair] += count
                places[pair].add(index)
                changed.add(pair)
            words[index] = (after, count)
        for pair in sorted(changed):
            if pairs[pair] > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
    return Vocabulary(merges)


def prepare(vocabulary_size):
    """The vocabulary, the training tokens in one array, the held-out files, and the record of the text.

    Each file's tokens follow a boundary mark; held-out files stay apart as (name, tokens).
    """
    files = collect()
    vocabulary = learn_vocabulary([text for name, text in files if not is_held_out(name)], vocabulary_size)
    training, held_out = [], []
    for name, text in files:
        tokens = vocabulary.encode(text)
        if is_held_out(name):
            held_out.append((name, tokens))
        else:
            training += [numpy.array([vocabulary.boundary], numpy.uint16), tokens]
    return vocabulary, numpy.concatenate(training), held_out, describe(files)


def save_held_out(folder, held_out):
    """Keep the held-out tokens beside the checkpoint: an installed package may change what prepare finds."""
    numpy.savez(folder / "held_out.npz", **{name: tokens for name, tokens in held_out})


def load_held_out(folder):
    """[(name, tokens)] as saved."""
    return list(numpy.load(folder / "held_out.npz").items())


if __name__ == "__main__":
    for kind, row in describe(collect())["kinds"].items():
        print(kind, *(f"{key} {value:,}" for key, value in row.items()), sep="  ")
