#!/usr/bin/env python3
"""The house rules that a tool can see: include layers, headers that stand alone, banned calls, file names.

Prints one line per finding and ends with status 1 when there is one. Usage: tools/lint.py [--headers]
(--headers also compiles every header alone, which takes a minute)."""
import concurrent.futures, os, pathlib, re, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
findings = []


def finding(path, line, text):
    findings.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def read_layers():
    layers = {}
    for line in (ROOT / "layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            folder, _, may = line.partition(":")
            layers[folder.strip()] = set(may.split()) | {folder.strip()}
    return layers


def folder_of(include, layers):
    """The longest layer name that is a folder prefix of an include path, or None."""
    hits = [f for f in layers if include.startswith(f + "/")]
    return max(hits, key=len) if hits else None


def sources():
    return sorted(p for p in SRC.rglob("*") if p.suffix in (".cc", ".hh"))


def check_layers(layers):
    folders_on_disk = {str(p.parent.relative_to(SRC)) for p in sources()}
    for folder in sorted(folders_on_disk - set(layers)):
        findings.append(f"src/{folder}: is not in layers.txt")
    for path in sources():
        folder = str(path.parent.relative_to(SRC))
        allowed = layers.get(folder, set())
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            target = folder_of(match[1], layers)
            if target is None:
                finding(path, number, f'"{match[1]}" is no project header: write the path from src/')
            elif "*" not in allowed and target not in allowed:
                finding(path, number, f"{folder} may not include {target} (layers.txt)")


HEAVY_IN_HEADERS = {"filesystem": "1.4 s", "fmt/format.h": "2.9 s", "nlohmann/json.hpp": "3.8 s", "regex": "3.8 s", "iostream": "0.5 s"}
BANNED_CALLS = {
    r"(?<![\w.:>])(::|std::)?system\s*\(": "system(): start programs with Process::spawn",
    r"(?<![\w.>])(::)?strcpy\s*\(": "strcpy()",
    r"(?<![\w.>])(::)?sprintf\s*\(": "sprintf(): use fmt::format",
    r"(?<![\w.>])(::)?v?fork\s*\(\s*\)": "fork(): the daemon never forks (LIMITS: 37 ms at 1 GB RSS)",
}
# self_check tries to fork to show that the sandbox refuses it.
MAY_FORK = ("src/base/", "src/linux/", "src/runtime/", "src/main/hull_init.cc", "src/transfer/self_check.cc")


def check_text():
    for path in sources():
        text = path.read_text(errors="replace")
        name = str(path.relative_to(ROOT))
        if path.suffix == ".hh" and "#pragma once" not in text:
            finding(path, 1, "header without #pragma once")
        if not re.fullmatch(r"[a-z0-9_]+\.(cc|hh)", path.name):
            finding(path, 1, "file names are snake_case")
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if include and path.suffix == ".hh" and include[1] in HEAVY_IN_HEADERS:
                finding(path, number, f"<{include[1]}> costs {HEAVY_IN_HEADERS[include[1]]} per including file: move it to the .cc")
            if include and include[1].startswith("boost/") and not name.startswith("src/http/"):
                finding(path, number, "Boost stays inside src/http/")
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0])
            for pattern, why in BANNED_CALLS.items():
                if re.search(pattern, code) and not path.name.endswith("_test.cc"):
                    if "fork" in why and name.startswith(MAY_FORK):
                        continue
                    finding(path, number, f"banned call {why}")
            if re.search(r"\bTODO\b(?!\(#\d+\))", line):
                finding(path, number, "a TODO names an issue: TODO(#n)")


def compile_alone(path):
    done = subprocess.run(["g++", "-std=c++20", "-D_GNU_SOURCE", f"-I{SRC}", "-fsyntax-only", "-x", "c++", "-include", str(path), "/dev/null"],
                          capture_output=True, text=True)
    return path, done.returncode, done.stderr


def check_headers():
    headers = [p for p in sources() if p.suffix == ".hh"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, status, errors in pool.map(compile_alone, headers):
            if status:
                finding(path, 1, "does not compile alone: " + errors.strip().splitlines()[0])


def main():
    check_layers(read_layers())
    check_text()
    if "--headers" in sys.argv:
        check_headers()
    print("\n".join(findings) if findings else f"lint: {len(sources())} files are clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
