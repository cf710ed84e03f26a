#include "registry/api.hh"

#include <vector>

namespace hull::registry {

namespace {

constexpr std::size_t stream_buffer_bytes = 256UL << 10;

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
    auto blob = contents_.find_blob(call.route.repository, digest);
    const auto stream = blob ? nullptr : contents_.bring_blob(call.route.repository, digest);
    if (!blob && !stream) throw unknown_blob(call);
    // A client that asks before it pushes will not send this blob.
    if (call.exchange.method == "HEAD") contents_.touch_blob(call.route.repository, digest);

    const std::string etag = "\"" + digest.str() + "\"";
    http::Headers headers{{"Content-Type", "application/octet-stream"},
                          {"Docker-Content-Digest", digest.str()},
                          {"ETag", etag},
                          {"Accept-Ranges", "bytes"},
                          {"Cache-Control", "max-age=31536000"}};
    if (asked.has_token("If-None-Match", etag)) return call.send(304, std::move(headers));
    if (stream && call.exchange.method == "HEAD" && stream->size())
        return call.send_file(200, std::move(headers), {-1, 0, *stream->size()});
    if (stream && !asked.find("Range")) return send_stream(call, *stream, std::move(headers));
    if (stream) {  // ranges are for files that are whole
        std::vector<std::byte> buffer(stream_buffer_bytes);
        while (stream->read(buffer) > 0) {
        }
        blob = contents_.find_blob(call.route.repository, digest);
        if (!blob) throw unknown_blob(call);
    }
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

/// A blob that comes in meanwhile. Its end may be a failure: then the connection breaks, and the
/// client does not take what it has for the whole.
void Api::send_stream(Call& call, BlobStream& stream, http::Headers headers) {
    headers.erase("Accept-Ranges");
    call.status = 200;
    call.exchange.start_stream(200, std::move(headers));
    std::vector<std::byte> buffer(stream_buffer_bytes);
    while (const std::size_t count = stream.read(buffer)) {
        call.exchange.write({reinterpret_cast<const char*>(buffer.data()), count});
        call.sent += count;
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
