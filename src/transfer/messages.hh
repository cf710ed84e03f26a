#pragma once
#include "base/error.hh"
#include "base/json.hh"
#include "oci/digest.hh"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::transfer {

/// A layer as the daemon hears of it.
struct LayerMessage {
    oci::Digest diff_id;
    oci::Digest blob;  ///< of the bytes as they came
    std::string media_type;
    std::uint64_t size = 0;       ///< uncompressed
    std::uint64_t blob_size = 0;  ///< as it came; not told, `blob` says it
    std::string file;  ///< of the EROFS image; empty when the daemon has the layer already
    std::uint64_t entries = 0;
    std::uint64_t content_size = 0;
};

/// What hull-transfer tells the daemon: one JSON text per line on a descriptor. Thread-safe.
class Messages {
public:
    explicit Messages(int fd) : fd_(fd) {}

    void blob(const oci::Digest& digest, std::uint64_t size, std::string_view file);
    void layer(const LayerMessage& layer);
    void image(const oci::Digest& config, const oci::Digest& manifest,
               const std::vector<std::string>& tags);
    void progress(std::string_view text);
    void warning(std::string_view text);
    void error(const Error& error);
    void done();
    /// Any other message.
    void report(const json::Value& message) { send(message); }

private:
    void send(const json::Value& message);
    int fd_;
    std::mutex mutex_;
};

}  // namespace hull::transfer
