#include "cli/registry_ask.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/lines.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "cli/credentials.hh"
#include "cli/session.hh"
#include "cli/ssh.hh"
#include "oci/reference.hh"

#include <stdlib.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <optional>

namespace hull::cli {
namespace {

/// The daemon's hull-transfer has the same when we are root.
constexpr uid_t transfer_uid = 64998;
constexpr std::size_t max_line_bytes = 16UL << 20;

/// From beside our executable, else from PATH.
std::string transfer_program() {
    char path[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    if (size > 0) {
        const std::string self(path, static_cast<std::size_t>(size));
        const std::string beside = self.substr(0, self.rfind('/') + 1) + "hull-transfer";
        if (::access(beside.c_str(), X_OK) == 0) return beside;
    }
    const std::string found = find_program("hull-transfer");
    if (found.empty())
        throw Error(ErrorKind::not_found,
                    "the program hull-transfer is neither beside hull nor in PATH");
    return found;
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        const char* base = std::getenv("TMPDIR");
        path_ = join(base && *base ? base : "/tmp", "hull-XXXXXX");
        if (!::mkdtemp(path_.data())) throw_errno(errno, "making {}", path_);
    }
    ~TemporaryDirectory() {
        try {
            sys::remove_tree(path_);
        } catch (const Error&) {
            // Nothing of worth is in it.
        }
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const Path& path() const { return path_; }

private:
    Path path_;
};

std::string from_environment(const char* upper, const char* lower) {
    for (const char* name : {upper, lower})
        if (const char* value = std::getenv(name); value && *value) return value;
    return "";
}

}  // namespace

json::Value ask_registry(Session& session, const std::string& reference, json::Object question,
                         bool insecure) {
    const oci::Reference parsed = oci::Reference::parse(reference);
    const TemporaryDirectory staging;
    json::Array insecure_registries;
    if (insecure) insecure_registries.push_back(parsed.domain());
    question["repository"] = parsed.name();
    question["auth"] =
        find_credentials(session, registry_key_of_reference(reference), parsed.name());
    question["registries"] = json::Object{
        {"insecure", std::move(insecure_registries)},
        {"certificates",
         std::vector<std::string>{join(session.configuration.directory(), "certs.d"),
                                  "/etc/hull/certs.d", "/etc/docker/certs.d"}},
        {"userAgent", "Hull-Client/" HULL_VERSION " (linux)"},
        {"httpProxy", from_environment("HTTP_PROXY", "http_proxy")},
        {"httpsProxy", from_environment("HTTPS_PROXY", "https_proxy")},
        {"noProxy", from_environment("NO_PROXY", "no_proxy")},
    };
    const Fd input = make_memory_file("ask", json::dump(std::move(question)));
    const Fd null = sys::open("/dev/null", O_RDWR);
    sys::Pipe channel = sys::pipe();
    Command command;
    const uid_t uid = ::geteuid() == 0 ? transfer_uid : ::geteuid();
    command.arguments = {transfer_program(), "ask",   "--staging",
                         staging.path(),     "--uid", std::to_string(uid)};
    command.environment.emplace();
    command.descriptors = {{input.get(), 0}, {null.get(), 1}, {channel.write_end.get(), 3}};
    Process process = Process::spawn(command);
    channel.write_end.reset();
    json::Value result;
    std::optional<Error> failure;
    read_lines(channel.read_end.get(), nullptr, max_line_bytes, [&](std::string_view line) {
        const json::Value message = json::parse(line);
        if (message["result"].is_object()) result = message["result"];
        if (message["error"].is_object())
            failure = Error(parse_error_kind(message["error"]["kind"].as_string()), "{}",
                            message["error"]["message"].as_string());
    });
    process.wait();
    if (failure) throw *failure;
    if (!result.is_object())
        throw Error(ErrorKind::internal, "hull-transfer ended without an answer");
    return result;
}

}  // namespace hull::cli
