#include "transfer/layer_download.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace hull::transfer {

namespace {

constexpr std::size_t buffer_bytes = 256UL << 10;
/// The reader is at most so far behind the network: it inflates, and the file is not read again.
constexpr std::size_t most_waiting_bytes = 8UL << 20;
constexpr std::chrono::milliseconds longest_unwritten(200);

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
                             std::string repository, oci::Descriptor blob, DownloadFile file,
                             unsigned attempts, std::function<void(std::uint64_t)> progress)
    : registries_(std::move(registries)),
      repository_(std::move(repository)),
      blob_(std::move(blob)),
      size_(static_cast<std::uint64_t>(blob_.size)),
      file_(file.file),
      attempts_(attempts),
      progress_(std::move(progress)),
      hash_(blob_.digest),
      writer_(file.file, std::move(file.direct), longest_unwritten) {
    present_ = static_cast<std::uint64_t>(sys::fstat(file_).st_size);
    if (present_ > size_) {
        sys::ftruncate(file_, 0);
        present_ = 0;
    }
    was_resumed_ = present_ > 0;
}

LayerDownload::~LayerDownload() {
    if (thread_.joinable()) thread_.join();
}

void LayerDownload::start() {
    thread_ = std::thread([this] { run(); });
}

void LayerDownload::finish() {
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
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
        writer_.drain();
        if (const auto digest = hash_.digest(); digest != blob_.digest) {
            sys::ftruncate(file_, 0);  // nobody must go on from this
            throw Error(ErrorKind::data_loss, "its bytes hash to {}", digest.str());
        }
    } catch (...) {
        failure = std::current_exception();
        keep_what_came();
    }
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
}

/// For the next attempt.
void LayerDownload::keep_what_came() {
    try {
        writer_.drain();
    } catch (const Error&) {  // the first failure is the one to tell
    }
}

/// Hashes what an earlier download left.
void LayerDownload::take_present() {
    std::vector<std::byte> buffer(buffer_bytes);
    while (done_ < present_) {
        const std::size_t count = read_at(
            file_,
            std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), present_ - done_)),
            done_);
        if (count == 0) throw Error(ErrorKind::data_loss, "the partial download is cut short");
        hash_.update(std::span(buffer).first(count));
        done_ += count;
    }
    progress_(done_);
}

void LayerDownload::append(std::span<const std::byte> bytes) {
    if (bytes.size() > size_ - done_)
        throw Error(ErrorKind::data_loss,
                    "the registry sends more than the {} bytes of the manifest", size_);
    writer_.write(done_, bytes);
    hash_.update(bytes);
    done_ += bytes.size();
    hand_to_reader(bytes);
    progress_(done_);
}

void LayerDownload::hand_to_reader(std::span<const std::byte> bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_bytes_ < most_waiting_bytes || !reading_; });
    if (!reading_) return;
    chunks_.emplace_back(bytes.begin(), bytes.end());
    waiting_bytes_ += bytes.size();
    changed_.notify_all();
}

void LayerDownload::set_reading(bool reading) {
    const std::lock_guard lock(mutex_);
    reading_ = reading;
    chunks_.clear();
    waiting_bytes_ = 0;
    changed_.notify_all();
}

/// The next bytes that came from the network; empty at the end. Throws when they never come.
LayerDownload::Chunk LayerDownload::take_chunk() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !chunks_.empty() || ended_; });
    if (!chunks_.empty()) {
        Chunk chunk = std::move(chunks_.front());
        chunks_.pop_front();
        waiting_bytes_ -= chunk.size();
        changed_.notify_all();
        return chunk;
    }
    // finish() says why; two threads must not hold one exception.
    if (failure_) throw Error(ErrorKind::unavailable, "the download broke");
    return {};
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

FollowingSource::FollowingSource(LayerDownload& download) : download_(download) {
    download_.set_reading(true);
}

FollowingSource::~FollowingSource() { download_.set_reading(false); }

std::span<const std::byte> FollowingSource::next() {
    if (offset_ == download_.present_) {
        buffer_ = download_.take_chunk();
        return buffer_;
    }
    buffer_.resize(std::min<std::uint64_t>(buffer_bytes, download_.present_ - offset_));
    const std::size_t count = read_at(download_.file_, buffer_, offset_);
    if (count == 0) throw Error(ErrorKind::data_loss, "the download's file is cut short");
    offset_ += count;
    return std::span(buffer_).first(count);
}

}  // namespace hull::transfer
