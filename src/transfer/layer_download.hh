#pragma once
#include "archive/byte_source.hh"
#include "base/fd.hh"
#include "base/hash.hh"
#include "oci/descriptor.hh"
#include "registry/client/registry.hh"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hull::transfer {

/// Brings one blob into a file, from a thread of its own; what the file holds already is not
/// fetched again. Others read the file behind it while it grows.
class LayerDownload {
public:
    /// `progress` is told how many bytes are there.
    LayerDownload(std::vector<registry_client::Registry*> registries, std::string repository,
                  oci::Descriptor blob, int file, unsigned attempts,
                  std::function<void(std::uint64_t)> progress);
    ~LayerDownload();

    /// Waits for its end. Throws why it failed; data_loss when the bytes hash to something else.
    void finish();
    /// Whether bytes of an earlier download were used.
    bool was_resumed() const { return was_resumed_; }

    /// Blocks until there are bytes behind `offset`; 0 at the end. Throws when they never come.
    std::uint64_t wait_behind(std::uint64_t offset);
    int file() const { return file_; }

private:
    void run();
    void take_present();
    registry_client::Response open(registry_client::Registry& registry);
    void fetch(registry_client::Registry& registry);
    void append(std::span<const std::byte> bytes);

    std::vector<registry_client::Registry*> registries_;
    const std::string repository_;
    const oci::Descriptor blob_;
    const std::uint64_t size_;
    const int file_;
    const unsigned attempts_;
    const std::function<void(std::uint64_t)> progress_;
    bool was_resumed_ = false;
    Sha256 hash_;
    std::uint64_t done_ = 0;
    std::uint64_t handed_over_ = 0;  ///< what is before was given to the disk

    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t available_ = 0;
    bool ended_ = false;
    std::exception_ptr failure_;
    std::thread thread_;
};

/// Reads the file behind a download.
class FollowingSource final : public archive::ByteSource {
public:
    explicit FollowingSource(LayerDownload& download) : download_(download), buffer_(256UL << 10) {}
    std::span<const std::byte> next() override;

private:
    LayerDownload& download_;
    std::vector<std::byte> buffer_;
    std::uint64_t offset_ = 0;
};

}  // namespace hull::transfer
