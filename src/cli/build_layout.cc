#include "cli/build_layout.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "cli/reply_source.hh"
#include "cli/session.hh"
#include "cli/tree_archive.hh"
#include "cli/unpack.hh"

#include <unistd.h>

#include <thread>
#include <vector>

namespace hull::cli {
namespace {

/// "sha256:…" of "Loaded image ID: sha256:…", or the name of "Loaded image: NAME".
std::string name_in(const std::string& line) {
    for (const std::string_view prefix : {"Loaded image ID: ", "Loaded image: "})
        if (const std::size_t at = line.find(prefix); at != std::string::npos) {
            std::string name = line.substr(at + prefix.size());
            return name.substr(0, name.find('\n'));
        }
    return "";
}

}  // namespace

std::string load_layout(Session& session, const Path& directory) {
    if (!sys::find_stat(join(directory, "index.json")))
        throw Error(ErrorKind::invalid_argument, "{} is no OCI layout: it has no index.json",
                    directory);
    sys::Pipe pipe = sys::pipe();
    std::thread writer([&, output = std::move(pipe.write_end)] {
        try {
            TreeArchive archive(directory, ".", true,
                                [](const std::string&, bool) { return false; });
            std::vector<std::byte> buffer(256UL << 10);
            while (const std::size_t count = archive.read(buffer))
                sys::write_all(output.get(), {reinterpret_cast<const char*>(buffer.data()), count});
        } catch (const Error&) {
            // Its end comes too early for the daemon, which says so.
        }
    });
    struct Joiner {
        ~Joiner() {
            input.reset();
            thread.join();
        }
        Fd& input;
        std::thread& thread;
    };
    const Joiner joiner{pipe.read_end, writer};
    std::string name;
    session.ask([&](client::Client& daemon) {
        daemon.load_images(pipe.read_end.get(), true, {}, [&](const api::ProgressMessage& message) {
            if (std::string found = name_in(message.stream); !found.empty())
                name = std::move(found);
        });
    });
    if (name.empty())
        throw Error(ErrorKind::invalid_argument, "the OCI layout {} holds no image", directory);
    return session
        .ask([&](client::Client& daemon) { return daemon.inspect_image_json(name); })["Id"]
        .as_string();
}

void save_layout(Session& session, const std::string& image, const Path& directory) {
    sys::mkdir_all(directory, 0755);
    session.ask([&](client::Client& daemon) {
        http::ClientResponse response = daemon.save_images({image});
        ReplySource source(response);
        UnpackPlan plan;
        plan.parent = directory;
        plan.keep_owner = ::geteuid() == 0;
        plan.warn = [&](std::string_view text) { session.complain(text); };
        unpack(source, plan);
    });
}

}  // namespace hull::cli
