#include "registry/messages.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace hull::registry {

namespace {

constexpr std::size_t max_file_bytes = 4 << 20;

std::string read_named(const Path& path, std::string_view flag) {
    if (path.empty()) return {};
    return with_context([&] { return read_file(path, max_file_bytes); }, "--{}", flag);
}

}  // namespace

PrivilegedFiles read_privileged_files(const Options& options) {
    PrivilegedFiles files;
    if (!options.tls_certificate.empty())
        files.tls = {.certificate = read_named(options.tls_certificate, "tls-cert"),
                     .key = read_named(options.tls_key, "tls-key"),
                     .client_authority = read_named(options.client_authority, "client-ca")};
    files.auth = {.htpasswd = read_named(options.htpasswd, "htpasswd"),
                  .rights = read_named(options.rights, "rights"),
                  .token_keys = read_named(options.token_keys, "token-keys")};
    files.upstream_password =
        trim(read_named(options.upstream_password_file, "upstream-password-file"));
    files.upstream_authority = read_named(options.upstream_authority, "upstream-ca");
    if (options.access_log == "-")
        files.access_log = sys::dup(STDOUT_FILENO);
    else if (!options.access_log.empty())
        files.access_log =
            sys::open(options.access_log, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, 0640);
    return files;
}

void send_privileged_files(int socket, const PrivilegedFiles& files) {
    json::Object content{{"htpasswd", files.auth.htpasswd},
                         {"rights", files.auth.rights},
                         {"token_keys", files.auth.token_keys},
                         {"upstream_password", files.upstream_password},
                         {"upstream_authority", files.upstream_authority}};
    if (files.tls)
        content["tls"] = json::Object{{"certificate", files.tls->certificate},
                                      {"key", files.tls->key},
                                      {"client_authority", files.tls->client_authority}};
    const Fd memory = make_memory_file("hull-registry-files", json::dump(content));
    const std::array<int, 2> fds{memory.get(), files.access_log.get()};
    sys::send_with_fds(socket, "files", std::span(fds.data(), files.access_log ? 2 : 1));
}

void send_order(int socket, std::string_view order) { sys::send_with_fds(socket, order, {}); }

namespace {

/// The memory's file is shared with the sender: its offset is not ours.
std::string read_memory(int file) {
    std::string text(static_cast<std::size_t>(sys::fstat(file).st_size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t count =
            ::pread(file, text.data() + done, text.size() - done, static_cast<off_t>(done));
        if (count <= 0) throw Error(ErrorKind::internal, "reading the supervisor's files failed");
        done += static_cast<std::size_t>(count);
    }
    return text;
}

}  // namespace

std::optional<SupervisorMessage> receive_supervisor_message(int socket) {
    sys::Received message = sys::receive_with_fds(socket, 64);
    if (message.bytes.empty()) return std::nullopt;
    SupervisorMessage result{.order = message.bytes, .files = {}};
    if (message.bytes != "files" || message.fds.empty()) return result;
    const json::Value content = json::parse(read_memory(message.fds[0].get()));
    PrivilegedFiles& files = result.files;
    files.auth = {content["htpasswd"].as_string(), content["rights"].as_string(),
                  content["token_keys"].as_string()};
    files.upstream_password = content["upstream_password"].as_string();
    files.upstream_authority = content["upstream_authority"].as_string();
    if (const json::Value& tls = content["tls"]; !tls.is_null())
        files.tls = {tls["certificate"].as_string(), tls["key"].as_string(),
                     tls["client_authority"].as_string()};
    if (message.fds.size() > 1) files.access_log = std::move(message.fds[1]);
    return result;
}

}  // namespace hull::registry
