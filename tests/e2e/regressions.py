#!/usr/bin/env python3
"""Which end-to-end script holds which line of docs/checklists/regressions.md: regressions.py [--write].

A script names its numbers in its comments (R25). Ends with status 1 when a number that is promised has no script, or when
docs/checklists/regression_tests.md is not what --write would make it."""
import pathlib, re, sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/checklists/regression_tests.md"
# Sections 4 and 3 of the first milestone, networks; the others come with builds, volumes and Compose.
PROMISED = {*range(1, 27), *range(27, 47), 47, 48, *range(50, 58), *range(58, 74)}


def numbers(path):
    comments = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    return {int(n) for n in re.findall(r"\bR(\d+)\b", comments)}


def main():
    scripts = {}
    for path in sorted(HERE.glob("*.test")):
        for number in numbers(path):
            scripts.setdefault(number, []).append(path)
    text = "# Regression numbers and their end-to-end scripts\n\nMade by `python3 tests/e2e/regressions.py --write` from the scripts' comments; `regressions.md` says what each number demands.\n*hull*: the claim is about Hull only, real Docker is not asked.\n\n| number | scripts |\n|---|---|\n"
    for number in sorted(scripts):
        cells = [f"`{p.name}`" + (" *hull*" if re.search(r"^needs:.*\bhull\b", p.read_text(), re.M) else "") for p in scripts[number]]
        text += f"| R{number} | {', '.join(cells)} |\n"
    if "--write" in sys.argv:
        PAGE.write_text(text)
    missing = sorted(PROMISED - scripts.keys())
    if missing:
        print("without a script: " + " ".join(f"R{n}" for n in missing))
    stale = not PAGE.exists() or PAGE.read_text() != text
    if stale:
        print(f"{PAGE} is stale: run regressions.py --write")
    return 1 if missing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
