#include "base/error.hh"
#include "base/log.hh"
#include "runtime/container.hh"
#include "shim/shim.hh"

#include <cstdio>
#include <string_view>

/// hull-shim --launch BUNDLE/launch.json, with the daemon's channel as descriptor 3.
int main(int argc, char** argv) {
    try {
        hull::runtime::protect_own_executable(argv);
        if (argc != 3 || std::string_view(argv[1]) != "--launch") {
            std::fputs("usage: hull-shim --launch FILE (started by hulld)\n", stderr);
            return 125;
        }
        hull::shim::detach_from_caller();
        hull::Fd daemon(3);
        return hull::shim::run(argv[2], std::move(daemon));
    } catch (const std::exception& error) {
        hull::log::error("hull-shim: {}", error.what());
        return 125;
    }
}
