#include "base/error.hh"

#include <cerrno>
#include <cstring>

namespace hull {

int http_status(ErrorKind kind) noexcept {
    switch (kind) {
        case ErrorKind::invalid_argument: return 400;
        case ErrorKind::unauthorized: return 401;
        case ErrorKind::forbidden: return 403;
        case ErrorKind::not_found: return 404;
        case ErrorKind::conflict: return 409;
        case ErrorKind::not_modified: return 304;
        case ErrorKind::unsupported: return 501;
        case ErrorKind::unavailable: return 503;
        case ErrorKind::cancelled:
        case ErrorKind::data_loss:
        case ErrorKind::internal: return 500;
    }
    return 500;
}

ErrorKind kind_of_status(int status) noexcept {
    switch (status) {
        case 400: return ErrorKind::invalid_argument;
        case 401: return ErrorKind::unauthorized;
        case 403: return ErrorKind::forbidden;
        case 404: return ErrorKind::not_found;
        case 409: return ErrorKind::conflict;
        case 304: return ErrorKind::not_modified;
        case 501: return ErrorKind::unsupported;
        case 503: return ErrorKind::unavailable;
        default: return ErrorKind::internal;
    }
}

namespace {

constexpr std::pair<std::string_view, ErrorKind> kind_names[] = {
    {"invalid_argument", ErrorKind::invalid_argument},
    {"unauthorized", ErrorKind::unauthorized},
    {"forbidden", ErrorKind::forbidden},
    {"not_found", ErrorKind::not_found},
    {"conflict", ErrorKind::conflict},
    {"not_modified", ErrorKind::not_modified},
    {"unsupported", ErrorKind::unsupported},
    {"unavailable", ErrorKind::unavailable},
    {"cancelled", ErrorKind::cancelled},
    {"data_loss", ErrorKind::data_loss},
    {"internal", ErrorKind::internal},
};

}  // namespace

std::string_view to_string(ErrorKind kind) noexcept {
    for (const auto& [name, known] : kind_names)
        if (known == kind) return name;
    return "internal";
}

ErrorKind parse_error_kind(std::string_view text) noexcept {
    for (const auto& [name, kind] : kind_names)
        if (name == text) return kind;
    return ErrorKind::internal;
}

ErrorKind kind_of_errno(int error_number) noexcept {
    switch (error_number) {
        case ENOENT: return ErrorKind::not_found;
        case EEXIST: return ErrorKind::conflict;
        case EINVAL: return ErrorKind::invalid_argument;
        case EACCES:
        case EPERM: return ErrorKind::forbidden;
        case ECANCELED: return ErrorKind::cancelled;
        default: return ErrorKind::internal;
    }
}

void throw_errno(int error_number, std::string_view text) {
    throw Error(kind_of_errno(error_number), "{}: {}", text, std::strerror(error_number))
        .with_errno(error_number);
}

}  // namespace hull
