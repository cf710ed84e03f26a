#!/usr/bin/env python3
"""Writes src/oci/default_seccomp_profile.cc from a profile in Docker's format: make_seccomp_profile.py FILE"""
import json
import sys
import textwrap

profile = json.load(open(sys.argv[1]))
compact = lambda value: json.dumps(value, separators=(",", ":"))
lines = ['{"defaultAction":%s,"defaultErrnoRet":%s,' % (compact(profile["defaultAction"]), compact(profile["defaultErrnoRet"]))]
lines.append('"archMap":[')
lines += [compact(entry) + "," for entry in profile["archMap"]]
lines[-1] = lines[-1].rstrip(",") + "],"
lines.append('"syscalls":[')
for rule in profile["syscalls"]:
    rule = {key: value for key, value in rule.items() if key != "comment" and value not in ({}, [])}
    names = ",".join(compact(name) for name in sorted(rule.pop("names")))
    rest = compact(rule)[1:]
    lines += textwrap.wrap('{"names":[' + names.replace(",", ", ") + "]," , 96)
    lines.append(rest + ",")
lines[-1] = lines[-1].rstrip(",") + "]}"
print("""// Written by tools/make_seccomp_profile.py: do not edit.
// The rules are those of Docker's default seccomp profile (moby/profiles, seccomp/default.json,
// Apache License 2.0), sorted and without comments.
#include "oci/seccomp_profile.hh"

namespace hull::oci {

std::string_view default_seccomp_profile() {
    return R"profile(%s)profile";
}

}  // namespace hull::oci""" % "\n".join(lines))
