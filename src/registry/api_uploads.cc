#include "registry/api.hh"

namespace hull::registry {

namespace {

/// What a chunk should at least be, so that its costs do not outweigh its bytes.
constexpr std::uint64_t min_chunk_bytes = 1 << 20;

/// How far a chunk of unknown length may get beyond its quota.
constexpr std::uint64_t quota_step_bytes = 4 << 20;

std::string blob_location(const std::string& repository, const ContentDigest& digest) {
    return fmt::format("/v2/{}/blobs/{}", repository, digest.str());
}

/// `0-LAST`; of nothing it is Docker's `0-0`.
std::string received_range(std::uint64_t size) {
    return fmt::format("0-{}", size > 0 ? size - 1 : 0);
}

void send_blob_created(Call& call, const ContentDigest& digest) {
    call.send(201, {{"Location", blob_location(call.route.repository, digest)},
                    {"Docker-Content-Digest", digest.str()}});
}

}  // namespace

http::Headers Api::upload_headers(const Call& call, const std::string& name,
                                  std::uint64_t size) const {
    return {{"Location", fmt::format("/v2/{}/blobs/uploads/{}", call.route.repository, name)},
            {"Range", received_range(size)},
            {"Docker-Upload-UUID", name}};
}

/// POST (end-4a to c, end-11): mounts, receives the whole blob, or begins an upload.
void Api::start_upload(Call& call) {
    const http::Exchange& exchange = call.exchange;
    const auto wanted = exchange.find_parameter("digest");
    const auto algorithm = exchange.find_parameter("digest-algorithm").value_or("sha256");
    if (!is_known_algorithm(algorithm))
        throw Refusal(400, code::digest_invalid, "unsupported digest algorithm \"{}\"",
                      algorithm.substr(0, 100));
    if (exchange.find_parameter("mount") && mount_blob(call)) return;

    std::optional<ContentDigest> digest;
    if (wanted) digest = ContentDigest::parse(*wanted);
    const std::string name =
        uploads_.start(call.route.repository, digest ? digest->algorithm() : algorithm);
    if (!digest) {
        http::Headers headers = upload_headers(call, name, 0);
        headers.set("OCI-Chunk-Min-Length", std::to_string(min_chunk_bytes));
        return call.send(202, std::move(headers));
    }
    Uploads::Use use = uploads_.use(call.route.repository, name);
    try {
        receive_chunk(call, *use);
    } catch (const Error&) {
        uploads_.cancel(use);  // the client never learned its name
        throw;
    }
    commit_upload(call, use, *digest);
}

/// False when there is nothing to mount: then an upload begins, as the specification says.
bool Api::mount_blob(Call& call) {
    const auto digest = ContentDigest::find(call.exchange.parameter("mount"));
    if (!digest) throw Refusal(400, code::digest_invalid, "mount has an invalid digest");
    const std::string from(call.exchange.find_parameter("from").value_or(call.route.repository));
    if (!is_valid_repository(from))
        throw Refusal(400, code::name_invalid, "invalid repository name in from");
    const std::string& repository = call.route.repository;
    if (!current_auth()->allow(call.who, from, Right::pull) || !storage_.has_blob(from, *digest))
        return false;
    if (!storage_.has_blob(repository, *digest))
        quotas_.take(repository, storage_.find_content_size(*digest).value_or(0));
    if (!storage_.link_blob(repository, *digest)) {
        quotas_.forget(repository);
        return false;
    }
    metrics_.blob_mounts++;
    send_blob_created(call, *digest);
    return true;
}

/// Throws 416 with the state of the upload when the chunk does not begin where it ends.
void Api::check_chunk_start(Call& call, const Upload& upload) {
    const auto text = call.exchange.headers.find("Content-Range");
    if (!text) return;
    const auto range = parse_content_range(*text);
    if (!range)
        throw Refusal(400, code::blob_upload_invalid, "malformed Content-Range \"{}\"",
                      text->substr(0, 100));
    const auto length = call.exchange.body_size();
    if (length && *length != range->last - range->first + 1)
        throw Refusal(400, code::size_invalid, "Content-Range {} does not fit Content-Length {}",
                      *text, *length);
    if (range->first == upload.size()) return;
    const http::Headers state = upload_headers(call, call.route.reference, upload.size());
    throw Refusal(416, code::blob_upload_invalid, "the chunk begins at {}, {} bytes are here",
                  range->first, upload.size())
        .with_header("Location", std::string(state.get("Location")))
        .with_header("Range", std::string(state.get("Range")))
        .with_header("Docker-Upload-UUID", call.route.reference);
}

/// The request's body becomes the upload's next bytes. What came before the client broke off
/// stays, so that it can go on there.
void Api::receive_chunk(Call& call, Upload& upload) {
    const std::uint64_t begin = upload.size();
    quotas_.check(call.route.repository, begin + call.exchange.body_size().value_or(0));
    std::uint64_t most = UINT64_MAX, checked = begin;
    if (const auto text = call.exchange.headers.find("Content-Range"))
        if (const auto range = parse_content_range(*text)) most = range->last - range->first + 1;
    for (;;) {
        const std::string_view piece = call.exchange.read_body_piece();
        if (piece.empty()) break;
        call.received += piece.size();
        if (call.received > most) {
            upload.truncate(begin);
            throw Refusal(400, code::size_invalid, "the chunk is longer than its Content-Range");
        }
        upload.append(piece);
        if (upload.size() - checked < quota_step_bytes) continue;
        checked = upload.size();
        quotas_.check(call.route.repository, checked);
    }
    if (most == UINT64_MAX || call.received == most || !call.exchange.has_body()) return;
    upload.truncate(begin);
    throw Refusal(400, code::size_invalid, "the chunk is shorter than its Content-Range");
}

/// PATCH (end-5).
void Api::patch_upload(Call& call) {
    const std::string& name = call.route.reference;
    Uploads::Use use = uploads_.use(call.route.repository, name);
    check_chunk_start(call, *use);
    receive_chunk(call, *use);
    call.send(202, upload_headers(call, name, use->size()));
}

/// PUT (end-6): the last chunk, or the whole blob, or nothing more.
void Api::finish_upload(Call& call) {
    const ContentDigest digest = ContentDigest::parse(call.exchange.parameter("digest"));
    Uploads::Use use = uploads_.use(call.route.repository, call.route.reference);
    check_chunk_start(call, *use);
    receive_chunk(call, *use);
    commit_upload(call, use, digest);
}

void Api::commit_upload(Call& call, Uploads::Use& use, const ContentDigest& digest) {
    const ContentDigest actual = use->digest(digest.algorithm());
    if (actual != digest) {
        uploads_.cancel(use);
        throw Refusal(400, code::digest_invalid,
                      "provided digest did not match uploaded content: {} was announced for {}, "
                      "the {} bytes that came are {}",
                      digest.str(), call.route.repository, use->size(), actual.str());
    }
    const std::string& repository = call.route.repository;
    try {
        if (!storage_.has_blob(repository, digest)) quotas_.take(repository, use->size());
        uploads_.commit(repository, use, digest);
    } catch (const Error&) {
        quotas_.forget(repository);
        throw;
    }
    metrics_.blob_pushes++;
    send_blob_created(call, digest);
}

/// GET and HEAD (end-13): where to go on.
void Api::get_upload(Call& call) {
    const std::string& name = call.route.reference;
    const std::uint64_t size = uploads_.received(call.route.repository, name);
    call.send(204, upload_headers(call, name, size));
}

/// DELETE (end-14).
void Api::delete_upload(Call& call) {
    Uploads::Use use = uploads_.use(call.route.repository, call.route.reference);
    uploads_.cancel(use);
    call.send(204, {{"Docker-Upload-UUID", call.route.reference}});
}

}  // namespace hull::registry
