#include "cli/output_file.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "cli/terminal.hh"

#include <unistd.h>

#include <vector>

namespace hull::cli {
namespace {

void write_file(const Path& path, std::string_view verb,
                const std::function<http::ClientResponse()>& request) {
    // A device or a pipe (/dev/null, >(…)) is written as it is.
    if (const auto stat = sys::find_stat(path); stat && !S_ISREG(stat->st_mode)) {
        if (S_ISDIR(stat->st_mode))
            throw Error(ErrorKind::invalid_argument,
                        "failed to {}: {} is a directory, name a file in it", verb, path);
        if (!S_ISLNK(stat->st_mode)) {
            const Fd file = sys::open(path, O_WRONLY);
            http::ClientResponse response = request();
            copy_reply(response, file.get());
            return;
        }
    }
    const Path partial = path + "." + random_hex(4) + ".partial";
    const Fd file =
        with_context([&] { return sys::open(partial, O_WRONLY | O_CREAT | O_EXCL, 0600); },
                     "failed to {}: invalid output path", verb);
    try {
        http::ClientResponse response = request();
        copy_reply(response, file.get());
        sys::rename(partial, path);
    } catch (...) {
        ::unlink(partial.c_str());
        throw;
    }
}

}  // namespace

void copy_reply(http::ClientResponse& response, int output) {
    std::vector<std::byte> buffer(1 << 20);
    while (const std::size_t count = response.read(buffer))
        sys::write_all(output, {reinterpret_cast<const char*>(buffer.data()), count});
}

void write_archive(const std::string& path, std::string_view verb,
                   const std::function<http::ClientResponse()>& request) {
    if (!path.empty()) {
        write_file(path, verb, request);
        return;
    }
    if (is_terminal(STDOUT_FILENO))
        throw Error(ErrorKind::invalid_argument,
                    "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    http::ClientResponse response = request();
    copy_reply(response, STDOUT_FILENO);
}

}  // namespace hull::cli
