#include "cli/mount_advice.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "cli/session.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace hull::cli {
namespace {

/// Of a line without end, this much is looked at.
constexpr std::size_t longest_line = 4096;

/// Whether `line` speaks of `path` or of something below it.
bool mentions(std::string_view line, std::string_view path) {
    for (std::size_t at = line.find(path); at != std::string_view::npos;
         at = line.find(path, at + 1)) {
        const std::size_t end = at + path.size();
        const bool begins = at == 0 || !(line[at - 1] == '/' || std::isalnum(line[at - 1]));
        const bool ends = end == line.size() || line[end] == '/' || !std::isalnum(line[end]);
        if (begins && ends) return true;
    }
    return false;
}

}  // namespace

MountAdvice::MountAdvice(Session& session, const api::CreateRequest& request)
    : session_(session), user_(request.config.user) {
    for (const std::string& bind : request.host_config.binds) {
        const std::size_t first = bind.find(':');
        if (first == std::string::npos) continue;
        const std::size_t second = bind.find(':', first + 1);
        const std::string options =
            second == std::string::npos ? "" : "," + bind.substr(second + 1) + ",";
        if (options.find(",map=") != std::string::npos ||
            options.find(",idmap=") != std::string::npos)
            continue;
        add(bind.substr(0, first), bind.substr(first + 1, second - first - 1));
    }
    for (const api::Mount& mount : request.host_config.mounts)
        if (mount.type == "bind" || mount.type == "volume") add(mount.source, mount.target);
}

void MountAdvice::add(std::string source, std::string target) {
    if (source.empty() || target.size() < 2) return;
    places_.push_back({std::move(source), std::move(target)});
}

void MountAdvice::see(std::string_view bytes) {
    if (denied_ || places_.empty()) return;
    for (;;) {
        const std::size_t end = bytes.find('\n');
        if (rest_.size() < longest_line) rest_ += bytes.substr(0, std::min(end, longest_line));
        if (end == std::string_view::npos) return;
        see_line(rest_);
        rest_.clear();
        bytes.remove_prefix(end + 1);
    }
}

void MountAdvice::see_line(std::string_view line) {
    if (line.find("ermission denied") == std::string_view::npos &&
        line.find("EACCES") == std::string_view::npos)
        return;
    for (const Place& place : places_)
        if (mentions(line, place.target)) denied_ = &place;
}

std::string MountAdvice::line() const {
    if (!denied_) return "";
    const bool is_path = denied_->source.starts_with('/');
    std::string path = denied_->source;
    if (!is_path) {
        try {
            const json::Value volume = session_.daemon().get("/volumes/" + denied_->source);
            path = volume["Mountpoint"].is_string() ? volume["Mountpoint"].as_string() : "";
        } catch (const Error&) {
            path.clear();
        }
    }
    struct stat info = {};
    const bool is_here = session_.host.starts_with("unix://") && ::stat(path.c_str(), &info) == 0;
    std::string text = fmt::format("{} is {}", denied_->target,
                                   is_path ? denied_->source : "the volume " + denied_->source);
    if (is_here)
        text += fmt::format(", which belongs to {}:{} (mode {:04o})", info.st_uid, info.st_gid,
                            info.st_mode & 07777);
    text += user_.empty() ? "; the program ran as its image's user"
                          : fmt::format("; the program ran as {}", user_);
    text += is_here ? fmt::format(": --user {}:{} runs it as the owner", info.st_uid, info.st_gid)
                    : ": --user UID:GID runs it as the owner";
    return text + fmt::format(", -v {}:{}:map=host makes the owner its --user UID:GID",
                              denied_->source, denied_->target);
}

}  // namespace hull::cli
