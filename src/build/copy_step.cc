// COPY, ADD and WORKDIR: what takes files from somewhere.
#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "build/dockerfile/ignore.hh"
#include "build/stage_run.hh"
#include "linux/mount.hh"

#include <fcntl.h>

namespace hull::build {

namespace {

constexpr int most_attempts = 3;

void refuse_remote(const std::string& source) {
    for (const std::string_view scheme : {"http://", "https://", "git://", "git@", "ssh://"})
        if (source.starts_with(scheme))
            throw Error(ErrorKind::unsupported,
                        "{}: downloads are not supported yet: RUN a program that fetches it, or "
                        "put it into the context",
                        source);
}

/// What Docker unpacks: a tar, plain or in one of four compressions.
bool begins_archive(std::string_view head) {
    using namespace std::string_view_literals;
    for (const std::string_view magic :
         {"\x1f\x8b"sv, "\x28\xb5\x2f\xfd"sv, "BZh"sv, "\xfd\x37zXZ\0"sv})
        if (head.starts_with(magic)) return true;
    return head.size() >= 262 && head.substr(257, 5) == "ustar";
}

}  // namespace

/// A path of the Dockerfile from the root, a slash at its end kept.
std::string StageRun::absolute(const std::string& path) const {
    if (path.starts_with('/')) return path;
    const std::string& working_dir = state_.config.config.working_dir;
    std::string whole = (working_dir.empty() ? "/" : working_dir);
    if (!whole.ends_with('/')) whole += '/';
    whole += path;
    if (path == "." || path == ".." || path.ends_with("/.") || path.ends_with("/..")) whole += '/';
    return whole;
}

files::CopyPlan StageRun::make_plan(const dockerfile::Transfer& transfer) const {
    files::CopyPlan plan;
    plan.destination = absolute(transfer.destination);
    plan.look_below = !transfer.link;
    plan.owner = transfer.chown;
    plan.mode = transfer.chmod;
    plan.excluded = transfer.excludes;
    plan.mtime_s = state_.created_s;
    return plan;
}

/// The context, or what `from` names: a stage before this one or an image.
void StageRun::set_source(files::CopyPlan& plan, const std::string& from) {
    if (from.empty()) {
        plan.source_directory = build_.context().directory;
        plan.index = build_.context().index;
        plan.ignored = build_.ignored();
        return;
    }
    plan.keep_owner = plan.keep_links = true;
    std::vector<std::string> diff_ids;
    if (const auto stage = dockerfile::find_stage(build_.file(), from, stage_)) {
        diff_ids = build_.wait_for_stage(*stage).diff_ids();
    } else {
        diff_ids = build_.get_image(from, "", stage_)->diff_ids;
    }
    plan.source_layers = build_.store().prepare_rootfs(diff_ids, "", "");
}

std::string StageRun::list_sources(const std::vector<files::CopyPlan>& copies) {
    files::Request request;
    request.verb = files::Verb::digest;
    request.copies = copies;
    std::string listing;
    StopEvent stop_writer;
    run_pipe([&](int output) { build_.run_files(std::move(request), output); },
             [&](int input) {
        std::vector<std::byte> buffer(64UL << 10);
        while (const std::size_t count = sys::read(input, buffer))
            listing.append(reinterpret_cast<const char*>(buffer.data()), count);
    },
             stop_writer);
    return listing;
}

/// Throws conflict when what was read is not what `digest` ("" for any) says: then it was changed
/// meanwhile.
std::optional<image::BuiltLayer> StageRun::copy_into_layer(
    const std::vector<files::CopyPlan>& copies, const std::string& digest) {
    files::Request request;
    request.verb = files::Verb::copy;
    request.copies = copies;
    request.rootfs = build_.store().prepare_rootfs(state_.diff_ids(), "", "");
    std::optional<image::BuiltLayer> layer;
    std::string actual;
    StopEvent stop_writer;
    run_pipe(
        [&](int output) {
        build_.run_files(std::move(request), output, [&](const json::Value& message) {
            if (message["digest"].is_string()) actual = message["digest"].as_string();
        });
        },
        [&](int input) {
        layer = build_.images().add_layer(input, build_.lease(), &build_.stop());
    },
        stop_writer);
    if (!digest.empty() && actual != digest)
        throw Error(ErrorKind::conflict, "the files were changed while they were copied");
    return layer;
}

void StageRun::take_copies(std::string_view kind, std::vector<files::CopyPlan> copies) {
    for (int attempt = 1;; ++attempt) {
        const std::string listing = list_sources(copies);
        StepInputs inputs = begin_inputs(kind);
        const files::CopyPlan& first = copies.front();
        inputs.add("destination", first.destination);
        inputs.add("--chown", first.owner);
        inputs.add("--chmod", first.mode);
        inputs.add("--link", first.look_below ? "" : "true");
        inputs.add("--parents", first.parents ? "true" : "");
        inputs.add("content of the files", sha256_hex(listing));
        try {
            take_layer(inputs, [&] { return copy_into_layer(copies, sha256_hex(listing)); });
            return;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::conflict || attempt == most_attempts) throw;
        }
    }
}

void StageRun::apply(const dockerfile::Copy& copy) {
    with_context(
        [&] {
        std::vector<files::CopyPlan> copies;
        if (!copy.sources.empty()) {
            files::CopyPlan plan = make_plan(copy);
            plan.paths = copy.sources;
            plan.parents = copy.parents;
            set_source(plan, copy.from);
            copies.push_back(std::move(plan));
        }
        std::vector<TemporaryDirectory> directories;
        for (files::CopyPlan& plan : make_heredoc_plans(copy, directories))
            copies.push_back(std::move(plan));
        take_copies("COPY", std::move(copies));
        },
        "COPY failed");
}

void StageRun::apply(const dockerfile::Add& add) {
    with_context(
        [&] {
        std::vector<files::CopyPlan> copies;
        std::vector<std::string> archives;
        for (const std::string& source : add.sources) {
            refuse_remote(source);
            if (add.unpack.value_or(true) && is_archive(source)) {
                archives.push_back(source);
                continue;
            }
            if (copies.empty()) {
                copies.push_back(make_plan(add));
                set_source(copies.front(), "");
            }
            copies.front().paths.push_back(source);
        }
        std::vector<TemporaryDirectory> directories;
        for (files::CopyPlan& plan : make_heredoc_plans(add, directories))
            copies.push_back(std::move(plan));
        if (archives.size() > 1 || (!archives.empty() && !copies.empty()))
            throw Error(ErrorKind::unsupported,
                        "one ADD of an archive together with other sources is not supported yet: "
                        "use one ADD for each");
        if (archives.empty()) return take_copies("ADD", std::move(copies));
        files::CopyPlan plan = make_plan(add);
        set_source(plan, "");
        plan.paths = archives;
        plan.literal = true;
        add_archive(std::move(plan));
        },
        "ADD failed");
}

/// Files that are written in the Dockerfile itself.
std::vector<files::CopyPlan> StageRun::make_heredoc_plans(
    const dockerfile::Transfer& transfer, std::vector<TemporaryDirectory>& directories) {
    std::vector<files::CopyPlan> plans;
    for (const dockerfile::Heredoc& heredoc : transfer.heredocs) {
        if (heredoc.name.find('/') != std::string::npos || heredoc.name == "..")
            throw Error(ErrorKind::invalid_argument, "{} is no name for a file", heredoc.name);
        directories.emplace_back(build_.new_directory("temporary"));
        write_file(join(directories.back().path(), heredoc.name), dockerfile::heredoc_text(heredoc),
                   0644);
        files::CopyPlan plan = make_plan(transfer);
        plan.source_directory = directories.back().path();
        plan.paths = {heredoc.name};
        plan.literal = true;
        plans.push_back(std::move(plan));
    }
    return plans;
}

bool StageRun::is_archive(const std::string& path) const {
    if (dockerfile::has_wildcards(path)) return false;
    const Fd root = sys::open(build_.context().directory, O_PATH | O_DIRECTORY);
    const Fd found = linux_::find_in_root(root.get(), "/" + path, O_RDONLY | O_NONBLOCK);
    if (!found || !S_ISREG(sys::fstat(found.get()).st_mode)) return false;
    std::string head(512, '\0');
    head.resize(sys::read_full(found.get(), std::as_writable_bytes(std::span(head))));
    return begins_archive(head);
}

/// Parsed in hull-transfer, made files in a directory of ours.
files::CopyPlan StageRun::unpack_archive(files::CopyPlan plan,
                                         std::vector<TemporaryDirectory>& directories) {
    const Path archive = resolve_inside(plan.source_directory, plan.paths.front());
    const Fd input = sys::open(archive, O_RDONLY | O_NOFOLLOW);
    directories.emplace_back(build_.new_directory("temporary"));
    build_.unpack(input.get(), directories.back().path());
    plan.source_directory = directories.back().path();
    plan.paths = {"/"};
    plan.ignored.clear();
    plan.index.clear();
    plan.keep_owner = plan.keep_links = true;
    if (!plan.destination.ends_with('/')) plan.destination += '/';
    return plan;
}

void StageRun::add_archive(files::CopyPlan plan) {
    StepInputs inputs = begin_inputs("ADD archive");
    inputs.add("destination", plan.destination);
    inputs.add("--chown", plan.owner);
    inputs.add("--chmod", plan.mode);
    inputs.add("content of the archive", sha256_hex(list_sources({plan})));
    take_layer(inputs, [&] {
        std::vector<TemporaryDirectory> directories;
        return copy_into_layer({unpack_archive(plan, directories)}, "");
    });
}

/// Made when it is not there, for the user of the steps after it.
void StageRun::apply(const dockerfile::Workdir& workdir) {
    std::string path = absolute(workdir.path);
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    state_.config.config.working_dir = path;
    if (path == "/") return;
    files::CopyPlan plan;
    plan.destination = path + "/";
    plan.owner = state_.config.config.user;
    plan.mtime_s = state_.created_s;
    StepInputs inputs = begin_inputs("WORKDIR");
    inputs.add("path", path);
    take_layer(inputs, [&] { return copy_into_layer({plan}, sha256_hex("")); });
}

}  // namespace hull::build
