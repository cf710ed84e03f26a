#include "base/error.hh"
#include "cli/commands.hh"

#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

namespace hull::cli {
namespace {

/// This process becomes the program beside us, or one in PATH.
int run(Invocation& call) {
    char self[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
    std::string program(self, length > 0 ? static_cast<std::size_t>(length) : 0);
    program = program.substr(0, program.rfind('/') + 1) + "hull-registry";
    std::vector<char*> arguments{program.data()};
    std::vector<std::string> words = call.arguments.positional;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(program.c_str(), arguments.data());
    if (errno == ENOENT) ::execvp("hull-registry", arguments.data());
    throw_errno(errno, "starting {}", program);
}

}  // namespace

const Command registry_serve_command{
    .name = "registry serve",
    .usage = "[OPTIONS]",
    .summary = "Serve images to other hosts (see \"registry serve --help\")",
    .args = at_least(0),
    .run = run,
    .completes = Completes::files,
    .raw_arguments = true,
};

}  // namespace hull::cli
