#include "files/program.hh"

#include "archive/tar_writer.hh"
#include "base/error.hh"
#include "base/hash.hh"
#include "base/json.hh"
#include "base/sys.hh"
#include "files/changes.hh"
#include "files/copy.hh"
#include "files/owner.hh"
#include "files/request.hh"
#include "files/tree_copy.hh"
#include "files/tree_tar.hh"
#include "files/tree_writer.hh"
#include "files/view.hh"
#include "files/waste.hh"
#include "linux/overlay.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <new>
#include <set>

namespace hull::files {

namespace {

constexpr int output_fd = 1, message_fd = 3, request_fd = 4, root_fd = 5, namespace_fd = 6;
/// A writer to a container that does not run keeps it from being started: a client must not do so
/// by falling silent.
constexpr int silence_ms = 60'000;

void send(const json::Value& message) { sys::write_all(message_fd, json::dump(message) + "\n"); }

void warn(std::string_view text) { send(json::Object{{"warning", text}}); }

/// Descriptor 0, with an end to patience.
class Input final : public archive::ByteSource {
public:
    explicit Input(int limit_ms) : limit_ms_(limit_ms) {}
    std::span<const std::byte> next() override {
        if (!sys::poll_one(0, POLLIN, limit_ms_))
            throw Error(ErrorKind::invalid_argument,
                        "no data came for {} seconds: given up, so that the container can be "
                        "started",
                        limit_ms_ / 1000);
        return source_.next();
    }

private:
    const int limit_ms_;
    archive::FdSource source_{0};
};

/// Descriptor 1, in pieces worth a system call.
class Output {
public:
    void write(std::span<const std::byte> bytes) {
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (pending_.size() + text.size() > most_bytes) flush();
        if (text.size() >= most_bytes)
            sys::write_all(output_fd, text);
        else
            pending_ += text;
    }
    void flush() {
        sys::write_all(output_fd, pending_);
        pending_.clear();
    }

private:
    static constexpr std::size_t most_bytes = 64UL << 10;
    std::string pending_;
};

[[noreturn]] void throw_missing(const Request& request) {
    throw Error(ErrorKind::not_found, "Could not find the file {} in container {}", request.path,
                request.container);
}

Place get_place(const Request& request, int root) {
    std::optional<Place> place = find_place(root, request.path);
    if (!place) throw_missing(request);
    return std::move(*place);
}

/// Calls `body` with a tar on descriptor 1.
template <typename Body>
void write_tar(Body&& body) {
    Output output;
    archive::TarWriter tar([&](std::span<const std::byte> bytes) { output.write(bytes); });
    body(tar);
    tar.finish();
    output.flush();
}

std::set<FileId> find_hidden(const Request& request, int root) {
    std::set<FileId> ids;
    for (const Path& path : request.hidden)
        if (const auto place = find_place(root, path + "/."))
            ids.emplace(place->info.st_dev, place->info.st_ino);
    return ids;
}

void stat_path(const Request& request, int root) {
    const Place place = get_place(request, root);
    send(json::Object{{"ready", to_json(describe_place(root, request.path, place))}});
}

void read_path(const Request& request, int root) {
    const Place place = get_place(request, root);
    send(json::Object{{"ready", to_json(describe_place(root, request.path, place))}});
    write_tar([&](archive::TarWriter& tar) {
        TreeTar(tar, {.is_layer = false,
                      .hidden = find_hidden(request, root),
                      .keep_holes = request.keep_holes})
            .add(place.fd.get(), place.name);
    });
}

/// Docker's texts. What is mounted read-only below the directory is refused by the kernel.
void refuse_read_only(int root, const Place& place) {
    struct statvfs info {};
    if (::fstatvfs(place.fd.get(), &info) != 0 || !(info.f_flag & ST_RDONLY)) return;
    if (sys::fstat(root).st_dev == place.info.st_dev)
        throw Error(ErrorKind::forbidden, "container rootfs is marked read-only");
    throw Error(ErrorKind::forbidden, "mounted volume is marked read-only");
}

void write_path(const Request& request, int root) {
    const auto place = find_place(root, request.path);
    if (!place) throw_missing(request);
    // A link is followed here, whatever the path ends in.
    const auto target = S_ISLNK(place->info.st_mode) ? find_place(root, request.path + "/.")
                                                     : find_place(root, request.path);
    if (!target) throw_missing(request);
    if (!S_ISDIR(target->info.st_mode))
        throw Error(ErrorKind::invalid_argument, "extraction point is not a directory");
    refuse_read_only(root, *target);
    TreeWriter::Options options;
    options.keep_kinds = request.keep_kinds;
    if (!request.owner.empty()) options.owner = find_owner(root, request.owner);
    options.warn = warn;
    send(json::Object{{"ready", nullptr}});
    Input input(request.running ? -1 : silence_ms);
    archive::RecordReader records(input);
    TreeWriter(root, request.path, options).write_all(records);
}

void export_root(int root) {
    send(json::Object{{"ready", nullptr}});
    write_tar([&](archive::TarWriter& tar) { TreeTar(tar, {}).add_children(root, ""); });
}

void write_layer(const Request& request) {
    const Fd upper = sys::open(request.rootfs.upper, O_PATH | O_DIRECTORY);
    send(json::Object{{"ready", nullptr}});
    write_tar([&](archive::TarWriter& tar) {
        const struct stat info = sys::fstat(upper.get());
        // The root itself only when somebody has changed it.
        if ((info.st_mode & 07777) != 0755 || info.st_uid != 0 || info.st_gid != 0)
            tar.add(make_entry(upper.get(), info, archive::EntryType::directory, "."));
        TreeTar::Options options;
        options.is_layer = true;
        options.newest_mtime_s = request.newest_mtime_s;
        for (const Path& path : request.mount_points)
            options.mount_points.insert(path.substr(path.find_first_not_of('/')));
        TreeTar(tar, std::move(options)).add_children(upper.get(), "");
    });
}

void copy_trees(const Request& request) {
    send(json::Object{{"ready", nullptr}});
    for (const BindMount& mount : request.mounts) {
        const Fd source = sys::open(mount.source, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        const Fd target = sys::open(mount.destination, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        TreeCopy(target.get()).copy(source.get());
    }
}

/// A volume starts with what the image has at its place. The source of a mount is made when the
/// image has a directory there, or is there and empty.
void copy_up(const Request& request) {
    const Fd root = mount_lowers(request);
    send(json::Object{{"ready", nullptr}});
    for (const BindMount& mount : request.mounts) {
        const auto place = find_place(root.get(), mount.destination + "/.");
        if (!place || !S_ISDIR(place->info.st_mode)) continue;
        with_context(
            [&] {
            sys::mkdir(mount.source, 0700);
            const Fd target = sys::open(mount.source, O_PATH | O_DIRECTORY | O_NOFOLLOW);
            TreeCopy(target.get()).copy(place->fd.get());
            },
            "copying {} of the image into a volume", mount.destination);
    }
}

/// A JSON array as it is found, or null.
void write_changes(const Request& request) {
    const Fd lower = mount_lowers(request);
    const Fd upper = sys::open(request.rootfs.upper, O_PATH | O_DIRECTORY);
    send(json::Object{{"ready", nullptr}});
    Output output;
    bool any = false;
    const auto write = [&](const std::string& text) {
        output.write(std::as_bytes(std::span(text)));
    };
    list_changes(upper.get(), lower.get(), [&](ChangeKind kind, const std::string& path) {
        const json::Object change{{"Path", path}, {"Kind", static_cast<int>(kind)}};
        write((any ? "," : "[") + json::dump(change));
        any = true;
    });
    write(any ? "]\n" : "null\n");
    output.flush();
}

/// Into a directory of the host that nobody else knows.
void unpack(const Request& request) {
    const Fd root = sys::open(request.path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    TreeWriter::Options options;
    options.warn = warn;
    send(json::Object{{"ready", nullptr}});
    Input input(-1);
    archive::RecordReader records(input);
    TreeWriter(root.get(), "/", options).write_all(records);
}

/// Where a copy takes files from; empty when it takes none.
Fd open_source(const CopyPlan& plan, const Path& scratch) {
    if (plan.paths.empty()) return {};
    if (!plan.source_directory.empty())
        return sys::open(plan.source_directory, O_PATH | O_DIRECTORY);
    return linux_::mount_overlay(plan.source_layers, join(scratch, "source"));
}

void list_sources(const Request& request) {
    const Path scratch = make_scratch(request);
    send(json::Object{{"ready", nullptr}});
    Output output;
    for (const CopyPlan& plan : request.copies)
        Copier(plan, open_source(plan, scratch)).write_listing([&](std::string_view record) {
            output.write(std::as_bytes(std::span(record)));
        });
    output.flush();
}

void copy_into_layer(const Request& request) {
    const Path scratch = make_scratch(request);
    const Fd below = linux_::mount_overlay(request.rootfs, join(scratch, "layers"));
    send(json::Object{{"ready", nullptr}});
    Sha256 hash;
    write_tar([&](archive::TarWriter& tar) {
        for (const CopyPlan& plan : request.copies)
            Copier(plan, open_source(plan, scratch))
                .write_layer(below.get(), tar,
                             [&](std::string_view record) { hash.update(record); });
    });
    send(json::Object{{"digest", hash.hex()}});
}

void say_waste(const Request& request) {
    send(json::Object{{"ready", nullptr}});
    send(json::Object{
        {"waste", find_waste(linux_::mount_layers(request.rootfs), request.own_layers)}});
}

/// The root that the request's verb works on.
Fd open_root(const Request& request) {
    if (!request.running) return mount_stopped(request, request.verb == Verb::write);
    if (request.verb == Verb::export_root) return clone_bare_root(namespace_fd);
    return Fd(root_fd);
}

void run(const Request& request) {
    if (request.verb == Verb::unpack) return unpack(request);
    if (!request.running || request.verb == Verb::changes) enter_private_mounts();
    switch (request.verb) {
        case Verb::digest: return list_sources(request);
        case Verb::copy: return copy_into_layer(request);
        case Verb::waste: return say_waste(request);
        case Verb::changes: return write_changes(request);
        case Verb::layer: return write_layer(request);
        case Verb::copy_up: return copy_up(request);
        case Verb::copy_tree: return copy_trees(request);
        default: break;
    }
    const Fd root = open_root(request);
    switch (request.verb) {
        case Verb::stat: return stat_path(request, root.get());
        case Verb::read: return read_path(request, root.get());
        case Verb::write: return write_path(request, root.get());
        default: return export_root(root.get());
    }
}

Request read_request() {
    std::string text(static_cast<std::size_t>(sys::fstat(request_fd).st_size), '\0');
    if (::lseek(request_fd, 0, SEEK_SET) != 0) throw_errno(errno, "the request");
    text.resize(sys::read_full(request_fd, std::as_writable_bytes(std::span(text))));
    return parse_request(text);
}

void prepare_process(const Request& request) {
    ::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error like any other
    ::umask(0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != request.parent_pid) throw Error(ErrorKind::cancelled, "the daemon is gone");
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;  // every level of a tree holds one
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

json::Value describe_error(const Error& error) {
    return json::Object{
        {"error", json::Object{{"kind", to_string(error.kind())}, {"message", error.message()}}}};
}

}  // namespace

int run_program() {
    try {
        try {
            const Request request = read_request();
            prepare_process(request);
            run(request);
            send(json::Object{{"done", true}});
            return 0;
        } catch (const Error& error) {
            if (error.error_number() == EROFS)
                send(describe_error(Error(ErrorKind::forbidden, "{}", error.message())));
            else
                send(describe_error(error));
        } catch (const std::bad_alloc&) {
            send(describe_error(Error(ErrorKind::internal, "hull-files is out of memory")));
        } catch (const std::exception& error) {
            send(describe_error(Error(ErrorKind::internal, "{}", error.what())));
        }
    } catch (const Error& error) {  // the daemon is gone, or never was: tell a person
        sys::write_all(2, "hull-files: " + error.message() + "\n");
    }
    return 1;
}

}  // namespace hull::files
