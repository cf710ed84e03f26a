#include "linux/binfmt.hh"

#include "base/file.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <fmt/core.h>

#include <elf.h>

#include <algorithm>
#include <utility>

namespace hull::linux_ {

namespace {

struct Machine {
    std::string_view architecture;
    int number;  ///< e_machine of its programs
    bool is_big_endian = false;
};

constexpr Machine machines[] = {
    {"amd64", EM_X86_64},      {"386", EM_386},          {"arm64", EM_AARCH64},
    {"arm", EM_ARM},           {"riscv64", EM_RISCV},    {"ppc64le", EM_PPC64},
    {"ppc64", EM_PPC64, true}, {"s390x", EM_S390, true}, {"mips64le", EM_MIPS},
    {"mips64", EM_MIPS, true}, {"loong64", 258},
};

constexpr std::size_t most_entry_bytes = 64UL << 10, machine_digit = 36;

/// The four digits of e_machine in "magic 7f454c46…", as it is in the program.
bool names_machine(std::string_view entry, const std::string& digits) {
    if (!entry.starts_with("enabled")) return false;
    for (const std::string_view line : split_views(entry, '\n'))
        if (line.starts_with("magic ") && line.size() >= 6 + machine_digit + 4)
            return line.substr(6, 8) == "7f454c46" && line.substr(6 + machine_digit, 4) == digits;
    return false;
}

}  // namespace

bool can_emulate(std::string_view architecture, const std::string& entries) {
#if defined(__x86_64__)
    if (architecture == "386") return true;
#elif defined(__aarch64__)
    if (architecture == "arm") return true;
#endif
    const auto* machine =
        std::find_if(std::begin(machines), std::end(machines),
                     [&](const Machine& known) { return known.architecture == architecture; });
    if (machine == std::end(machines) || !sys::find_stat(entries)) return false;
    int low = machine->number & 0xff, high = machine->number >> 8;
    if (machine->is_big_endian) std::swap(low, high);
    const std::string digits = fmt::format("{:02x}{:02x}", low, high);
    for (const std::string& name : sys::list_directory(entries)) {
        if (name == "register" || name == "status") continue;
        const auto entry = find_file(join(entries, name), most_entry_bytes);
        if (entry && names_machine(*entry, digits)) return true;
    }
    return false;
}

}  // namespace hull::linux_
