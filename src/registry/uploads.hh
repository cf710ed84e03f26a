#pragma once
#include "base/fd.hh"
#include "base/locked.hh"
#include "registry/content_digest.hh"
#include "registry/storage.hh"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace hull::registry {

/// One upload that is being written to: bytes go to a file and through the digest. Held by one
/// request at a time; what was written stays when the request breaks off.
class Upload {
public:
    std::uint64_t size() const { return size_; }
    const Path& path() const { return path_; }  ///< where its bytes are until it ends
    void append(std::string_view bytes);
    /// Forgets bytes behind `size`: they were not what the request had announced.
    void truncate(std::uint64_t size);
    /// Digest of everything so far by `algorithm`.
    ContentDigest digest(std::string_view algorithm);

private:
    friend class Uploads;
    Upload(Path path, std::string_view algorithm);
    void hash_file(std::string_view algorithm);

    const Path path_;  ///< of the bytes
    Hasher hasher_;
    Fd file_;
    std::atomic<std::uint64_t> size_ = 0;
    std::uint64_t flushed_ = 0;  ///< the kernel was asked to write what is before
    std::atomic<std::int64_t> used_ns_ = 0;
    std::timed_mutex mutex_;
    bool ended_ = false;
};

/// Uploads of all repositories. Their bytes lie in the repository's `_uploads`, so a restart loses
/// nothing; digests so far are kept in memory and made again from the file when they are gone.
class Uploads {
public:
    struct Limits {
        std::size_t in_memory = 10'000;
        int wait_ms = 10'000;  ///< for another request that still writes to the upload
    };
    Uploads(Storage& storage, Limits limits) : storage_(storage), limits_(limits) {}
    explicit Uploads(Storage& storage) : Uploads(storage, Limits{}) {}

    /// Exclusive use of an upload.
    class Use {
    public:
        Upload* operator->() const { return upload_.get(); }
        Upload& operator*() const { return *upload_; }
        ~Use();
        Use(Use&&) noexcept = default;

    private:
        friend class Uploads;
        Use(std::shared_ptr<Upload> upload, std::unique_lock<std::timed_mutex> lock)
            : upload_(std::move(upload)), lock_(std::move(lock)) {}
        std::shared_ptr<Upload> upload_;  // the table's too: others wait for it meanwhile
        std::unique_lock<std::timed_mutex> lock_;
    };

    /// The new upload's name. Throws a Refusal TOOMANYREQUESTS when there are too many.
    std::string start(const std::string& repository, std::string_view algorithm);
    /// Throws a Refusal BLOB_UPLOAD_UNKNOWN; or BLOB_UPLOAD_INVALID when somebody else does not
    /// end using it.
    Use use(const std::string& repository, const std::string& name);
    /// Bytes received so far, without waiting for who writes. Throws as `use`.
    std::uint64_t received(const std::string& repository, const std::string& name);
    /// Makes the bytes a blob of the repository, durably; the upload ends.
    void commit(const std::string& repository, Use& use, const ContentDigest& digest);
    void cancel(Use& use);

    /// Removes uploads of all repositories that nobody has used for so long; how many.
    std::size_t expire(std::int64_t age_ns);
    /// How many are known to memory.
    std::size_t count();

private:
    using Key = std::string;  ///< directory of the upload
    std::shared_ptr<Upload> find(const std::string& repository, const std::string& name);

    Storage& storage_;
    const Limits limits_;
    Locked<std::map<Key, std::shared_ptr<Upload>>> table_;
};

}  // namespace hull::registry
