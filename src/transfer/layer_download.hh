#pragma once
#include "archive/byte_source.hh"
#include "base/fd.hh"
#include "base/hash.hh"
#include "base/write_behind.hh"
#include "oci/descriptor.hh"
#include "registry/client/registry.hh"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace hull::transfer {

/// The file that a blob is downloaded to, and the same opened with O_DIRECT or empty.
struct DownloadFile {
    int file = -1;
    Fd direct;
};

/// Brings one blob into a file, from a thread of its own; what the file holds already is not
/// fetched again. One reader may follow it: what arrives goes to it through memory, and the
/// download does not run far ahead of it.
class LayerDownload {
public:
    /// `progress` is told how many bytes are there.
    LayerDownload(std::vector<registry_client::Registry*> registries, std::string repository,
                  oci::Descriptor blob, DownloadFile file, unsigned attempts,
                  std::function<void(std::uint64_t)> progress);
    ~LayerDownload();

    void start();
    /// Waits for its end. Throws why it failed; data_loss when the bytes hash to something else.
    void finish();
    /// Whether bytes of an earlier download were used.
    bool was_resumed() const { return was_resumed_; }

private:
    friend class FollowingSource;
    using Chunk = std::vector<std::byte>;

    void run();
    void take_present();
    registry_client::Response open(registry_client::Registry& registry);
    void fetch(registry_client::Registry& registry);
    void append(std::span<const std::byte> bytes);
    void hand_to_reader(std::span<const std::byte> bytes);
    void keep_what_came();
    Chunk take_chunk();
    void set_reading(bool reading);

    std::vector<registry_client::Registry*> registries_;
    const std::string repository_;
    const oci::Descriptor blob_;
    const std::uint64_t size_;
    const int file_;
    const unsigned attempts_;
    const std::function<void(std::uint64_t)> progress_;
    std::uint64_t present_ = 0;  ///< what the file held at the start
    bool was_resumed_ = false;
    oci::DigestHash hash_;
    std::uint64_t done_ = 0;
    WriteBehind writer_;

    std::mutex mutex_;
    std::condition_variable changed_;
    bool reading_ = false;
    std::deque<Chunk> chunks_;  ///< what arrived since, for the reader
    std::size_t waiting_bytes_ = 0;
    bool ended_ = false;
    std::exception_ptr failure_;
    std::thread thread_;
};

/// The bytes of a download, as they come. Made before the download is `start`ed.
class FollowingSource final : public archive::ByteSource {
public:
    explicit FollowingSource(LayerDownload& download);
    ~FollowingSource() override;
    std::span<const std::byte> next() override;

private:
    LayerDownload& download_;
    std::vector<std::byte> buffer_;
    std::uint64_t offset_ = 0;  ///< within what the file held at the start
};

}  // namespace hull::transfer
