// ADD: COPY, and archives, downloads and repositories.
#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "build/dockerfile/archive_head.hh"
#include "build/dockerfile/ignore.hh"
#include "build/remote.hh"
#include "build/stage_run.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace hull::build {

namespace {

/// What is known of a download from the last time.
struct KnownDownload {
    std::string etag, last_modified, sha256, filename;
};

KnownDownload read_known(const Path& path) {
    KnownDownload known;
    try {
        if (const auto text = find_file(path, 1UL << 20)) {
            const json::Value value = json::parse(*text);
            known.etag = value["etag"].as_string();
            known.last_modified = value["lastModified"].as_string();
            known.sha256 = value["sha256"].as_string();
            known.filename = value["filename"].as_string();
        }
    } catch (const Error&) {
        return {};  // it is fetched again
    }
    return known;
}

void write_known(const Path& path, const KnownDownload& known) {
    replace_file(path,
                 json::dump(json::Object{{"etag", known.etag},
                                         {"lastModified", known.last_modified},
                                         {"sha256", known.sha256},
                                         {"filename", known.filename}}),
                 0600);
}

}  // namespace

void StageRun::apply(const dockerfile::Add& add) {
    with_context(
        [&] {
        if (add.sources.size() + add.heredocs.size() > 1 && !add.destination.ends_with('/') &&
            !add.destination.ends_with("/."))
            throw Error(ErrorKind::invalid_argument,
                        "When using ADD with more than one source file, the destination must be a "
                        "directory and end with a /");
        if (std::none_of(
                add.sources.begin(), add.sources.end(),
                [this, &add](const std::string& source) {
            return is_http_address(source) || parse_git_address(source) ||
                   (add.unpack.value_or(true) && is_archive(source));
                }) &&
            add.checksum.empty())
            return add_files(add);
        std::vector<AddSource> sources;
        for (const std::string& source : add.sources) sources.push_back(make_source(add, source));
        take_added(add, std::move(sources));
        },
        "ADD failed");
}

/// As COPY does.
void StageRun::add_files(const dockerfile::Add& add) {
    std::vector<files::CopyPlan> copies;
    if (!add.sources.empty()) {
        copies.push_back(make_plan(add));
        set_source(copies.front(), "");
        copies.front().paths = add.sources;
    }
    std::vector<TemporaryDirectory> directories;
    for (files::CopyPlan& plan : make_heredoc_plans(add, directories))
        copies.push_back(std::move(plan));
    take_copies("ADD", std::move(copies));
}

/// What stands for `source` in the step's key.
StageRun::AddSource StageRun::make_source(const dockerfile::Add& add, const std::string& source) {
    AddSource made;
    made.plan = make_plan(add);
    if (const auto address = parse_git_address(source)) {
        find_repository(add, *address, made);
    } else if (is_http_address(source)) {
        find_download(add, source, made);
    } else {
        if (!add.checksum.empty())
            throw Error(ErrorKind::invalid_argument,
                        "checksum can't be specified for non-HTTP(S) and non-git sources");
        set_source(made.plan, "");
        made.plan.paths = {source};
        made.unpacks = add.unpack.value_or(true) && is_archive(source);
        if (made.unpacks) made.plan.literal = true;
    }
    return made;
}

/// Its commit says what it is.
void StageRun::find_repository(const dockerfile::Add& add, const GitAddress& address,
                               AddSource& made) {
    image::GitRequest request;
    request.url = address.url;
    request.ref = address.ref;
    request.submodules = address.submodules.value_or(true);
    request.keep_git_dir =
        add.keep_git_dir.value_or(address.keep_git_dir.value_or(build_.keeps_git_dir()));
    if (address.url.starts_with("http"))
        if (const std::string token =
                find_authorization(build_.request().secrets, address.url, "GIT");
            !token.empty())
            request.header = "Authorization: " + token;
    const std::string commit = build_.downloads().find_commit(request, build_.stop());
    const std::string& wanted = add.checksum.empty() ? address.checksum : add.checksum;
    if (!commit.starts_with(wanted))
        throw Error(ErrorKind::invalid_argument, "expected checksum to match {}, got {}", wanted,
                    commit);
    made.identity = fmt::format("git {} {} {} {}", commit, address.subdir, request.submodules,
                                request.keep_git_dir);
    const std::string subdir = address.subdir;
    made.bring = [this, request, commit, subdir](files::CopyPlan& plan, Brought& brought) {
        brought.checkouts.push_back(build_.downloads().check_out(request, commit, build_.stop()));
        plan.source_directory = resolve_inside(brought.checkouts.back().tree, subdir);
        plan.paths = {"/"};
        plan.literal = true;
        if (!plan.destination.ends_with('/')) plan.destination += '/';
    };
}

/// Its content says what it is. A server that says that nothing changed is believed.
void StageRun::find_download(const dockerfile::Add& add, const std::string& url, AddSource& made) {
    const Path known_file =
        join(join(build_.options().data_root, "build/index"), "url-" + sha256_hex(url));
    KnownDownload known = read_known(known_file);
    image::DownloadRequest request;
    request.url = url.substr(0, url.find('#'));
    if (const std::string token = find_authorization(build_.request().secrets, url, "HTTP");
        !token.empty())
        request.headers["Authorization"] = token;
    const auto fetch = [this, request, known_file](bool conditional, KnownDownload& state) {
        image::DownloadRequest asked = request;
        if (conditional) {
            asked.etag = state.etag;
            asked.last_modified = state.last_modified;
        }
        auto download = build_.downloads().fetch(asked, build_.stop());
        if (download) {
            state = {download->etag, download->last_modified, download->sha256, download->filename};
            write_known(known_file, state);
        }
        return download;
    };
    // What must have a certain content need not be asked for again.
    const bool is_pinned = !add.checksum.empty() && add.checksum == "sha256:" + known.sha256;
    auto download = is_pinned ? std::nullopt : fetch(true, known);
    if (!add.checksum.empty() && add.checksum != "sha256:" + known.sha256)
        throw Error(ErrorKind::invalid_argument, "digest mismatch for {}: sha256:{} (expected: {})",
                    url, known.sha256, add.checksum);
    const std::string name = known.filename.empty() ? name_in_url(url) : known.filename;
    if (name.empty() && made.plan.destination.ends_with('/'))
        throw Error(ErrorKind::invalid_argument,
                    "cannot determine filename for source {}: give the destination a name", url);
    made.unpacks = add.unpack.value_or(false);
    if (const auto time = parse_http_time(known.last_modified)) made.plan.mtime_s = *time;
    made.identity = fmt::format("url {} {} {}", known.sha256, name, made.plan.mtime_s);
    made.bring = [this, url, known, name, fetch,
                  first = std::make_shared<std::optional<image::Download>>(std::move(download))](
                     files::CopyPlan& plan, Brought& brought) {
        KnownDownload state = known;
        auto file = first->has_value() ? std::exchange(*first, std::nullopt) : fetch(false, state);
        if (!file || state.sha256 != known.sha256)
            throw Error(ErrorKind::conflict, "{} was changed while it was fetched", url);
        brought.directories.emplace_back(build_.new_directory("temporary"));
        const Path path = join(brought.directories.back().path(), name.empty() ? "file" : name);
        sys::rename(join(file->staging.path(), file->file), path);
        if (::lchown(path.c_str(), 0, 0) != 0 || ::chmod(path.c_str(), 0600) != 0)
            throw_errno(errno, "preparing {}", path);
        plan.source_directory = brought.directories.back().path();
        plan.paths = {name.empty() ? "file" : name};
        plan.literal = true;
    };
}

/// The step of all that an ADD takes, each source as it stands in `sources`.
void StageRun::take_added(const dockerfile::Add& add, std::vector<AddSource> sources) {
    Brought brought;
    std::vector<files::CopyPlan> heredocs = make_heredoc_plans(add, brought.directories);
    StepInputs inputs = begin_inputs("ADD");
    const files::CopyPlan settings = make_plan(add);
    inputs.add("destination", settings.destination);
    inputs.add("--chown", settings.owner);
    inputs.add("--chmod", settings.mode);
    inputs.add("--link", settings.look_below ? "" : "true");
    std::size_t number = 0;
    for (const AddSource& source : sources) {
        const std::string name = sources.size() == 1 ? "" : fmt::format(" of source {}", ++number);
        if (source.identity.empty())
            inputs.add_files("content" + name, list_sources({source.plan}));
        else
            inputs.add("content" + name, source.identity);
        inputs.add("unpacking" + name, source.unpacks ? "true" : "");
    }
    if (!heredocs.empty()) inputs.add_files("content of heredocs", list_sources(heredocs));
    take_layer(inputs, [&] {
        std::vector<files::CopyPlan> plans;
        for (const AddSource& source : sources) {
            files::CopyPlan plan = source.plan;
            if (source.bring) source.bring(plan, brought);
            if (source.unpacks && (!source.bring || holds_archive(plan)))
                plan = unpack_archive(std::move(plan), brought.directories);
            plans.push_back(std::move(plan));
        }
        for (files::CopyPlan& plan : heredocs) plans.push_back(std::move(plan));
        return copy_into_layer(plans, "");
    });
}

bool StageRun::is_archive(const std::string& path) const {
    if (dockerfile::has_wildcards(path)) return false;
    files::CopyPlan plan;
    plan.source_directory = build_.context().directory;
    plan.paths = {path};
    return holds_archive(plan);
}

/// Whether the one file that the plan names is an archive.
bool StageRun::holds_archive(const files::CopyPlan& plan) const {
    const Fd root = sys::open(plan.source_directory, O_PATH | O_DIRECTORY);
    const Fd found =
        linux_::find_in_root(root.get(), "/" + plan.paths.front(), O_RDONLY | O_NONBLOCK);
    if (!found || !S_ISREG(sys::fstat(found.get()).st_mode)) return false;
    std::string head(512, '\0');
    head.resize(sys::read_full(found.get(), std::as_writable_bytes(std::span(head))));
    return dockerfile::begins_archive(head);
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

}  // namespace hull::build
