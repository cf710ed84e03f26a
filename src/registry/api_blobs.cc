#include "registry/api.hh"

namespace hull::registry {

namespace {

Refusal unknown_blob(const Call& call) {
    return Refusal(404, code::blob_unknown, "blob unknown to registry: {} in {}",
                   call.route.reference, call.route.repository)
        .with_detail(json::Object{{"digest", call.route.reference}});
}

}  // namespace

/// GET and HEAD (end-2).
void Api::get_blob(Call& call) {
    const http::Headers& asked = call.exchange.headers;
    const ContentDigest digest = ContentDigest::parse(call.route.reference);
    const auto blob = storage_.find_blob(call.route.repository, digest);
    if (!blob) throw unknown_blob(call);
    // A client that asks before it pushes will not send this blob.
    if (call.exchange.method == "HEAD") storage_.touch_blob(call.route.repository, digest);

    const std::string etag = "\"" + digest.str() + "\"";
    http::Headers headers{{"Content-Type", "application/octet-stream"},
                          {"Docker-Content-Digest", digest.str()},
                          {"ETag", etag},
                          {"Accept-Ranges", "bytes"},
                          {"Cache-Control", "max-age=31536000"}};
    if (asked.has_token("If-None-Match", etag)) return call.send(304, std::move(headers));
    const auto condition = asked.find("If-Range");
    WantedRange wanted;
    if (!condition || *condition == etag) wanted = parse_range(asked.get("Range"), blob->size);
    switch (wanted.verdict) {
        case WantedRange::Verdict::whole:
            return call.send_file(200, std::move(headers), {blob->file.get(), 0, blob->size});
        case WantedRange::Verdict::part: {
            const ByteRange range = wanted.range;
            headers.set("Content-Range",
                        fmt::format("bytes {}-{}/{}", range.first, range.last, blob->size));
            return call.send_file(206, std::move(headers),
                                  {blob->file.get(), range.first, range.last - range.first + 1});
        }
        case WantedRange::Verdict::unsatisfiable:
            throw Refusal(416, code::size_invalid, "the range {} is outside of the blob's {} bytes",
                          asked.get("Range"), blob->size)
                .with_header("Content-Range", fmt::format("bytes */{}", blob->size));
    }
}

/// DELETE (end-10): the repository's link; the bytes go with the next garbage collection.
void Api::delete_blob(Call& call) {
    const ContentDigest digest = ContentDigest::parse(call.route.reference);
    if (!options_.deletes)
        throw Refusal(405, code::unsupported, "deleting is disabled in this registry");
    if (!storage_.remove_blob(call.route.repository, digest)) throw unknown_blob(call);
    quotas_.forget(call.route.repository);
    call.send(202, {{"Docker-Content-Digest", digest.str()}});
}

}  // namespace hull::registry
