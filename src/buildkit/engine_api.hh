#pragma once
#include "base/json.hh"
#include "http/client.hh"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace hull::buildkit {

/// Breaks a request to hulld off from another thread.
class Cancellation {
public:
    void cancel();
    bool cancelled() const { return cancelled_; }

private:
    friend class EngineApi;
    void watch(int socket);
    void forget();

    std::mutex mutex_;
    Fd socket_;
    std::atomic<bool> cancelled_ = false;
};

/// Docker's API of the hulld that started us. One object per thread.
class EngineApi {
public:
    explicit EngineApi(http::Connector connector) : client_(std::move(connector)) {}

    struct BuildCall {
        http::Query query;
        json::Value extra;       ///< X-Hull-Build
        json::Value registries;  ///< X-Registry-Config
        /// The context as an archive; none when `extra` names a directory.
        std::function<std::size_t(std::span<std::byte>)> archive;
    };
    /// Calls `on_message` for each line of the reply. Throws what hulld answers.
    void build(BuildCall call, const std::function<void(const json::Value&)>& on_message,
               Cancellation& cancellation);
    /// The reply, null when it is empty. Throws what hulld answers.
    json::Value ask(const std::string& method, const std::string& target);
    /// A reply that is read as it comes.
    http::ClientResponse open(const std::string& method, const std::string& target);
    /// A stream of progress messages; throws the error among them.
    void follow(const std::string& method, const std::string& target, const http::Headers& headers,
                const std::function<void(const json::Value&)>& on_message);

private:
    http::Client client_;
};

}  // namespace hull::buildkit
