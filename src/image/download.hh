#pragma once
#include "base/json.hh"
#include "base/stop.hh"
#include "image/images.hh"
#include "store/store.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace hull::image {

/// A file of the world, in a staging directory until this goes.
struct Download {
    store::StagingDirectory staging;
    std::string file;  ///< name in it
    std::uint64_t size = 0;
    std::string sha256;  ///< hex
    std::string etag, last_modified, filename, content_type;
};

struct DownloadRequest {
    std::string url;
    std::map<std::string, std::string> headers;
    std::string etag, last_modified;  ///< of what is here already
    std::uint64_t max_bytes = 8ULL << 30;
};

/// A repository's tree, in a staging directory until this goes.
struct Checkout {
    store::StagingDirectory staging;
    Path tree;
};

struct GitRequest {
    std::string url, ref;
    std::string header;  ///< "Authorization: …", for http
    bool submodules = true, keep_git_dir = false;
};

/// Brings files and repositories from the network, through hull-transfer. Thread-safe.
class Downloads {
public:
    Downloads(store::Store& store, ImagesOptions options)
        : store_(store), options_(std::move(options)) {}

    /// nullopt when what `etag` or `last_modified` name is still the newest.
    std::optional<Download> fetch(const DownloadRequest& request, StopEvent& stop);
    /// The commit that the request's ref stands for.
    std::string find_commit(const GitRequest& request, StopEvent& stop);
    Checkout check_out(const GitRequest& request, const std::string& commit, StopEvent& stop);

private:
    json::Value run(const std::string& verb, const json::Value& request,
                    const store::StagingDirectory& staging, StopEvent& stop);

    store::Store& store_;
    const ImagesOptions options_;
};

/// What hull-transfer is told of registries and the network, for a client that calls itself
/// `user_agent`.
json::Object describe_registries(const RegistrySettings& settings, const std::string& user_agent,
                                 unsigned concurrency);

}  // namespace hull::image
