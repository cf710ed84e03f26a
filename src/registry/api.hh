#pragma once
#include "http/server.hh"
#include "registry/access_log.hh"
#include "registry/auth.hh"
#include "registry/metrics.hh"
#include "registry/quotas.hh"
#include "registry/refusal.hh"
#include "registry/route.hh"
#include "registry/storage.hh"
#include "registry/uploads.hh"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hull::registry {

/// One request: its exchange, and what the access log says about it.
struct Call {
    http::Exchange& exchange;
    Route route = {};
    Identity who = {};
    int status = 0;
    std::uint64_t received = 0, sent = 0;  ///< bytes of bodies
    std::string error = {};

    void send(int reply_status, http::Headers headers = {}, std::string body = {});
    void send_json(const json::Value& value, http::Headers headers = {});
    void send_file(int reply_status, http::Headers headers, http::FileRange range);
};

struct ApiOptions {
    std::size_t manifest_bytes = 4UL << 20;
    bool deletes = true;
    bool sparse_indexes = false;  ///< accept an index whose manifests are not here
    bool read_only = false;
    std::string read_only_reason = "this registry is read-only";
    bool metrics = false;  ///< answer GET /metrics
};

/// What the handlers work with; all of it outlives the Api.
struct ApiParts {
    Contents& contents;  ///< what is served
    Storage& storage;    ///< what is pushed to
    Uploads& uploads;
    Quotas& quotas;
    Metrics& metrics;
    AccessLog& access_log;
};

/// The OCI distribution specification (and Docker's catalog) over a Storage.
/// Source: distribution-spec spec.md; the section is named where a rule is not obvious.
class Api {
public:
    Api(const ApiParts& parts, ApiOptions options, std::shared_ptr<const Auth> auth)
        : contents_(parts.contents),
          storage_(parts.storage),
          uploads_(parts.uploads),
          quotas_(parts.quotas),
          metrics_(parts.metrics),
          access_log_(parts.access_log),
          options_(std::move(options)),
          auth_(std::move(auth)) {}

    /// For requests from now on.
    void set_auth(std::shared_ptr<const Auth> auth);

    /// Replies to one request, whatever it is.
    void handle(http::Exchange& exchange);

private:
    void dispatch(Call& call);
    void dispatch_route(Call& call);
    void authorize(Call& call, const Auth& auth);
    void finish(const Call& call, std::int64_t begin_ns);
    std::shared_ptr<const Auth> current_auth();

    void get_blob(Call& call);
    void send_stream(Call& call, BlobStream& stream, http::Headers headers);
    void delete_blob(Call& call);

    void start_upload(Call& call);
    bool mount_blob(Call& call);
    void continue_upload(Call& call);
    void receive_chunk(Call& call, Upload& upload);
    void check_chunk_start(Call& call, const Upload& upload);
    void patch_upload(Call& call);
    void finish_upload(Call& call);
    void commit_upload(Call& call, Uploads::Use& use, const ContentDigest& digest);
    void get_upload(Call& call);
    void delete_upload(Call& call);
    http::Headers upload_headers(const Call& call, const std::string& name,
                                 std::uint64_t size) const;

    void get_manifest(Call& call);
    void put_manifest(Call& call);
    void delete_manifest(Call& call);

    void list_tags(Call& call);
    void list_catalog(Call& call);
    void list_referrers(Call& call);

    Contents& contents_;
    Storage& storage_;
    Uploads& uploads_;
    Quotas& quotas_;
    Metrics& metrics_;
    AccessLog& access_log_;
    const ApiOptions options_;
    Locked<std::shared_ptr<const Auth>> auth_;  // shared with requests that began before a reload
};

/// The body of an error reply.
json::Value error_body(std::string_view code, std::string_view message, const json::Value& detail);

}  // namespace hull::registry
