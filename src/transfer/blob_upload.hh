#pragma once
#include "oci/descriptor.hh"
#include "registry/client/registry.hh"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hull::transfer {

/// A blob to bring into a repository.
struct Upload {
    oci::Descriptor blob;
    int file = -1;
    std::vector<std::string> mounts;  ///< repositories of the registry that should have it
    std::string location;             ///< of an upload that was begun earlier, "" for none
};

enum class UploadOutcome { existed, mounted, uploaded };
struct UploadResult {
    UploadOutcome outcome = UploadOutcome::uploaded;
    std::string mounted_from;
};

/// Uploads to one repository.
class Uploader {
public:
    struct Listener {
        std::function<void(std::uint64_t sent)> progress;
        /// An upload goes on at this address when it breaks; "" when there is nothing to go on
        /// with.
        std::function<void(const std::string& location)> begun;
    };
    Uploader(registry_client::Registry& registry, std::string repository, unsigned attempts)
        : registry_(registry), repository_(std::move(repository)), attempts_(attempts) {}

    /// Nothing is sent that the registry has or can mount. Goes on where an upload broke.
    UploadResult run(const Upload& upload, const Listener& listener);
    /// Whether the registry has the blob, or mounts it from repository `from`.
    bool mount_only(const oci::Descriptor& blob, const std::string& from);

private:
    bool exists(const oci::Descriptor& blob);
    bool mount(const Upload& upload, const std::string& from, std::string& location);
    std::string begin();
    std::optional<std::uint64_t> find_offset(std::string& location);
    void send(const Upload& upload, std::string& location, std::uint64_t offset,
              const Listener& listener);
    void commit(const Upload& upload, const std::string& location);
    std::vector<std::string> scopes() const {
        return {registry_client::Registry::scope(repository_, "pull,push")};
    }
    std::string uploads_path() const { return "v2/" + repository_ + "/blobs/uploads/"; }
    std::string location_of(const registry_client::Response& response) const;

    registry_client::Registry& registry_;
    const std::string repository_;
    const unsigned attempts_;
};

}  // namespace hull::transfer
