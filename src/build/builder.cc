#include "build/builder.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "build/build.hh"
#include "build/dockerfile/archive_head.hh"
#include "build/remote.hh"
#include "build/stage_run.hh"
#include "engine/files_run.hh"
#include "oci/reference.hh"
#include "store/space.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace hull::build {

namespace {

constexpr std::size_t most_dockerfile_bytes = 4UL << 20;
constexpr std::uint64_t least_free_bytes = 64UL << 10;  ///< with less a context has failed for that

}  // namespace

Builder::Builder(BuilderOptions options, engine::Engine& engine, image::Images& images,
                 store::Store& store, db::Database& database)
    : options_(std::move(options)),
      engine_(engine),
      images_(images),
      store_(store),
      cache_(database, store, join(join(options_.data_root, "build"), "listings")),
      history_(join(join(options_.data_root, "build"), "history")),
      downloads_(store, options_.transfers) {
    const Path root = join(options_.data_root, "build");
    sys::mkdir_all(root, 0711);
    // What is in these belonged to builds that a daemon before us was running.
    for (const char* kind : {"contexts", "temporary"}) {
        sys::remove_tree(join(root, kind));
        sys::mkdir(join(root, kind), 0700);
    }
    for (const char* kind : {"scratch", "cache", "index", "mounts"})
        sys::mkdir(join(root, kind), 0700);
    remove_mounted_trees(join(root, "mounts"));
    sys::remove_tree(join(options_.exec_root, "build"));
    sys::mkdir_all(join(options_.exec_root, "build"), 0700);
    images_.set_cache_roots([this] {
        store::Roots roots = cache_.roots();
        store::Roots failed = history_.roots();
        roots.layers.merge(failed.layers);
        roots.blobs.merge(failed.blobs);
        return roots;
    });
}

Builder::~Builder() { images_.set_cache_roots({}); }

Path Builder::new_directory(std::string_view kind) {
    const Path path = join(join(join(options_.data_root, "build"), kind), random_hex(8));
    sys::mkdir(path, 0755);  // what is above it is closed
    return path;
}

Builder::ReceivedContext::~ReceivedContext() {
    if (directory_.empty()) return;
    try {
        sys::remove_tree(directory_);
    } catch (const Error& error) {
        log::warning("removing a build context: {}", error.message());
    }
}

/// Parsed without privileges, and made files by a program that only makes files (ADR 009).
void Builder::unpack(int input_fd, const Path& directory, StopEvent& stop) {
    StopEvent parser_stop;
    const auto run = [&] {
        run_pipe([&](int output) { images_.unpack(input_fd, output, &parser_stop); },
                 [&](int records) {
            engine::FilesCommand command;
            command.program = join(options_.programs, "hull-files");
            command.request.verb = files::Verb::unpack;
            command.request.path = directory;
            command.request.container = "build";
            command.input_fd = records;
            engine::run_files(
                command, [](const auto&) {}, &stop);
        },
                 parser_stop);
    };
    try {
        run();
    } catch (const Error& error) {
        throw Error(error.kind(), "{}{}", error.message(),
                    store::describe_shortage(directory, least_free_bytes));
    }
}

Builder::ReceivedContext Builder::receive_context(int input_fd, StopEvent& stop) {
    ReceivedContext context(new_directory("contexts"));
    unpack(input_fd, context.directory(), stop);
    return context;
}

Builder::RemoteContext Builder::fetch_context(const std::string& address, bool keep_git_dir,
                                              const std::map<std::string, std::string>& secrets,
                                              StopEvent& stop) {
    RemoteContext context;
    if (const auto git = parse_git_address(address)) {
        image::GitRequest request;
        request.url = git->url;
        request.ref = git->ref;
        request.submodules = git->submodules.value_or(true);
        request.keep_git_dir = git->keep_git_dir.value_or(keep_git_dir);
        if (const std::string shown = find_authorization(secrets, git->url, "GIT");
            !shown.empty() && is_http_address(git->url))
            request.header = "Authorization: " + shown;
        const std::string commit = downloads_.find_commit(request, stop);
        if (!commit.starts_with(git->checksum))
            throw Error(ErrorKind::invalid_argument, "expected checksum to match {}, got {}",
                        git->checksum, commit);
        context.checkout.emplace(downloads_.check_out(request, commit, stop));
        context.directory = resolve_inside(context.checkout->tree, git->subdir);
        return context;
    }
    if (!is_http_address(address))
        throw Error(ErrorKind::invalid_argument, "{} is no address of a context", address);
    image::DownloadRequest asked;
    asked.url = address;
    if (const std::string shown = find_authorization(secrets, address, "HTTP"); !shown.empty())
        asked.headers["Authorization"] = shown;
    const auto download = downloads_.fetch(asked, stop);
    const Fd file = sys::open(join(download->staging.path(), download->file), O_RDONLY);
    std::string head(512, '\0');
    head.resize(sys::read_full(file.get(), std::as_writable_bytes(std::span(head))));
    ::lseek(file.get(), 0, SEEK_SET);
    if (dockerfile::begins_archive(head)) {
        context.received.emplace(receive_context(file.get(), stop));
    } else {
        context.received.emplace(new_directory("contexts"));
        std::string text(std::min<std::uint64_t>(download->size, most_dockerfile_bytes), '\0');
        text.resize(sys::read_full(file.get(), std::as_writable_bytes(std::span(text))));
        context.dockerfile = std::move(text);
    }
    context.directory = context.received->directory();
    return context;
}

Context Builder::local_context(const Path& directory, const std::string& identity) const {
    const auto info = sys::find_stat(directory);
    if (!directory.starts_with('/') || !info || !S_ISDIR(info->st_mode) ||
        identity != fmt::format("{}:{}", static_cast<unsigned long>(info->st_dev),
                                static_cast<unsigned long>(info->st_ino)))
        throw Error(ErrorKind::not_found, "the daemon does not see the directory {}", directory);
    return {directory, join(join(options_.data_root, "build/index"), sha256_hex(directory))};
}

BuildResult Builder::build(const BuildRequest& request, const Context& context, const Sink& sink,
                           StopEvent& stop) {
    for (const std::string& tag : request.tags)
        if (!oci::Reference::parse(tag).digest().empty())
            throw Error(ErrorKind::invalid_argument,
                        "refusing to create a tag with a digest "
                        "reference");
    // By its id it can be cancelled from elsewhere.
    StopEvent cancelled;
    struct Registration {
        Registration(Builder& owner, std::string name) : builder(owner), id(std::move(name)) {}
        ~Registration() { builder.running_.lock()->erase(id); }
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;
        Builder& builder;
        const std::string id;
    };
    std::optional<Registration> registration;
    if (!request.id.empty() && running_.lock()->try_emplace(request.id, &cancelled).second)
        registration.emplace(*this, request.id);
    const bool has_parts = request.platform.find(',') != std::string::npos;
    const auto multi = request.build_args.find("BUILDKIT_MULTI_PLATFORM");
    const bool is_multi =
        multi != request.build_args.end() && (multi->second == "1" || multi->second == "true");
    BuildResult result = has_parts || is_multi || request.provenance != Provenance::none
                             ? build_index(request, context, sink, stop, cancelled)
                             : Build(*this, request, context, sink, stop, cancelled).run();
    keep_budget();
    return result;
}

void Builder::cancel(const std::string& id) {
    const auto running = running_.lock();
    if (const auto found = running->find(id); found != running->end()) found->second->request();
}

}  // namespace hull::build
