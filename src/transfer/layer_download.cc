#include "transfer/layer_download.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace hull::transfer {

namespace {

constexpr std::size_t buffer_bytes = 256UL << 10;
constexpr std::uint64_t writeback_bytes = 8UL << 20;

std::size_t read_at(int fd, std::span<std::byte> into, std::uint64_t offset) {
    for (;;) {
        const ssize_t count = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) throw_errno(errno, "reading what was downloaded");
    }
}

/// The first byte that a 206 reply says it holds; nullopt when it makes no sense.
std::optional<std::uint64_t> start_of_range(std::string_view content_range) {
    unsigned long long first = 0;
    if (std::sscanf(std::string(content_range).c_str(), "bytes %llu-", &first) != 1)
        return std::nullopt;
    return first;
}

}  // namespace

LayerDownload::LayerDownload(std::vector<registry_client::Registry*> registries,
                             std::string repository, oci::Descriptor blob, int file,
                             unsigned attempts, std::function<void(std::uint64_t)> progress)
    : registries_(std::move(registries)),
      repository_(std::move(repository)),
      blob_(std::move(blob)),
      size_(static_cast<std::uint64_t>(blob_.size)),
      file_(file),
      attempts_(attempts),
      progress_(std::move(progress)),
      thread_([this] { run(); }) {}

LayerDownload::~LayerDownload() {
    if (thread_.joinable()) thread_.join();
}

void LayerDownload::finish() {
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
}

std::uint64_t LayerDownload::wait_behind(std::uint64_t offset) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return available_ > offset || ended_; });
    if (available_ > offset) return available_ - offset;
    // finish() says why; two threads must not hold one exception.
    if (failure_) throw Error(ErrorKind::unavailable, "the download broke");
    return 0;
}

void LayerDownload::run() {
    std::exception_ptr failure;
    try {
        take_present();
        for (std::size_t i = 0; done_ < size_; ++i) {
            try {
                registry_client::with_retries(attempts_, [&] { fetch(*registries_[i]); });
            } catch (const Error& error) {
                if (i + 1 == registries_.size() || error.error_number() == ENOSPC) throw;
            }
        }
        if (const auto digest = oci::Digest::from_hex(hash_.hex()); digest != blob_.digest) {
            sys::ftruncate(file_, 0);  // nobody must go on from this
            throw Error(ErrorKind::data_loss, "its bytes hash to {}", digest.str());
        }
    } catch (...) {
        failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
}

/// Hashes what an earlier download left.
void LayerDownload::take_present() {
    std::uint64_t present = static_cast<std::uint64_t>(sys::fstat(file_).st_size);
    if (present > size_) {
        sys::ftruncate(file_, 0);
        present = 0;
    }
    was_resumed_ = present > 0;
    std::vector<std::byte> buffer(buffer_bytes);
    while (done_ < present) {
        const std::size_t count = read_at(
            file_, std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), present - done_)),
            done_);
        if (count == 0) throw Error(ErrorKind::data_loss, "the partial download is cut short");
        hash_.update(std::span(buffer).first(count));
        done_ += count;
        const std::lock_guard lock(mutex_);
        available_ = done_;
        changed_.notify_all();
    }
    progress_(done_);
}

void LayerDownload::append(std::span<const std::byte> bytes) {
    if (bytes.size() > size_ - done_)
        throw Error(ErrorKind::data_loss,
                    "the registry sends more than the {} bytes of the manifest", size_);
    sys::pwrite_all(file_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, done_);
    hash_.update(bytes);
    done_ += bytes.size();
    if (done_ >= handed_over_ + writeback_bytes) {  // the disk works while we do
        ::sync_file_range(file_, static_cast<off_t>(handed_over_),
                          static_cast<off_t>(done_ - handed_over_), SYNC_FILE_RANGE_WRITE);
        handed_over_ = done_;
    }
    {
        const std::lock_guard lock(mutex_);
        available_ = done_;
        changed_.notify_all();
    }
    progress_(done_);
}

/// From the registry, else from where the manifest says that the layer is to be had: those that
/// must not be distributed are at their author's only.
registry_client::Response LayerDownload::open(registry_client::Registry& registry) {
    try {
        return registry.open_blob(repository_, blob_.digest, 0);
    } catch (const registry_client::ReplyError& error) {
        if (error.status() != 404 || blob_.urls.empty()) throw;
    }
    for (std::size_t i = 0;; ++i) {
        try {
            return registry.open_elsewhere(blob_.urls[i], 0);
        } catch (const Error&) {
            if (i + 1 == blob_.urls.size()) throw;
        }
    }
}

void LayerDownload::fetch(registry_client::Registry& registry) {
    if (done_ == size_) return;
    std::uint64_t skip = 0;
    std::optional<registry_client::Response> response;
    if (done_ > 0) {
        try {
            response.emplace(registry.open_blob(repository_, blob_.digest, done_));
        } catch (const registry_client::ReplyError& error) {
            if (error.status() != 416) throw;
        }
        // A server that answers with another range than was asked for gets no second chance.
        if (response && response->status == 206 &&
            start_of_range(response->headers.get("Content-Range")) != done_)
            response.reset();
        if (!response || response->status == 200) skip = done_;
    }
    if (!response) response.emplace(open(registry));
    if (const auto length = response->content_length()) {
        const std::uint64_t total = *length + (skip > 0 ? 0 : done_);
        if (total != size_)
            throw Error(ErrorKind::data_loss, "the registry has {} bytes, the manifest says {}",
                        total, size_);
    }
    std::vector<std::byte> buffer(buffer_bytes);
    while (const std::size_t count = response->read(buffer)) {
        const std::size_t skipped = std::min<std::uint64_t>(skip, count);
        skip -= skipped;
        if (count > skipped) append(std::span(buffer).subspan(skipped, count - skipped));
    }
    if (done_ != size_)
        throw Error(ErrorKind::data_loss, "the registry sends {} bytes, the manifest says {}",
                    done_, size_);
}

std::span<const std::byte> FollowingSource::next() {
    const std::uint64_t ready = download_.wait_behind(offset_);
    if (ready == 0) return {};
    const std::size_t count =
        read_at(download_.file(),
                std::span(buffer_).first(std::min<std::uint64_t>(ready, buffer_.size())), offset_);
    if (count == 0) throw Error(ErrorKind::data_loss, "the download's file is cut short");
    offset_ += count;
    return std::span(buffer_).first(count);
}

}  // namespace hull::transfer
