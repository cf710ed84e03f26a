#pragma once
#include "http/server.hh"
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
};

/// The OCI distribution specification (and Docker's catalog) over a Storage.
/// Source: distribution-spec spec.md; the section is named where a rule is not obvious.
class Api {
public:
    Api(Storage& storage, Uploads& uploads, ApiOptions options)
        : storage_(storage), uploads_(uploads), options_(options) {}

    /// Replies to one request, whatever it is.
    void handle(http::Exchange& exchange);

private:
    void dispatch(Call& call);

    void get_blob(Call& call);
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

    Storage& storage_;
    Uploads& uploads_;
    const ApiOptions options_;
};

/// The body of an error reply.
json::Value error_body(std::string_view code, std::string_view message, const json::Value& detail);

}  // namespace hull::registry
