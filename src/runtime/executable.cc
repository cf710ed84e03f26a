#include "runtime/executable.hh"

#include "base/sys.hh"
#include "runtime/container.hh"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace hull::runtime {
namespace {

constexpr std::string_view default_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int max_interpreters = 5;  // BINPRM_MAX_RECURSION and a bit

struct Machine {
    unsigned number;
    std::string_view name;
};
constexpr Machine machines[] = {
    {EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_386, "i386"},
    {EM_ARM, "arm"},       {EM_PPC64, "ppc64"},     {EM_S390, "s390x"},
    {EM_RISCV, "riscv64"}, {EM_MIPS, "mips"},       {258, "loongarch64"},
};

#if defined(__x86_64__)
constexpr unsigned own_machine = EM_X86_64, own_machine_32 = EM_386;
#elif defined(__aarch64__)
constexpr unsigned own_machine = EM_AARCH64, own_machine_32 = EM_ARM;
#else
#error "name the ELF machine of this architecture"
#endif

std::string machine_name(unsigned number) {
    for (const Machine& known : machines)
        if (known.number == number) return std::string(known.name);
    return fmt::format("machine {}", number);
}

[[noreturn]] void not_found(const std::string& name, std::string_view why) {
    throw LaunchError(ErrorKind::not_found, 127, fmt::format("exec: \"{}\": {}", name, why));
}

[[noreturn]] void not_executable(const std::string& name, std::string_view why) {
    throw LaunchError(ErrorKind::forbidden, 126, fmt::format("exec: \"{}\": {}", name, why));
}

std::string_view path_variable(const std::vector<std::string>& environment) {
    for (const std::string& entry : environment)
        if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
    return default_path;
}

bool is_on_noexec_mount(const Path& path) {
    struct statvfs status;
    return ::statvfs(path.c_str(), &status) == 0 && (status.f_flag & ST_NOEXEC);
}

/// Throws the reason why `path` itself cannot be executed, whatever is in it.
void check_file(const std::string& name, const Path& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) not_found(name, "no such file or directory");
        if (errno == EACCES) not_executable(name, "permission denied (a directory of its path)");
        if (errno == ELOOP) not_executable(name, "too many levels of symbolic links");
        throw_errno(errno, "exec: \"{}\"", name);
    }
    if (S_ISDIR(status.st_mode)) not_executable(name, "permission denied (is a directory)");
    if (!S_ISREG(status.st_mode)) not_executable(name, "permission denied (not a regular file)");
    if (is_on_noexec_mount(path)) not_executable(name, "permission denied (on a noexec mount)");
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0)
        not_executable(name, "permission denied (not executable)");
}

/// Other formats are none of our business when the kernel has handlers for them (qemu, wine, ...).
bool has_binary_handlers(int proc) {
    try {
        Fd directory = sys::openat(proc, "sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY);
        for (const std::string& entry :
             sys::list_directory(fmt::format("/proc/self/fd/{}", directory.get())))
            if (entry != "register" && entry != "status") return true;
    } catch (const Error&) {
    }
    return false;
}

std::optional<std::string> find_elf_interpreter(int file, std::span<const char> head) {
    Elf64_Ehdr header;
    std::memcpy(&header, head.data(), sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
        return std::nullopt;
    for (unsigned i = 0; i < header.e_phnum && i < 64; i++) {
        Elf64_Phdr program;
        off_t at = static_cast<off_t>(header.e_phoff + i * sizeof program);
        if (::pread(file, &program, sizeof program, at) != sizeof program) return std::nullopt;
        if (program.p_type != PT_INTERP || program.p_filesz < 2 || program.p_filesz > 4096)
            continue;
        std::string text(program.p_filesz, '\0');
        if (::pread(file, text.data(), text.size(), static_cast<off_t>(program.p_offset)) !=
            static_cast<ssize_t>(text.size()))
            return std::nullopt;
        return std::string(text.c_str());
    }
    return std::nullopt;
}

void check_elf(const std::string& name, int file, std::span<const char> head, int proc) {
    Elf64_Ehdr header;
    std::memcpy(&header, head.data(), sizeof header);
    unsigned machine = header.e_machine;  // at the same place in both classes
    if (machine != own_machine && machine != own_machine_32) {
        if (has_binary_handlers(proc)) return;
        throw LaunchError(
            ErrorKind::invalid_argument, 126,
            fmt::format("exec: \"{}\": exec format error: built for {}, this machine is {}", name,
                        machine_name(machine), machine_name(own_machine)));
    }
    if (auto loader = find_elf_interpreter(file, head)) {
        struct stat status;
        if (::stat(loader->c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR))
            not_found(name,
                      fmt::format("ELF loader {} not found: no such file or directory", *loader));
    }
}

/// The interpreter named in a "#!" line; nullopt when the line is none the kernel would take.
std::optional<std::string> parse_interpreter(std::string_view head) {
    std::string_view line = head.substr(2, head.find('\n') - 2);
    std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return std::nullopt;
    line.remove_prefix(begin);
    return std::string(line.substr(0, line.find_first_of(" \t")));
}

void check_script(const std::string& name, std::string_view head, int proc, int depth);

void check_content(const std::string& name, const Path& path, int proc, int depth) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return;  // executable but unreadable: the kernel may still run it
    std::array<char, 256> buffer{};
    ssize_t count = ::pread(file.get(), buffer.data(), buffer.size(), 0);
    if (count < 0) return;
    std::string_view head(buffer.data(), static_cast<std::size_t>(count));
    if (head.starts_with("#!")) return check_script(name, head, proc, depth);
    if (head.starts_with(ELFMAG) && head.size() >= sizeof(Elf64_Ehdr))
        return check_elf(name, file.get(), buffer, proc);
    if (!has_binary_handlers(proc))
        throw LaunchError(
            ErrorKind::invalid_argument, 126,
            fmt::format("exec: \"{}\": exec format error: {}", name,
                        head.empty() ? "the file is empty"
                                     : "neither an ELF program nor a script with #!"));
}

void check_script(const std::string& name, std::string_view head, int proc, int depth) {
    std::optional<std::string> interpreter = parse_interpreter(head);
    if (!interpreter || depth >= max_interpreters)
        throw LaunchError(ErrorKind::invalid_argument, 126,
                          fmt::format("exec: \"{}\": exec format error: bad #! line", name));
    struct stat status;
    if (::stat(interpreter->c_str(), &status) == 0) {
        if (::faccessat(AT_FDCWD, interpreter->c_str(), X_OK, AT_EACCESS) != 0)
            not_executable(name, fmt::format("interpreter {}: permission denied (not executable)",
                                             *interpreter));
        return check_content(name, *interpreter, proc, depth + 1);
    }
    if (errno != ENOENT && errno != ENOTDIR) return;  // execve will say
    if (interpreter->ends_with('\r'))
        not_found(name, fmt::format("interpreter \"{}\\r\" not found: the script has CRLF line "
                                    "endings: no such file or directory",
                                    interpreter->substr(0, interpreter->size() - 1)));
    not_found(name,
              fmt::format("interpreter {} not found: no such file or directory", *interpreter));
}

/// A file on the way that is there but may not be run: reported when nothing better is found.
Path find_in_path(const std::string& name, std::string_view path) {
    Path refused;
    for (;;) {
        std::size_t colon = path.find(':');
        std::string_view directory = path.substr(0, colon);
        Path candidate = directory.empty() ? "./" + name : join(directory, name);
        struct stat status;
        if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
            if (::faccessat(AT_FDCWD, candidate.c_str(), X_OK, AT_EACCESS) == 0) return candidate;
            if (refused.empty()) refused = candidate;
        }
        if (colon == std::string_view::npos) break;
        path.remove_prefix(colon + 1);
    }
    if (!refused.empty()) return refused;
    not_found(name, "executable file not found in $PATH");
}

}  // namespace

Path find_executable(const std::string& name, const std::vector<std::string>& environment,
                     int proc) {
    if (name.empty()) not_found(name, "executable file not found in $PATH");
    Path path =
        name.find('/') != std::string::npos ? name : find_in_path(name, path_variable(environment));
    check_file(name, path);
    check_content(name, path, proc, 0);
    return path;
}

void throw_exec_failure(const std::string& name, const Path& path, int error_number, int proc) {
    if (error_number == ENOENT || error_number == EACCES || error_number == ENOEXEC) {
        check_file(name, path);
        check_content(name, path, proc, 0);
    }
    int code = error_number == ENOENT || error_number == ENOTDIR ? 127 : 126;
    std::string_view text = error_number == ENOENT    ? "no such file or directory"
                            : error_number == EACCES  ? "permission denied"
                            : error_number == ENOEXEC ? "exec format error"
                                                      : std::string_view(::strerror(error_number));
    throw LaunchError(kind_of_errno(error_number), code,
                      fmt::format("exec: \"{}\": {}", name, text));
}

}  // namespace hull::runtime
