#include "registry/uploads.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "registry/durable.hh"
#include "registry/refusal.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace hull::registry {

namespace {

/// Bytes are handed to the disk while more arrive, so that little is left to wait for at the end.
constexpr std::uint64_t flush_bytes = 8 << 20;

bool is_upload_name(std::string_view name) {
    constexpr std::size_t uuid_size = 36;
    return name.size() == uuid_size && std::ranges::all_of(name, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
           });
}

/// Random, version 4 (RFC 9562).
std::string make_uuid() {
    std::string hex = random_hex(16);
    hex[12] = '4';
    hex[16] = "89ab"[hex[16] % 4];
    for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
    return hex;
}

Path data_path(const Path& directory) { return directory + "/data"; }

Refusal unknown_upload(const std::string& name) {
    return {404, code::blob_upload_unknown, "blob upload unknown to registry: {}",
            std::string_view(name).substr(0, 100)};
}

}  // namespace

Upload::Upload(Path path, std::string_view algorithm)
    : path_(std::move(path)), hasher_(algorithm), used_ns_(now_ns()) {
    file_ = sys::open(path_, O_RDWR | O_CREAT, 0640);
    if (sys::fstat(file_.get()).st_size > 0) hash_file(algorithm);
    file_.reset();  // thousands of uploads may wait for their next request
}

void Upload::hash_file(std::string_view algorithm) {
    Hasher hasher(algorithm);
    std::vector<std::byte> buffer(256 << 10);
    std::uint64_t at = 0;
    for (;;) {
        const ssize_t count =
            ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(at));
        if (count < 0) throw_errno(errno, "reading upload {}", path_);
        if (count == 0) break;
        hasher.update({reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(count)});
        at += static_cast<std::uint64_t>(count);
    }
    hasher_ = std::move(hasher);
    size_ = at;
}

void Upload::append(std::string_view bytes) {
    sys::pwrite_all(file_.get(), bytes, size_);
    hasher_.update(bytes);
    size_ += bytes.size();
    used_ns_ = now_ns();
    if (size_ - flushed_ < flush_bytes) return;
    ::sync_file_range(file_.get(), static_cast<off_t>(flushed_),
                      static_cast<off_t>(size_ - flushed_), SYNC_FILE_RANGE_WRITE);
    flushed_ = size_;
}

void Upload::truncate(std::uint64_t size) {
    sys::ftruncate(file_.get(), size);
    hash_file(hasher_.algorithm());
}

ContentDigest Upload::digest(std::string_view algorithm) {
    if (hasher_.algorithm() != algorithm) hash_file(algorithm);
    return hasher_.digest();
}

Uploads::Use::~Use() {
    if (!upload_) return;
    upload_->used_ns_ = now_ns();
    upload_->file_.reset();
}

std::string Uploads::start(const std::string& repository, std::string_view algorithm) {
    const std::string name = make_uuid();
    const Path directory = join(storage_.uploads_directory(repository), name);
    // Not durable: an upload that a power loss ends is an upload that is begun again.
    sys::mkdir_all(directory, 0750);
    write_file(directory + "/startedat", format_rfc3339(now_ns()), 0640);
    std::shared_ptr<Upload> upload(new Upload(data_path(directory), algorithm));
    auto table = table_.lock();
    if (table->size() >= limits_.in_memory) {
        table.mutex().unlock();
        sys::remove_tree(directory);
        throw Refusal(429, code::too_many_requests, "too many uploads are unfinished")
            .with_header("Retry-After", "60");
    }
    (*table)[directory] = std::move(upload);
    return name;
}

std::shared_ptr<Upload> Uploads::find(const std::string& repository, const std::string& name) {
    if (!is_upload_name(name)) throw unknown_upload(name);
    const Path directory = join(storage_.uploads_directory(repository), name);
    {
        auto table = table_.lock();
        const auto found = table->find(directory);
        if (found != table->end()) return found->second;
    }
    if (!sys::find_stat(data_path(directory))) throw unknown_upload(name);
    // Begun before a restart. Two requests may both read the file: one of them is kept.
    std::shared_ptr<Upload> upload(new Upload(data_path(directory), "sha256"));
    return table_.lock()->try_emplace(directory, std::move(upload)).first->second;
}

Uploads::Use Uploads::use(const std::string& repository, const std::string& name) {
    std::shared_ptr<Upload> upload = find(repository, name);
    std::unique_lock lock(upload->mutex_, std::chrono::milliseconds(limits_.wait_ms));
    if (!lock)
        throw Refusal(409, code::blob_upload_invalid,
                      "another request still writes to upload {}: ask for its state and go on",
                      name);
    if (upload->ended_) throw unknown_upload(name);
    upload->file_ = sys::open(upload->path_, O_RDWR);
    return {std::move(upload), std::move(lock)};
}

std::uint64_t Uploads::received(const std::string& repository, const std::string& name) {
    const std::shared_ptr<Upload> upload = find(repository, name);
    upload->used_ns_ = now_ns();
    return upload->size();
}

void Uploads::commit(const std::string& repository, Use& use, const ContentDigest& digest) {
    sys::fdatasync(use->file_.get());
    storage_.add_blob(repository, digest, use->path_);
    cancel(use);
}

void Uploads::cancel(Use& use) {
    use->ended_ = true;
    const Path directory = use->path_.substr(0, use->path_.rfind('/'));
    table_.lock()->erase(directory);
    sys::remove_tree(directory);
}

std::size_t Uploads::expire(std::int64_t age_ns) {
    std::size_t removed = 0;
    const std::int64_t oldest = now_ns() - age_ns;
    for (const std::string& repository : storage_.list_upload_repositories()) {
        const Path uploads = storage_.uploads_directory(repository);
        for (const std::string& name : sys::list_directories(uploads)) {
            const Path directory = join(uploads, name);
            std::shared_ptr<Upload> upload;
            {
                auto table = table_.lock();
                if (const auto found = table->find(directory); found != table->end())
                    upload = found->second;
            }
            if (upload) {
                const std::unique_lock lock(upload->mutex_, std::try_to_lock);
                if (!lock || upload->used_ns_ > oldest) continue;
                upload->ended_ = true;
                table_.lock()->erase(directory);
            } else {
                auto status = sys::find_stat(data_path(directory));
                if (!status) status = sys::find_stat(directory);
                if (status && status->st_mtim.tv_sec * 1'000'000'000LL > oldest) continue;
            }
            sys::remove_tree(directory);
            removed++;
        }
    }
    return removed;
}

std::size_t Uploads::count() { return table_.lock()->size(); }

}  // namespace hull::registry
