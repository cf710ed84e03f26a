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
    if (const auto* given = build_.find_context(from); given && given->image.empty()) {
        plan.source_directory = given->directory;
        plan.index = given->index;
        plan.ignored = build_.ignored_in(given->directory);
        return;
    }
    plan.keep_owner = plan.keep_links = true;
    std::vector<std::string> diff_ids;
    if (const auto stage = build_.find_source_stage(from, stage_)) {
        diff_ids = build_.wait_for_stage(*stage).diff_ids();
    } else {
        diff_ids = build_.get_image(from, "", stage_)->diff_ids;
    }
    plan.source_layers = build_.store().prepare_rootfs(diff_ids, "", "");
}

Listing StageRun::list_sources(const std::vector<files::CopyPlan>& copies) {
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
    return Listing(std::move(listing));
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
        Listing listing = list_sources(copies);
        const std::string digest = listing.digest();
        StepInputs inputs = begin_inputs(kind);
        const files::CopyPlan& first = copies.front();
        inputs.add("destination", first.destination);
        inputs.add("--chown", first.owner);
        inputs.add("--chmod", first.mode);
        inputs.add("--link", first.look_below ? "" : "true");
        inputs.add("--parents", first.parents ? "true" : "");
        inputs.add_files("content of the files", std::move(listing));
        try {
            take_layer(inputs, [&] { return copy_into_layer(copies, digest); });
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
