#include "transfer/blob_upload.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace hull::transfer {

namespace {

constexpr std::size_t piece_bytes = 256UL << 10;

registry_client::Request make_request(std::string method, registry_client::Url url) {
    registry_client::Request request;
    request.method = std::move(method);
    request.url = std::move(url);
    return request;
}

/// "0-1023" is 1024 bytes; registries that have none say "0-0" or "bytes=0-0".
std::uint64_t bytes_of_range(std::string_view range) {
    range = range.substr(std::min(range.find('-'), range.size() - (range.empty() ? 0 : 1)));
    if (range.starts_with('-')) range.remove_prefix(1);
    std::uint64_t last = 0;
    std::from_chars(range.data(), range.data() + range.size(), last);
    return last == 0 ? 0 : last + 1;
}

}  // namespace

std::string Uploader::location_of(const registry_client::Response& response) const {
    const std::string location(response.headers.get("Location"));
    if (location.empty())
        throw Error(ErrorKind::unavailable, "the registry does not say where to send it");
    return registry_client::resolve_url(response.url, location).str();
}

bool Uploader::exists(const oci::Descriptor& blob) {
    bool found = false;
    registry_client::with_retries(attempts_, [&] {
        registry_client::Response response = registry_.call(
            [&] {
            return make_request("HEAD",
                                registry_.url("v2/" + repository_ + "/blobs/" + blob.digest.str()));
            },
            scopes(), true);
        found = response.status == 200;
        if (!found && response.status != 404) registry_client::Registry::refuse(response);
    });
    return found;
}

bool Uploader::mount(const Upload& upload, const std::string& from, std::string& location) {
    std::vector<std::string> with_source = scopes();
    with_source.push_back(registry_client::Registry::scope(from, "pull"));
    registry_client::Response response = registry_.call(
        [&] {
        return make_request(
            "POST",
            registry_.url(uploads_path() + http::format_query({{"mount", upload.blob.digest.str()},
                                                               {"from", from}})));
        },
        with_source);
    if (response.status == 201) return true;
    if (response.status == 202) location = location_of(response);
    return false;
}

std::string Uploader::begin() {
    registry_client::Response response = registry_.call(
        [&] { return make_request("POST", registry_.url(uploads_path())); }, scopes());
    if (response.status != 202) registry_client::Registry::refuse(response);
    return location_of(response);
}

/// How much of it the registry has; nullopt when it has forgotten the upload.
std::optional<std::uint64_t> Uploader::find_offset(std::string& location) {
    registry_client::Response response =
        registry_.call([&] { return make_request("GET", registry_.url(location)); }, scopes());
    if (response.status >= 500 || response.status == 429)
        registry_client::Registry::refuse(response);
    if (response.status != 204 && response.status != 202) return std::nullopt;
    if (response.headers.find("Location")) location = location_of(response);
    return bytes_of_range(response.headers.get("Range"));
}

void Uploader::send(const Upload& upload, std::string& location, std::uint64_t offset,
                    const Listener& listener) {
    const auto size = static_cast<std::uint64_t>(upload.blob.size);
    std::string piece;
    registry_client::Response response = registry_.call(
        [&] {
        registry_client::Request request = make_request("PATCH", registry_.url(location));
        request.headers.add("Content-Type", "application/octet-stream");
        request.headers.add("Content-Range", fmt::format("{}-{}", offset, size > 0 ? size - 1 : 0));
        std::uint64_t at = offset;
        request.source = registry_client::Request::Source{
            size - offset, [&upload, &listener, &piece, at, size]() mutable {
                piece.resize(std::min<std::uint64_t>(piece_bytes, size - at));
                const ssize_t count =
                    ::pread(upload.file, piece.data(), piece.size(), static_cast<off_t>(at));
                if (count < 0) throw_errno(errno, "reading the blob");
                piece.resize(static_cast<std::size_t>(count));
                at += piece.size();
                listener.progress(at);
                return std::string_view(piece);
            }};
        return request;
        },
        scopes());
    if (response.status != 202) registry_client::Registry::refuse(response);
    if (response.headers.find("Location")) location = location_of(response);
}

void Uploader::commit(const Upload& upload, const std::string& location) {
    registry_client::Response response = registry_.call(
        [&] {
        registry_client::Url url = registry_.url(location);
        url.target += url.target.find('?') == std::string::npos ? '?' : '&';
        url.target += "digest=" + http::encode_percent(upload.blob.digest.str());
        return make_request("PUT", url);
        },
        scopes());
    if (response.status != 201) registry_client::Registry::refuse(response);
}

bool Uploader::mount_only(const oci::Descriptor& blob, const std::string& from) {
    if (exists(blob)) return true;
    std::string location;
    return mount(Upload{.blob = blob, .file = -1, .mounts = {}, .location = {}}, from, location);
}

UploadResult Uploader::run(const Upload& upload, const Listener& listener) {
    if (exists(upload.blob)) return {UploadOutcome::existed, {}};
    std::string location;
    for (const std::string& from : upload.mounts) {
        location.clear();
        if (mount(upload, from, location)) return {UploadOutcome::mounted, from};
    }
    bool is_new = true;
    if (!upload.location.empty()) {
        location = upload.location;
        is_new = false;
    }
    registry_client::with_retries(attempts_, [&] {
        std::optional<std::uint64_t> offset;
        try {
            if (!location.empty()) offset = is_new ? 0 : find_offset(location);
        } catch (const Error& error) {
            if (registry_client::is_transient(error)) throw;
        }
        if (!offset || *offset > static_cast<std::uint64_t>(upload.blob.size)) {
            location = begin();
            offset = 0;
        }
        is_new = false;
        listener.begun(location);
        try {
            if (*offset < static_cast<std::uint64_t>(upload.blob.size) || upload.blob.size == 0)
                send(upload, location, *offset, listener);
            listener.begun(location);
            commit(upload, location);
        } catch (const registry_client::ReplyError& error) {
            // An upload that was forgotten, or that held something else before, begins anew. One
            // that is further than the registry said goes on there: bytes of a connection that is
            // gone may still have been on their way.
            constexpr int range_not_satisfiable = 416;
            const bool begins_anew = error.code() == "BLOB_UPLOAD_UNKNOWN" ||
                                     (error.code() == "DIGEST_INVALID" && *offset > 0);
            if (!begins_anew && error.status() != range_not_satisfiable) throw;
            if (begins_anew) location.clear();
            throw registry_client::ReplyError(ErrorKind::unavailable, 503, error.code(),
                                              error.message());
        }
        listener.begun("");
    });
    return {};
}

}  // namespace hull::transfer
