"""Sums up what tests/coverage.sh measured. Argument: the folder with one JSON file per test program.

The unit tests of src/deflate/params.rs have the name deflate::params::tests, an integration test
that of its file. Unit tests stand at the end of their file, from the line `#[cfg(test)]` on: these
lines do not count.
"""

import collections
import fnmatch
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]


class Reached:
    """How often each line, region and branch of one file was reached."""

    def __init__(self):
        self.lines = collections.Counter()
        self.regions = collections.Counter()
        self.branches = collections.Counter()

    def add(self, other):
        # `Counter.update` keeps zeros, `+=` drops them.
        self.lines.update(other.lines)
        self.regions.update(other.regions)
        self.branches.update(other.branches)

    def kinds(self):
        return self.lines, self.regions, self.branches


def read(file, end):
    """One file of a report of llvm-cov, up to the line `end`. A closing brace is no line."""
    source = pathlib.Path(file["filename"]).read_text().splitlines()
    reached = Reached()
    count, mapped, line = 0, False, 0  # the region that is open at the beginning of a line
    by_line = collections.defaultdict(list)
    for segment in file["segments"]:
        by_line[segment[0]].append(segment)
    for line in range(1, end):
        # As LLVM defines it: a line counts as often as the most frequent region that begins in it
        # or lasts from the line before.
        entries = [s for s in by_line[line] if s[3] and s[4] and not s[5]]
        if (mapped or entries) and source[line - 1].strip() != "}":
            reached.lines[line] = max([count] * mapped + [s[2] for s in entries])
        for segment in entries:
            reached.regions[line, segment[1]] += segment[2]
        if by_line[line]:
            _, _, count, mapped, _, _ = by_line[line][-1]
    for line, column, *_, true, false, _, _, _ in file["branches"]:
        if line < end:
            reached.branches[line, column, True] += true
            reached.branches[line, column, False] += false
    return reached


def last_line(path):
    """The number of the line that begins the unit tests."""
    lines = path.read_text().splitlines()
    if path.name == "tests.rs":
        return 0
    for number, line in enumerate(lines, 1):
        if line == "#[cfg(test)]":
            assert lines[number] in ("mod tests {", "mod tests;"), path
            assert "}" not in lines[number + 1 : -1], f"{path}: code behind the unit tests"
            return number
    return len(lines) + 1


def table(text):
    """Lines `file: words`. Others are comments."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pattern, words = line.split(":", 1)
            yield pattern, words.strip()


def module(path):
    return path.removesuffix(".rs").removesuffix("/mod").replace("/", "::")


def ranges(numbers):
    """[1, 2, 3, 7] as 1-3, 7."""
    out = []
    for number in sorted(set(numbers)):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in out)


def missed(counter):
    return [key for key, count in counter.items() if count == 0]


def describe(path, reached, excused):
    """What no test reached: (line, text), without what tests/coverage/unreached.txt excuses."""
    source = (ROOT / "src" / path).read_text().splitlines()
    reasons = dict.fromkeys(excused.get(path, ()), 0)
    if "*" in reasons:
        return
    bad = [(line, "not reached") for line in missed(reached.lines)]
    lines = {line for line, _ in bad}
    for line, column, way in missed(reached.branches):
        if line not in lines:
            bad.append((line, f"column {column}: never {str(way).lower()}"))
    below = None  # the line below what is excused
    for line, what in sorted(bad):
        text = source[line - 1].strip()
        if text in reasons:
            reasons[text] += 1
            below = line + 1
        elif what == "not reached" and line == below:
            below += 1
        else:
            yield f"src/{path}:{line}: {what}: {text}"
    for text, used in reasons.items():
        if not used:
            yield f"tests/coverage/unreached.txt: not needed: {path}: {text}"


def main(folder):
    every, own = collections.defaultdict(Reached), collections.defaultdict(Reached)
    subjects = list(table((ROOT / "tests/coverage/subjects.txt").read_text()))
    for report in sorted(folder.glob("*.json")):
        name = report.name.split(".")[0]
        for file in json.loads(report.read_text())["data"][0]["files"]:
            full = pathlib.Path(file["filename"])
            if not full.is_relative_to(ROOT / "src") or not last_line(full):
                continue
            path = str(full.relative_to(ROOT / "src"))
            reached = read(file, last_line(full))
            every[path].add(reached)
            tests = next((w.split() for p, w in subjects if fnmatch.fnmatch(path, p)), [])
            if name == module(path) + "::tests" or any(fnmatch.fnmatch(name, t) for t in tests):
                own[path].add(reached)

    heads = ("lines", "regions", "branches")
    print(f"{'src/':28}" + "".join(f"{h:>14}" for h in heads) + "".join(f"{'own ' + h:>14}" for h in heads))
    total = [[0, 0] for _ in range(6)]
    for path in sorted(every):
        row = f"{path:28}"
        for column, (counter, all_) in enumerate(
            zip(every[path].kinds() + own[path].kinds(), every[path].kinds() * 2)
        ):
            hit, of = sum(1 for k in all_ if counter[k]), len(all_)
            total[column][0] += hit
            total[column][1] += of
            row += f"{f'{hit}/{of}':>14}"
        print(row)
    print(f"{'total':28}" + "".join(f"{f'{hit}/{of}':>14}" for hit, of in total))
    print(" " * 28 + "".join(f"{f'{100 * hit / max(of, 1):.2f} %':>14}" for hit, of in total))

    print("\nReached, but not by the tests of its own subject:")
    for path in sorted(every):
        by_accident = [k for k, n in every[path].lines.items() if n and not own[path].lines[k]]
        if by_accident:
            print(f"  src/{path}: lines {ranges(by_accident)}")

    excused = collections.defaultdict(list)
    for path, words in table((ROOT / "tests/coverage/unreached.txt").read_text()):
        excused[path].append(words)
    bad = [line for path in sorted(every) for line in describe(path, every[path], excused)]
    count = sum(map(len, excused.values()))
    print(f"\nReached by no test, besides the {count} places of tests/coverage/unreached.txt: {len(bad)}")
    for line in bad:
        print(f"  {line}")
    sys.exit(bool(bad))


main(pathlib.Path(sys.argv[1]))
