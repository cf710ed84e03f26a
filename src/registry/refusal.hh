#pragma once
#include "base/error.hh"
#include "base/json.hh"
#include "http/headers.hh"

#include <string>
#include <string_view>
#include <utility>

namespace hull::registry {

/// The error codes of the distribution specification, "Error Codes", and `UNKNOWN`, which
/// distribution/distribution answers for what is the server's own fault.
namespace code {
inline constexpr std::string_view blob_unknown = "BLOB_UNKNOWN",
                                  blob_upload_invalid = "BLOB_UPLOAD_INVALID",
                                  blob_upload_unknown = "BLOB_UPLOAD_UNKNOWN",
                                  digest_invalid = "DIGEST_INVALID",
                                  manifest_blob_unknown = "MANIFEST_BLOB_UNKNOWN",
                                  manifest_invalid = "MANIFEST_INVALID",
                                  manifest_unknown = "MANIFEST_UNKNOWN",
                                  name_invalid = "NAME_INVALID", name_unknown = "NAME_UNKNOWN",
                                  size_invalid = "SIZE_INVALID", unauthorized = "UNAUTHORIZED",
                                  denied = "DENIED", unsupported = "UNSUPPORTED",
                                  too_many_requests = "TOOMANYREQUESTS", unknown = "UNKNOWN";
}  // namespace code

/// An error that becomes a reply of the specification's form.
class Refusal : public Error {
public:
    template <typename... Args>
    Refusal(int status, std::string_view code, fmt::format_string<Args...> text, Args&&... args)
        : Error(kind_of_status(status), text, std::forward<Args>(args)...),
          status_(status),
          code_(code) {}

    Refusal&& with_detail(json::Value detail) && {
        detail_ = std::move(detail);
        return std::move(*this);
    }
    Refusal&& with_header(std::string name, std::string value) && {
        headers_.add(std::move(name), std::move(value));
        return std::move(*this);
    }

    int status() const { return status_; }
    std::string_view code() const { return code_; }
    const json::Value& detail() const { return detail_; }
    const http::Headers& headers() const { return headers_; }

private:
    int status_;
    std::string_view code_;  ///< one of `code`
    json::Value detail_;
    http::Headers headers_;
};

}  // namespace hull::registry
