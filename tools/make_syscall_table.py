#!/usr/bin/env python3
"""Writes src/linux/seccomp_syscalls.cc: the system call numbers of every architecture we filter for.

The numbers come from libseccomp's resolver (a development tool only) and, for x86, from newer kernel
headers. System calls since 5.12 have one number everywhere but for an offset.
"""
import ctypes
import re
import sys

ARCHITECTURES = [  # word in a profile, AUDIT_ARCH (x32: its number in libseccomp), offset of new calls
    ("X86_64", 0xC000003E, 0), ("X86", 0x40000003, 0), ("X32", 0x4000003E, 0x40000000),
    ("AARCH64", 0xC00000B7, 0), ("ARM", 0x40000028, 0), ("RISCV64", 0xC00000F3, 0),
    ("PPC64LE", 0xC0000015, 0), ("PPC64", 0x80000015, 0), ("PPC", 0x00000014, 0),
    ("S390X", 0x80000016, 0), ("S390", 0x00000016, 0),
    ("MIPS", 0x00000008, 4000), ("MIPSEL", 0x40000008, 4000),
    ("MIPS64", 0x80000008, 5000), ("MIPSEL64", 0xC0000008, 5000),
    ("MIPS64N32", 0xA0000008, 6000), ("MIPSEL64N32", 0xE0000008, 6000),
]
NEW_CALLS = {"process_madvise": 440, "epoll_pwait2": 441, "mount_setattr": 442, "quotactl_fd": 443,
             "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446,
             "process_mrelease": 448, "futex_waitv": 449, "set_mempolicy_home_node": 450,
             "cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454,
             "futex_wait": 455, "futex_requeue": 456, "statmount": 457, "listmount": 458,
             "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "lsm_list_modules": 461,
             "mseal": 462, "setxattrat": 463, "getxattrat": 464, "listxattrat": 465,
             "removexattrat": 466, "open_tree_attr": 467, "file_getattr": 468, "file_setattr": 469}
EXTRA = {"riscv_hwprobe": {"RISCV64": 258}, "uretprobe": {"X86_64": 335}}
LOONGARCH_LACKS = {"riscv_flush_icache", "riscv_hwprobe", "getrlimit", "setrlimit"}

library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]




def numbered(first, *names):
    return {name: first + index for index, name in enumerate(names) if name}


IPC = numbered(393, "semget", "semctl", "shmget", "shmctl", "shmat", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl")
PPC = IPC | numbered(326, "socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername",
                     "socketpair", "send", "sendto", "recv", "recvfrom", "shutdown", "setsockopt",
                     "getsockopt", "sendmsg", "recvmsg", "recvmmsg", "accept4") | {"sendmmsg": 349}
S390 = IPC | numbered(357, "recvmmsg", "sendmmsg", "socket", "socketpair", "bind", "connect", "listen",
                      "accept4", "getsockopt", "setsockopt", "getsockname", "getpeername", "sendto",
                      "sendmsg", "recvfrom", "recvmsg", "shutdown")
MIPS = {name: 4000 + number for name, number in (IPC | numbered(
    168, "accept", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recv",
    "recvfrom", "recvmsg", "send", "sendmsg", "sendto", "setsockopt", "shutdown", "socket",
    "socketpair") | {"accept4": 334, "recvmmsg": 335, "sendmmsg": 343}).items()}
# Calls with an own number that libseccomp's resolver only knows as a part of socketcall or ipc.
DIRECT = {"X86": IPC, "PPC": PPC, "PPC64": PPC | {"semtimedop": 392}, "PPC64LE": PPC | {"semtimedop": 392},
          "S390": S390, "S390X": S390 | {"semtimedop": 392}, "MIPS": MIPS, "MIPSEL": MIPS}


def header_numbers(path):
    found = dict(re.findall(r"#define __NR_(\w+)\s+(?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?", open(path).read()))
    return {name: int(number) for name, number in found.items()}


include = "/usr/include/x86_64-linux-gnu/asm/"
headers = {"X86_64": header_numbers(include + "unistd_64.h"), "X86": header_numbers(include + "unistd_32.h"),
           "X32": {n: v | 0x40000000 for n, v in header_numbers(include + "unistd_x32.h").items()}}
names = set(re.findall(r"#define __SNR_(\w+)", open("/usr/include/seccomp-syscalls.h").read()))
names |= set(NEW_CALLS) | set(EXTRA)
for table in headers.values():
    names |= set(table)
names = {name for name in names if not name.startswith("SCMP_")}

table = {}
for name in sorted(names):
    for word, token, offset in ARCHITECTURES:
        number = library.seccomp_syscall_resolve_name_arch(token, name.encode())
        if name in NEW_CALLS:
            number = NEW_CALLS[name] + offset
        elif number < 0:
            number = EXTRA.get(name, {}).get(
                word, headers.get(word, {}).get(name, DIRECT.get(word, {}).get(name, -1)))
        if number >= 0:
            table.setdefault(name, {})[word] = number
for name, numbers in table.items():
    if "RISCV64" in numbers and name not in LOONGARCH_LACKS:
        numbers["LOONGARCH64"] = numbers["RISCV64"]
words = [word for word, _, _ in ARCHITECTURES] + ["LOONGARCH64"]

out = ["// Written by tools/make_syscall_table.py: do not edit.", '#include "linux/seccomp_tables.hh"', "",
       "namespace hull::linux_ {", "", "namespace {", "",
       "constexpr std::int32_t none = -1;", "", "// Columns: " + " ".join(words), "// clang-format off",
       "constexpr SyscallRow rows[] = {"]
for name in sorted(table):
    cells = ", ".join(str(table[name].get(word, "none")) for word in words)
    out.append(f'    {{"{name}", {{{cells}}}}},')
out += ["};", "// clang-format on", "", "}  // namespace", "",
        "std::span<const SyscallRow> syscall_rows() { return rows; }", "", "}  // namespace hull::linux_", ""]
open("src/linux/seccomp_syscalls.cc", "w").write("\n".join(out))
print(len(table), "calls,", len(words), "architectures", file=sys.stderr)
