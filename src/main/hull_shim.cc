#include "base/error.hh"
#include "base/log.hh"
#include "runtime/container.hh"
#include "shim/shim.hh"

#include <cstdio>
#include <string_view>

/// hull-shim --launch BUNDLE/launch.json, with the daemon's channel as descriptor 3; or
/// hull-shim --spare, which hears of its bundle through that channel later.
int main(int argc, char** argv) {
    try {
        hull::runtime::protect_own_executable(argv);
        const bool is_spare = argc == 2 && std::string_view(argv[1]) == "--spare";
        if (!is_spare && (argc != 3 || std::string_view(argv[1]) != "--launch")) {
            std::fputs("usage: hull-shim --launch FILE | --spare (started by hulld)\n", stderr);
            return 125;
        }
        hull::shim::detach_from_caller();
        hull::Fd daemon(3);
        if (!is_spare) return hull::shim::run(argv[2], std::move(daemon));
        const auto launch_file = hull::shim::wait_for_launch(daemon);
        return launch_file ? hull::shim::run(*launch_file, std::move(daemon)) : 0;
    } catch (const std::exception& error) {
        hull::log::error("hull-shim: {}", error.what());
        return 125;
    }
}
