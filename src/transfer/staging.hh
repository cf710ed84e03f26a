#pragma once
#include "base/error.hh"
#include "base/fd.hh"
#include "base/file.hh"
#include "oci/digest.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hull::transfer {

/// The directory whose files the daemon adopts or deletes. Files are named relative to its
/// descriptor: in the sandbox its path means nothing.
class Staging {
public:
    /// `path` is for messages. Owns `directory`.
    Staging(Fd directory, Path path) : directory_(std::move(directory)), path_(std::move(path)) {}

    int fd() const { return directory_.get(); }
    /// A new empty file for reading and writing: `blob-1`, `layer-1.erofs`.
    struct File {
        Fd fd;
        std::string name;
    };
    File make(std::string_view stem, std::string_view suffix = "");
    Fd open(const std::string& name) const;
    /// For writing past the page cache (WriteBehind); empty where the file system cannot.
    Fd open_direct(const std::string& name) const;
    std::string read(const std::string& name, std::size_t max_bytes) const;
    void remove(const std::string& name) const;

    std::uint64_t free_bytes() const;
    /// When `error` is a full disk or quota, one that says what is full, what `needed` bytes were
    /// for and how much is free; otherwise `error` itself.
    Error explain(const Error& error, std::string_view purpose, std::uint64_t needed) const;

private:
    Fd directory_;
    Path path_;
    unsigned made_ = 0;
};

/// Writes a blob into staging and hashes it on the way.
class BlobWriter {
public:
    /// It is hashed as `like` was.
    explicit BlobWriter(Staging& staging, const oci::Digest& like = {})
        : file_(staging.make("blob-")), hash_(like) {}
    void write(std::span<const std::byte> bytes);
    std::uint64_t size() const { return size_; }
    const std::string& name() const { return file_.name; }
    /// Once, after the last byte.
    oci::Digest finish() { return hash_.digest(); }

private:
    Staging::File file_;
    oci::DigestHash hash_;
    std::uint64_t size_ = 0;
};

}  // namespace hull::transfer
