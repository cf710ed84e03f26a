#include "base/error.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/cp_rules.hh"
#include "cli/format.hh"
#include "cli/output_file.hh"
#include "cli/reply_source.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/tree_archive.hh"
#include "cli/unpack.hh"

#include <unistd.h>

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"archive", 'a', FlagType::boolean, "Keep owners, setuid bits and devices"},
    {"follow-link", 'L', FlagType::boolean, "Copy what a link at SRC_PATH points to"},
    {"quiet", 'q', FlagType::boolean, "Do not say what was copied (never said but to a terminal)"},
};

constexpr const char* stat_header = "X-Docker-Container-Path-Stat";

std::string archive_path(const std::string& container) {
    return "/containers/" + http::encode_percent(container) + "/archive";
}

/// What is at a path of a container, links at its end not followed; nullopt when nothing is.
std::optional<PathStat> find_path_stat(Session& session, const CopyPlace& place) {
    try {
        return session.ask([&](client::Client& daemon) {
            http::ClientResponse response =
                daemon.request("HEAD", archive_path(place.container), {{"path", place.path}});
            return parse_path_stat(response.headers.get(stat_header));
        });
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return std::nullopt;
    }
}

/// `target` of a link at `path`, as a path of the same container.
std::string resolve_link(const std::string& path, const std::string& target) {
    return target.starts_with('/') ? target : join(parent_path(path), target);
}

class Copy {
public:
    explicit Copy(Invocation& call)
        : session_(call.session),
          archive_(call.arguments.flag("archive")),
          follow_(call.arguments.flag("follow-link")),
          quiet_(call.arguments.given("quiet") ? call.arguments.flag("quiet")
                                               : !is_terminal(STDOUT_FILENO)) {}

    void out_of_container(CopyPlace source, const std::string& destination) {
        const std::string asked = source.path;
        if (follow_) {
            const std::optional<PathStat> stat = find_path_stat(session_, source);
            if (stat && stat->is_link) source.path = resolve_link(source.path, stat->link_target);
        }
        http::ClientResponse response = session_.ask([&](client::Client& daemon) {
            return daemon.request("GET", archive_path(source.container), {{"path", source.path}});
        });
        if (destination == "-") {
            if (is_terminal(STDOUT_FILENO))
                throw Error(ErrorKind::invalid_argument,
                            "cowardly refusing to write an archive to a terminal: redirect it");
            copy_reply(response, STDOUT_FILENO);
            return;
        }
        const PathStat stat = parse_path_stat(response.headers.get(stat_header));
        const CopyDestination place = choose_copy_destination(asked, stat.is_directory, destination,
                                                              local_target(destination));
        if (!sys::find_stat(place.parent))
            throw Error(ErrorKind::not_found,
                        "the directory {} does not exist: cp makes none above what it copies",
                        place.parent);
        UnpackPlan plan;
        plan.parent = place.parent;
        plan.name = place.name;
        plan.top = base_name(source.path);
        plan.keep_owner = archive_;
        plan.warn = [&](std::string_view text) { session_.complain(text); };
        ReplySource bytes(response);
        tell(unpack(bytes, plan), destination);
    }

    void into_container(const std::string& source, CopyPlace destination) {
        std::optional<PathStat> stat = find_path_stat(session_, destination);
        for (int links = 0; stat && stat->is_link && links < 40; ++links) {
            destination.path = resolve_link(destination.path, stat->link_target);
            stat = find_path_stat(session_, destination);
        }
        const CopyTarget target{stat.has_value(), stat && stat->is_directory};
        const std::string shown = destination.container + ":" + destination.path;
        if (source == "-") {
            if (!target.is_directory)
                throw Error(ErrorKind::invalid_argument,
                            "destination \"{}\" must be a directory: an archive is unpacked in it",
                            shown);
            upload(destination.container, destination.path,
                   [](std::span<std::byte> buffer) { return sys::read(STDIN_FILENO, buffer); });
            return;
        }
        const bool follow = follow_ || source.ends_with('/') || source.ends_with("/.");
        const bool is_directory = local_target(source, follow).is_directory;
        if (!local_target(source, follow).exists)
            throw Error(ErrorKind::not_found, "{} does not exist", source);
        const CopyDestination place =
            choose_copy_destination(source, is_directory, destination.path, target);
        TreeArchive tree(source, place.name.empty() ? "." : place.name, follow);
        upload(destination.container, place.parent,
               [&](std::span<std::byte> buffer) { return tree.read(buffer); });
        tell(tree.bytes(), shown);
    }

private:
    static CopyTarget local_target(const std::string& path, bool follow = true) {
        struct stat stat = {};
        const int result = follow ? ::stat(path.c_str(), &stat) : ::lstat(path.c_str(), &stat);
        if (result == 0) return {true, S_ISDIR(stat.st_mode)};
        if (errno == ENOENT || errno == ENOTDIR) return {};
        throw_errno(errno, "{}", path);
    }

    void upload(const std::string& container, const std::string& path,
                std::function<std::size_t(std::span<std::byte>)> source) {
        http::Query query{{"path", path}, {"noOverwriteDirNonDir", "true"}};
        if (archive_) query.emplace_back("copyUIDGID", "true");
        // What fails at our side is not the daemon's answer.
        client::Client& daemon = session_.daemon();
        std::optional<Error> ours;
        const auto guarded = [&](std::span<std::byte> buffer) {
            try {
                return source(buffer);
            } catch (const Error& error) {
                ours = error;
                throw;
            }
        };
        try {
            daemon.upload("PUT", archive_path(container), query, "application/x-tar", guarded)
                .read_all();
        } catch (Error& error) {
            if (ours) throw *ours;
            error.add_context("Error response from daemon");
            throw;
        }
    }

    void tell(std::uint64_t bytes, const std::string& destination) const {
        if (!quiet_)
            session_.complain(fmt::format("Successfully copied {} to {}",
                                          human_size(static_cast<double>(bytes), 3), destination));
    }

    Session& session_;
    const bool archive_, follow_, quiet_;
};

int run(Invocation& call) {
    const CopyPlace source = parse_copy_place(call.arguments.positional[0]);
    const CopyPlace destination = parse_copy_place(call.arguments.positional[1]);
    if (source.container.empty() && destination.container.empty())
        throw Error(ErrorKind::invalid_argument, "must specify at least one container source");
    if (!source.container.empty() && !destination.container.empty())
        throw Error(ErrorKind::unsupported,
                    "copying between containers is not supported: use `{0} cp {1}:{2} - | {0} cp - "
                    "{3}:{4}`",
                    call.session.program, source.container, source.path, destination.container,
                    destination.path);
    if (source.path.empty() || destination.path.empty())
        throw Error(ErrorKind::invalid_argument, "{} can not be empty",
                    source.path.empty() ? "source" : "destination");
    Copy copy(call);
    if (destination.container.empty())
        copy.out_of_container(source, destination.path);
    else
        copy.into_container(source.path, destination);
    return 0;
}

}  // namespace

const Command cp_command{
    .name = "container cp",
    .aliases = {"cp"},
    .usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
    .summary = "Copy files between a container and here ('-' is a tar archive)",
    .args = exactly(2),
    .flags = flags,
    .run = run,
    .completes = Completes::copy_places,
};

}  // namespace hull::cli
