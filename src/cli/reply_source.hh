#pragma once
#include "archive/byte_source.hh"
#include "http/client.hh"

#include <cstddef>
#include <span>
#include <vector>

namespace hull::cli {

/// Body of a reply as a source of bytes.
class ReplySource final : public archive::ByteSource {
public:
    explicit ReplySource(http::ClientResponse& response)
        : response_(response), buffer_(256UL << 10) {}
    std::span<const std::byte> next() override {
        return std::span(buffer_).first(response_.read(buffer_));
    }

private:
    http::ClientResponse& response_;
    std::vector<std::byte> buffer_;
};

}  // namespace hull::cli
