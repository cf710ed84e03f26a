#pragma once
#include "api/types/container.hh"
#include "api/types/exec.hh"
#include "api/types/image.hh"
#include "api/types/system.hh"
#include "base/json.hh"
#include "http/client.hh"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::client {

/// {"label": ["a=b"], "status": ["exited"]}: the `filters` parameter.
using Filters = std::map<std::string, std::vector<std::string>>;
std::string format_filters(const Filters& filters);

struct AttachOptions {
    bool logs = false, stream = true, use_stdin = false, use_stdout = true, use_stderr = true;
    std::string detach_keys;  ///< as typed: "ctrl-p,ctrl-q"; "" = the daemon's default
};

struct LogsOptions {
    bool follow = false, use_stdout = true, use_stderr = true, timestamps = false, details = false;
    std::string since, until, tail;  ///< as the API takes them: unix[.nanoseconds], a number or all
};

/// A multiplexed or raw connection to a process.
struct Connection {
    Fd fd;
    bool multiplexed = true;
};

/// What the Engine API offers, for the command line. Replies with an error status throw Error of
/// the status' kind with the daemon's message. One object per thread.
class Client {
public:
    /// `host` is "unix:///path"; other schemes throw unsupported. `api_version` "1.44" puts
    /// /v1.44 in front of every path; "" asks for the daemon's newest.
    explicit Client(const std::string& host, std::string api_version = "");
    /// A daemon that `connector` reaches.
    Client(http::Connector connector, std::string api_version);
    /// Sent with every request from now on (HttpHeaders of config.json).
    void set_headers(http::Headers headers) { headers_ = std::move(headers); }

    // The generic layer; `path` starts with / and is already escaped.
    http::ClientResponse request(const std::string& method, const std::string& path,
                                 const http::Query& query = {},
                                 const std::optional<json::Value>& body = {});
    /// The same with header fields of its own.
    http::ClientResponse request_with(const http::Headers& headers, const std::string& method,
                                      const std::string& path, const http::Query& query = {});
    /// Only sends a GET; finish() reads the reply's header.
    http::PendingResponse start_get(const std::string& path, const http::Query& query = {});
    static http::ClientResponse finish(http::PendingResponse pending);
    /// Sends a body of any length: `source` fills the buffer and returns 0 at the end.
    http::ClientResponse upload(const std::string& method, const std::string& path,
                                const http::Query& query, const std::string& content_type,
                                std::function<std::size_t(std::span<std::byte>)> source);
    json::Value get(const std::string& path, const http::Query& query = {});
    /// The parsed reply, null when it is empty.
    json::Value post(const std::string& path, const http::Query& query = {},
                     const std::optional<json::Value>& body = {});
    json::Value remove(const std::string& path, const http::Query& query = {});
    Connection upgrade(const std::string& path, const http::Query& query = {},
                       const std::optional<json::Value>& body = {});

    api::SystemVersion version();
    api::SystemInfo info();

    api::CreateResponse create_container(const api::CreateRequest& request, const std::string& name,
                                         const std::string& platform = "");
    /// False when it runs already.
    bool start_container(const std::string& id, const std::string& detach_keys = "");
    /// False when it was stopped already.
    bool stop_container(const std::string& id, const std::string& signal,
                        std::optional<int> timeout_s);
    void kill_container(const std::string& id, const std::string& signal);
    void remove_container(const std::string& id, bool force, bool volumes);
    void resize_container(const std::string& id, unsigned rows, unsigned columns);
    Connection attach_container(const std::string& id, const AttachOptions& options);
    std::vector<api::ContainerSummary> list_containers(bool all, int limit, bool size,
                                                       const Filters& filters);
    api::ContainerInspect inspect_container(const std::string& id);
    /// The reply as it came, for `inspect`.
    json::Value inspect_container_json(const std::string& id, bool size = false);
    /// Returns once the daemon watches the container (its reply's header came); read the reply's
    /// body with finish_wait. `condition`: "not-running", "next-exit" or "removed".
    http::ClientResponse start_wait(const std::string& id, const std::string& condition);
    static api::WaitResponse finish_wait(http::ClientResponse& response);
    /// A stream of bytes, multiplexed unless the container has a terminal.
    http::ClientResponse container_logs(const std::string& id, const LogsOptions& options);

    std::string create_exec(const std::string& container, const api::ExecCreateRequest& request);
    Connection start_exec(const std::string& id, const api::ExecStartRequest& request);
    void start_exec_detached(const std::string& id, bool tty);
    api::ExecInspect inspect_exec(const std::string& id);
    void resize_exec(const std::string& id, unsigned rows, unsigned columns);

    std::vector<api::ImageSummary> list_images(bool all, const Filters& filters,
                                               bool digests = false);
    /// `platform`: the API's JSON text, "" for the daemon's choice.
    json::Value inspect_image_json(const std::string& name, const std::string& platform = "");
    std::vector<api::HistoryItem> image_history(const std::string& name,
                                                const std::string& platform = "");
    void tag_image(const std::string& name, const std::string& repository, const std::string& tag);
    std::vector<api::ImageDeleteItem> remove_image(const std::string& name, bool force,
                                                   bool no_prune,
                                                   const std::vector<std::string>& platforms = {});
    api::ImagesPruneResponse prune_images(const Filters& filters);
    /// Uploads `input` to its end; `sink` gets every progress message.
    void load_images(int input, bool quiet, const std::vector<std::string>& platforms,
                     const std::function<void(const api::ProgressMessage&)>& sink);
    struct ImportOptions {
        std::string repository, tag, message, platform;
        std::string url;  ///< fetched by the daemon, instead of the input
        std::vector<std::string> changes;
    };
    void import_image(int input, const ImportOptions& options,
                      const std::function<void(const api::ProgressMessage&)>& sink);
    /// Sends a build's context. `extra` is JSON text for Hull's daemon, `registries` AuthConfigs by
    /// registry (X-Registry-Config); "" for none.
    http::ClientResponse build(const http::Query& query, const std::string& extra,
                               const std::string& registries,
                               std::function<std::size_t(std::span<std::byte>)> context);
    /// The archive's bytes.
    http::ClientResponse save_images(const std::vector<std::string>& names);
    /// Messages until the stream ends or `sink` returns false.
    void events(const std::string& since, const std::string& until, const Filters& filters,
                const std::function<bool(const api::EventMessage&)>& sink);

private:
    http::ClientRequest make_request(const std::string& method, const std::string& path,
                                     const http::Query& query,
                                     const std::optional<json::Value>& body = {}) const;
    static http::ClientResponse checked(http::ClientResponse response);
    std::string target(const std::string& path, const http::Query& query) const;
    http::Client http_;
    std::string prefix_;
    http::Headers headers_;
};

/// Reads a stream of progress messages to its end. Throws the error that one of them is.
void read_progress(http::ClientResponse& response,
                   const std::function<void(const api::ProgressMessage&)>& sink);

/// The text of a reply with an error status: its JSON `message`, else the text itself.
std::string error_message(std::string_view body);

}  // namespace hull::client
