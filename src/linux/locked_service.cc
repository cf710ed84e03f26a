#include "linux/locked_service.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/sandbox.hh"

#include <signal.h>
#include <sys/resource.h>

#include <charconv>
#include <string>
#include <string_view>

namespace hull::linux_ {

namespace {

void enter(const std::string& path, uid_t uid) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    const Fd directory = sys::open(path, O_RDONLY | O_DIRECTORY);
    SandboxOptions sandbox;
    sandbox.uid = uid;
    sandbox.directory = directory.get();
    sandbox.network = sandbox.listens = true;
    enter_sandbox(sandbox);
}

}  // namespace

int run_locked_service(const char* program, int argument_count, char** words,
                       const std::function<void()>& serve) {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        std::string directory;
        uid_t uid = 0;
        for (int i = 1; i + 1 < argument_count; i += 2) {
            const std::string_view name = words[i], value = words[i + 1];
            if (name == "--directory") directory = value;
            if (name == "--uid") std::from_chars(value.data(), value.data() + value.size(), uid);
        }
        if (directory.empty() || uid == 0)
            throw Error(ErrorKind::invalid_argument, "--directory and --uid are required");
        enter(directory, uid);
        // From here on bytes of strangers may be read.
        serve();
        return 0;
    } catch (const std::exception& error) {
        sys::write_all(2, fmt::format("{}: {}\n", program, error.what()));
        return 1;
    }
}

}  // namespace hull::linux_
